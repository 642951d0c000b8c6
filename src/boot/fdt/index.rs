//! The index of a checked tree: its nodes, its properties and its phandles in flat arrays.

use alloc::vec::Vec;
use core::ops::Range;

use super::Property;

/// The nodes, properties and phandles of a tree, each in the order of its structure block.
pub(super) struct Index<'a> {
    pub nodes: Vec<Entry<'a>>,
    pub properties: Vec<Property<'a>>,
    /// Phandles and the numbers of their nodes.
    pub phandles: Vec<(u32, usize)>,
}

/// A node in the index.
#[derive(Default)]
pub(super) struct Entry<'a> {
    /// The name with its unit address: graphic ASCII without `/`.
    pub name: &'a [u8],
    /// The index among [`Index::nodes`]; 0 for the root.
    pub number: usize,
    /// The number of the parent; the root is its own parent.
    pub parent: usize,
    /// The number of the first node behind the descendants.
    pub end: usize,
    /// The range of this node's properties among all properties.
    pub properties: Range<usize>,
    /// For each [`Common`] name, the number of the node's first property of that name, plus one;
    /// 0 if there is none.
    pub common: [u32; COMMON],
    /// `#address-cells` and `#size-cells`.
    pub cells: (u32, u32),
    /// `#interrupt-cells`, or 0.
    pub interrupt_cells: u32,
    /// Whether those are the cells of a GIC.
    pub is_gic: bool,
    /// The phandle in `interrupt-parent`.
    pub interrupt_parent: Option<u32>,
}

/// The properties that are looked up in every node.
#[derive(Clone, Copy)]
pub(crate) enum Common {
    Compatible,
    Status,
    DeviceType,
    Reg,
    Interrupts,
    InterruptsExtended,
}

/// The number of [`Common`] properties.
const COMMON: usize = 6;
