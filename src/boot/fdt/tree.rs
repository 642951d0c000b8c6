//! A checked tree, and looking for nodes in it.

use alloc::vec::Vec;

use super::header::{self, Blocks};
use super::index::Index;
use super::{Node, TreeError, structure};
use crate::arch::addr::{Pa, Region};

/// A device tree that has been checked, with an index of its nodes and properties.
pub struct Tree<'a> {
    bytes: &'a [u8],
    reservations: Vec<Region<Pa>>,
    index: Index<'a>,
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
        let blocks = Blocks::read(bytes)?;
        let index = structure::read(&blocks)?;
        let Blocks { bytes, reservations, .. } = blocks;
        Ok(Self { bytes, reservations, index })
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
        Node::numbered(&self.index, 0)
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
        Node::by_phandle(&self.index, phandle)
    }

    /// All nodes from the root on, every parent before its children.
    pub fn nodes(&self) -> impl Iterator<Item = Node<'_, 'a>> {
        self.index.nodes.iter().map(|entry| Node { index: &self.index, entry })
    }

    /// Calls `each` for the nodes below the root, every parent before its children: those below a node
    /// for which it returns false are left out.
    pub(crate) fn walk<'t>(&'t self, each: &mut dyn FnMut(Node<'t, 'a>) -> bool) {
        let mut next = 1;
        while let Some(entry) = self.index.nodes.get(next) {
            next = if each(Node { index: &self.index, entry }) { next + 1 } else { entry.end };
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
