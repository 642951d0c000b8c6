//! Reads, checks and writes flattened device trees (Devicetree Specification 0.4, chapter 5).
//!
//! The `fdt` crate reads the memory reservations. It panics on a malformed structure block and on
//! FDT_NOP, and it searches for nodes from the start each time. So this module reads the structure
//! block itself, in one pass that checks it ([`TreeError`]) and fills the index that all look-ups
//! use. `fdt` does not decode addresses (`reg` through every `ranges`) and interrupts (inherited
//! parents, GIC cells) either: [`Node::regions`] and [`Node::interrupts`] do.

mod error;
mod header;
mod index;
mod interrupts;
mod node;
mod pci;
mod property;
mod ranges;
mod references;
mod structure;
mod tree;
mod write;

pub use error::{NodeError, TreeError};
pub(crate) use index::Common;
pub(crate) use interrupts::is_gic;
pub use node::Node;
pub use pci::{MappedInterrupt, PciRange};
pub use property::Property;
pub use tree::Tree;
pub use write::Writer;

/// The tokens of the structure block.
mod token {
    pub const BEGIN_NODE: u32 = 1;
    pub const END_NODE: u32 = 2;
    pub const PROPERTY: u32 = 3;
    pub const NOP: u32 = 4;
    pub const END: u32 = 9;
}

#[cfg(test)]
mod tests;
