//! A checked tree, and looking for nodes in it.

use alloc::vec::Vec;
use core::ops::Range;

use super::header::{self, Blocks};
use super::{Node, Property, TreeError, structure};
use crate::arch::addr::{Pa, Region};

/// A device tree that has been checked, with an index of its nodes and properties.
pub struct Tree<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) reservations: Vec<Region<Pa>>,
    pub(super) nodes: Vec<Entry<'a>>,
    pub(super) properties: Vec<Property<'a>>,
    /// Phandles and the numbers of their nodes.
    pub(super) phandles: Vec<(u32, usize)>,
}

/// The properties that every node is asked for.
#[derive(Clone, Copy)]
pub(crate) enum Common {
    Compatible,
    Status,
    DeviceType,
    Reg,
    Interrupts,
    InterruptsExtended,
}

/// How many there are of [`Common`].
const COMMON: usize = 6;

/// A node in the index, with what is asked of it for the sake of other nodes.
#[derive(Default)]
pub(super) struct Entry<'a> {
    /// Graphic ASCII, without `/`.
    pub name: &'a [u8],
    /// Its place in the index; the root's is 0.
    pub number: usize,
    /// The number of its parent; the root is its own.
    pub parent: usize,
    /// The number of the first node past its descendants.
    pub end: usize,
    /// Which of all properties are its own.
    pub properties: Range<usize>,
    /// The number of its first property of each [`Common`] name, among all properties, plus one; or 0.
    pub common: [u32; COMMON],
    /// `#address-cells` and `#size-cells`.
    pub cells: (u32, u32),
    /// `#interrupt-cells`, or 0.
    pub interrupt_cells: u32,
    /// Whether those are the cells of a GIC.
    pub is_gic: bool,
    pub interrupt_parent: Option<u32>,
}

impl<'a> Tree<'a> {
    /// Checks `bytes`, which may go on behind the tree, and indexes what is there.
    ///
    /// Of two nodes or two properties with one name and parent, look-ups find the first; addresses and
    /// interrupts are told by the last `#...-cells` and `interrupt-parent` of a node.
    ///
    /// # Errors
    ///
    /// Whatever keeps the bytes from being a well-formed tree of version 17.
    pub fn new(bytes: &'a [u8]) -> Result<Self, TreeError> {
        structure::read(Blocks::read(bytes)?)
    }

    /// The size of the whole tree in bytes, from the first 40 bytes alone.
    ///
    /// # Errors
    ///
    /// [`TreeError::NotATree`], [`TreeError::Truncated`], or a size smaller than the header.
    pub fn total_size(bytes: &[u8]) -> Result<usize, TreeError> {
        header::header(bytes).map(|[_, total, ..]| total as usize)
    }

    /// The root node.
    pub fn root(&self) -> Node<'_, 'a> {
        self.numbered(0)
    }

    #[inline(never)]
    pub(super) fn numbered(&self, number: usize) -> Node<'_, 'a> {
        Node { tree: self, entry: &self.nodes[number] }
    }

    /// The node at `path`, which is absolute, or starts with a name from `/aliases` in place of
    /// the first slash and what follows it.
    #[inline(never)]
    pub fn node(&self, path: &str) -> Option<Node<'_, 'a>> {
        if let Some(rest) = path.strip_prefix('/') {
            return self.root().descendant(rest);
        }
        let (alias, rest) = path.split_once('/').unwrap_or((path, ""));
        let target = self.root().child("aliases")?.string(alias)?;
        self.root().descendant(target.strip_prefix('/')?)?.descendant(rest)
    }

    /// The node with this phandle.
    pub fn by_phandle(&self, phandle: u32) -> Option<Node<'_, 'a>> {
        let (_, number) = self.phandles.iter().find(|(known, _)| *known == phandle)?;
        Some(self.numbered(*number))
    }

    /// All nodes from the root on, every parent before its children.
    pub fn nodes(&self) -> impl Iterator<Item = Node<'_, 'a>> {
        self.nodes.iter().map(|entry| Node { tree: self, entry })
    }

    /// Calls `each` for the nodes below the root, every parent before its children: those below a node
    /// for which it returns false are left out.
    pub(crate) fn walk<'t>(&'t self, each: &mut dyn FnMut(Node<'t, 'a>) -> bool) {
        let mut next = 1;
        while let Some(entry) = self.nodes.get(next) {
            next = if each(Node { tree: self, entry }) { next + 1 } else { entry.end };
        }
    }

    /// The memory that `/memreserve/` entries keep from use.
    pub fn memory_reservations(&self) -> &[Region<Pa>] {
        &self.reservations
    }

    /// How far from the start of the tree `bytes` lie, if they are a part of it, as a property's
    /// value is.
    pub fn offset_of(&self, bytes: &[u8]) -> Option<usize> {
        let offset = bytes.as_ptr().addr().checked_sub(self.bytes.as_ptr().addr())?;
        (offset.checked_add(bytes.len())? <= self.bytes.len()).then_some(offset)
    }
}
