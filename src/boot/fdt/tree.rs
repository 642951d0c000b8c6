//! A checked tree and the ways to find its nodes.

use alloc::vec::Vec;

use super::header::{self, Blocks};
use super::index::Index;
use super::structure::{self, Word};
use super::{Node, TreeError};
use crate::arch::addr::{Pa, Region};

/// A device tree that has been checked, with an index of its nodes and properties.
pub struct Tree<'a> {
    bytes: &'a [u8],
    reservations: Vec<Region<Pa>>,
    index: Index<'a>,
}

impl<'a> Tree<'a> {
    /// Checks and indexes the tree that `bytes` start with.
    ///
    /// Of two nodes or properties with the same name and parent, look-ups find the first. Of
    /// several `#...-cells` or `interrupt-parent` in one node, the last determines addresses and
    /// interrupts.
    ///
    /// # Errors
    ///
    /// If the bytes are not a well-formed tree of version 17.
    pub fn new(bytes: &'a [u8]) -> Result<Self, TreeError> {
        Self::read(bytes, bytes.as_chunks().0)
    }

    /// Does the same in fewer instructions. `words` are all words of `bytes`, as they are in memory.
    ///
    /// # Errors
    ///
    /// See [`new`](Self::new).
    pub fn of_words(bytes: &'a [u8], words: &[u32]) -> Result<Self, TreeError> {
        Self::read(bytes, words)
    }

    fn read(bytes: &'a [u8], words: &[impl Word]) -> Result<Self, TreeError> {
        let blocks = Blocks::read(bytes)?;
        let index = structure::read(&blocks, words)?;
        let Blocks { bytes, reservations, .. } = blocks;
        Ok(Self { bytes, reservations, index })
    }

    /// Returns the total size of a tree in bytes, for which its first 40 bytes are enough.
    ///
    /// # Errors
    ///
    /// [`TreeError::NotATree`], [`TreeError::Truncated`], or a size smaller than the header.
    pub fn total_size(bytes: &[u8]) -> Result<usize, TreeError> {
        header::header(bytes).map(|[_, total, ..]| total as usize)
    }

    /// Returns the root node.
    pub fn root(&self) -> Node<'_, 'a> {
        Node::numbered(&self.index, 0)
    }

    /// Returns the node at `path`, which is absolute or starts with an alias: a property of
    /// `/aliases` with the path that the alias stands for.
    #[inline(never)]
    pub fn node(&self, path: &str) -> Option<Node<'_, 'a>> {
        if let Some(rest) = path.strip_prefix('/') {
            return self.root().descendant(rest);
        }
        let (alias, rest) = path.split_once('/').unwrap_or((path, ""));
        let target = self.root().child("aliases")?.string(alias)?;
        self.root().descendant(target.strip_prefix('/')?)?.descendant(rest)
    }

    /// Returns the first node with this phandle.
    pub fn by_phandle(&self, phandle: u32) -> Option<Node<'_, 'a>> {
        Node::by_phandle(&self.index, phandle)
    }

    /// Returns all nodes, every parent before its children.
    pub fn nodes(&self) -> impl Iterator<Item = Node<'_, 'a>> {
        self.index.nodes.iter().map(|entry| Node { index: &self.index, entry })
    }

    /// Calls `each` for the nodes below the root, every parent before its children. The nodes below
    /// a node for which it returns false are skipped.
    pub(crate) fn walk<'t>(&'t self, each: &mut dyn FnMut(Node<'t, 'a>) -> bool) {
        let mut next = 1;
        while let Some(entry) = self.index.nodes.get(next) {
            next = if each(Node { index: &self.index, entry }) { next + 1 } else { entry.end };
        }
    }

    /// Returns the memory of the `/memreserve/` entries.
    pub fn memory_reservations(&self) -> &[Region<Pa>] {
        &self.reservations
    }

    /// Returns the offset of `bytes` from the start of the tree, if they are a part of it, as the
    /// value of a property is.
    pub fn offset_of(&self, bytes: &[u8]) -> Option<usize> {
        let offset = bytes.as_ptr().addr().checked_sub(self.bytes.as_ptr().addr())?;
        (offset.checked_add(bytes.len())? <= self.bytes.len()).then_some(offset)
    }
}
