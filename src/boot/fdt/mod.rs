//! Flattened device trees (Devicetree Specification 0.4, chapter 5): check the bytes, read them,
//! write new ones.
//!
//! The `fdt` crate reads the memory reservations and the strings. It panics where a structure block
//! is malformed or has an FDT_NOP, and it looks for nodes from the start each time; so that block
//! is read by one pass of our own, which checks it ([`TreeError`] is what it can find) and fills
//! the index that every look-up uses. Nor are addresses (`reg` through every `ranges`) and
//! interrupts (inherited parents, GIC cells) `fdt`'s to decode: [`Node::regions`] and
//! [`Node::interrupts`] are.

mod error;
mod header;
mod index;
mod interrupts;
mod node;
mod property;
mod ranges;
mod structure;
mod tree;
mod write;

pub use error::{NodeError, TreeError};
pub(crate) use index::Common;
pub(crate) use interrupts::is_gic;
pub use node::Node;
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
