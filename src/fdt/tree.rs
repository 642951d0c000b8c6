//! A checked tree, and looking for nodes in it.

use alloc::vec::Vec;
use core::ops::Range;

use super::header::{self, Blocks};
use super::{Node, Property, TreeError, structure};
use crate::addr::{Pa, Region};

/// A device tree that has been checked, with an index of its nodes and properties.
pub struct Tree<'a> {
    bytes: &'a [u8],
    reservations: Vec<Region<Pa>>,
    pub(super) index: Index<'a>,
}

/// What there is in a tree, in its order.
pub(super) struct Index<'a> {
    pub nodes: Vec<Entry<'a>>,
    pub properties: Vec<Property<'a>>,
    /// Phandles and the numbers of their nodes.
    pub phandles: Vec<(u32, usize)>,
}

/// A node in the index. Its number is its place there; the root's is 0.
pub(super) struct Entry<'a> {
    pub name: &'a str,
    /// The number of its parent; the root is its own.
    pub parent: usize,
    /// The number of the first node past its descendants.
    pub end: usize,
    /// Which of all properties are its own.
    pub properties: Range<usize>,
}

impl<'a> Tree<'a> {
    /// Checks `bytes`, which may go on behind the tree, and indexes what is there.
    ///
    /// Of two nodes or two properties with one name and parent, look-ups find the first.
    ///
    /// # Errors
    ///
    /// Whatever keeps the bytes from being a well-formed tree of version 17.
    pub fn new(bytes: &'a [u8]) -> Result<Self, TreeError> {
        let blocks = Blocks::read(bytes)?;
        let index = structure::read(&blocks)?;
        Ok(Self { bytes: blocks.bytes, reservations: blocks.reservations, index })
    }

    /// The size of the whole tree in bytes, from the first 40 bytes alone.
    ///
    /// # Errors
    ///
    /// [`TreeError::NotATree`], [`TreeError::Truncated`], or a size smaller than the header.
    pub fn total_size(bytes: &[u8]) -> Result<usize, TreeError> {
        header::header(bytes).map(|(_, total)| total)
    }

    /// The root node.
    #[must_use]
    pub fn root(&self) -> Node<'_, 'a> {
        Node { tree: self, number: 0 }
    }

    /// The node at `path`, which is absolute, or starts with a name from `/aliases` in place of
    /// the first slash and what follows it.
    ///
    /// A unit address may be left out where only one node has the rest of the name.
    #[must_use]
    #[inline(never)]
    pub fn node(&self, path: &str) -> Option<Node<'_, 'a>> {
        if let Some(rest) = path.strip_prefix('/') {
            return self.root().descendant(rest);
        }
        let (alias, rest) = path.split_once('/').unwrap_or((path, ""));
        let target = self.root().child("aliases")?.property(alias)?.as_str()?;
        self.root().descendant(target.strip_prefix('/')?)?.descendant(rest)
    }

    /// The node with this phandle.
    #[must_use]
    pub fn by_phandle(&self, phandle: u32) -> Option<Node<'_, 'a>> {
        let mut phandles = self.index.phandles.iter();
        let (_, number) = *phandles.find(|(known, _)| *known == phandle)?;
        Some(Node { tree: self, number })
    }

    /// All nodes from the root on, every parent before its children.
    pub fn nodes(&self) -> impl Iterator<Item = Node<'_, 'a>> {
        (0..self.index.nodes.len()).map(|number| Node { tree: self, number })
    }

    /// The memory that `/memreserve/` entries keep from use.
    #[must_use]
    pub fn memory_reservations(&self) -> &[Region<Pa>] {
        &self.reservations
    }

    /// How far from the start of the tree `bytes` lie, if they are a part of it, as a property's
    /// value is.
    #[must_use]
    pub fn offset_of(&self, bytes: &[u8]) -> Option<usize> {
        let offset = bytes.as_ptr().addr().checked_sub(self.bytes.as_ptr().addr())?;
        (offset.checked_add(bytes.len())? <= self.bytes.len()).then_some(offset)
    }
}
