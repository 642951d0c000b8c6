//! Flattened device trees (Devicetree Specification 0.4, chapter 5): check the bytes, read them,
//! write new ones.
//!
//! The `fdt` crate reads nodes and properties, but it panics on what is malformed and on FDT_NOP.
//! So [`Tree::new`] first goes over all the bytes once ([`TreeError`] is what it can find), drops
//! the NOPs in place, and then lets `fdt` read, once, into an index that every look-up uses.
//! Addresses (`reg` through every `ranges`) and interrupts (inherited parents, GIC cells) are not
//! `fdt`'s to decode: [`Node::regions`] and [`Node::interrupts`] are.

mod check;
mod error;
mod interrupts;
mod property;
mod ranges;
mod tree;
mod write;

pub use error::TreeError;
pub use interrupts::InterruptError;
pub use property::Property;
pub use ranges::RangesError;
pub use tree::{Node, Tree};
pub use write::Writer;

/// The first word of every flattened tree.
const MAGIC: u32 = 0xd00d_feed;
/// Bytes of the header of versions 17 and up.
const HEADER_SIZE: usize = 40;
/// The version that this code reads and writes.
const VERSION: u32 = 17;

/// The tokens of the structure block.
mod token {
    pub const BEGIN_NODE: u32 = 1;
    pub const END_NODE: u32 = 2;
    pub const PROPERTY: u32 = 3;
    pub const NOP: u32 = 4;
    pub const END: u32 = 9;
}

/// Where the header keeps its fields, in bytes.
mod header {
    pub const MAGIC: usize = 0;
    pub const TOTAL_SIZE: usize = 4;
    pub const STRUCTURE: usize = 8;
    pub const STRINGS: usize = 12;
    pub const RESERVATIONS: usize = 16;
    pub const VERSION: usize = 20;
    pub const COMPATIBLE_VERSION: usize = 24;
    pub const STRINGS_SIZE: usize = 32;
    pub const STRUCTURE_SIZE: usize = 36;
}

/// The big-endian word at `offset`.
fn word(bytes: &[u8], offset: usize) -> Option<u32> {
    let cell = bytes.get(offset..)?.first_chunk()?;
    Some(u32::from_be_bytes(*cell))
}

#[cfg(test)]
mod tests;
