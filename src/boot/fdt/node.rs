//! A node of a tree: its names, its relatives and its properties.

use alloc::string::String;
use alloc::vec;
use core::{iter, ptr, str};

use super::Property;
use super::index::{Common, Entry, Index};
use super::property::strings;

/// A node of a tree.
#[derive(Clone, Copy)]
pub struct Node<'t, 'a> {
    pub(super) index: &'t Index<'a>,
    pub(super) entry: &'t Entry<'a>,
}

impl PartialEq for Node<'_, '_> {
    fn eq(&self, other: &Self) -> bool {
        ptr::eq(self.entry, other.entry)
    }
}

impl<'t, 'a> Node<'t, 'a> {
    /// Returns the node with this number.
    #[inline(never)]
    pub(super) fn numbered(index: &'t Index<'a>, number: usize) -> Self {
        Self { index, entry: &index.nodes[number] }
    }

    /// Returns the first node with this phandle.
    pub(super) fn by_phandle(index: &'t Index<'a>, phandle: u32) -> Option<Self> {
        let entry = Self::entry_of(index, phandle)?;
        Some(Self { index, entry })
    }

    /// Returns the entry of the first node with this phandle.
    #[inline(always)]
    pub(super) fn entry_of(index: &'t Index<'a>, phandle: u32) -> Option<&'t Entry<'a>> {
        let (_, number) = index.phandles.iter().find(|(known, _)| *known == phandle)?;
        index.nodes.get(*number)
    }

    /// Returns its name with its unit address, as in `uart@9000000`; empty for the root.
    pub fn name(self) -> &'a str {
        str::from_utf8(self.entry.name).unwrap_or_default()
    }

    /// Returns the bytes of its name with its unit address, which are graphic ASCII.
    pub(crate) fn name_bytes(self) -> &'a [u8] {
        self.entry.name
    }

    /// Returns its full path, as in `/soc/uart@9000000`.
    #[inline(never)]
    pub fn path(self) -> String {
        let mut length = 0;
        let mut node = self.entry;
        while node.number > 0 {
            length += 1 + node.name.len();
            node = &self.index.nodes[node.parent];
        }
        let mut path = vec![b'/'; length.max(1)];
        node = self.entry;
        while node.number > 0 {
            let start = length - node.name.len();
            path[start..length].copy_from_slice(node.name);
            length = start - 1;
            node = &self.index.nodes[node.parent];
        }
        String::from_utf8(path).unwrap_or_default()
    }

    /// Returns its parent; `None` for the root.
    #[inline(never)]
    pub fn parent(self) -> Option<Self> {
        (self.entry.number > 0).then(|| Self::numbered(self.index, self.entry.parent))
    }

    /// Returns whether its parent is the root.
    pub(crate) fn is_on_root(self) -> bool {
        self.entry.number > 0 && self.entry.parent == 0
    }

    /// Returns its number: its position among all nodes of the tree.
    pub(crate) fn number(self) -> usize {
        self.entry.number
    }

    /// Returns this node and all nodes below it, every parent before its children.
    pub(crate) fn subtree(self) -> impl Iterator<Item = Self> {
        let numbers = self.entry.number..self.entry.end;
        self.index.nodes[numbers].iter().map(move |entry| Self { entry, ..self })
    }

    /// Returns its children, in the order of the tree.
    pub fn children(self) -> impl Iterator<Item = Self> {
        let mut next = self.entry.number + 1;
        iter::from_fn(move || self.next_child(&mut next))
    }

    /// Returns the child with the number `next`, if it is one, and advances `next` to its sibling.
    #[inline(never)]
    fn next_child(self, next: &mut usize) -> Option<Self> {
        let child = (*next < self.entry.end).then(|| Self::numbered(self.index, *next))?;
        *next = child.entry.end;
        Some(child)
    }

    /// Returns the first child with this name.
    #[inline(never)]
    pub fn child(self, name: &str) -> Option<Self> {
        let nodes = self.index.nodes.get(..self.entry.end)?;
        let mut next = self.entry.number.wrapping_add(1);
        while let Some(entry) = nodes.get(next) {
            if entry.name == name.as_bytes() {
                return Some(Self { entry, ..self });
            }
            next = entry.end;
        }
        None
    }

    /// Returns the node at the end of a path that starts at this node.
    pub(super) fn descendant(self, path: &str) -> Option<Self> {
        let mut names = path.split('/').filter(|name| !name.is_empty());
        names.try_fold(self, |node, name| node.child(name))
    }

    /// Returns its properties, in the order of the tree.
    pub fn properties(self) -> impl Iterator<Item = Property<'a>> {
        self.index.properties[self.entry.properties.clone()].iter().copied()
    }

    /// Returns its first property with this name.
    #[inline(never)]
    pub fn property(self, name: &str) -> Option<Property<'a>> {
        self.properties().find(|property| property.name == name)
    }

    /// Returns its first property with a [`Common`] name, without a search.
    pub(crate) fn common(self, name: Common) -> Option<Property<'a>> {
        let index = self.entry.common[name as usize].checked_sub(1)?;
        self.index.properties.get(index as usize).copied()
    }

    /// Returns the value of its property with this name, if that is exactly one string.
    #[inline(never)]
    pub fn string(self, name: &str) -> Option<&'a str> {
        self.property(name)?.as_str()
    }

    /// Returns the strings of `compatible`, the most specific first.
    pub fn compatible(self) -> impl Iterator<Item = &'a str> {
        let compatible = self.common(Common::Compatible);
        strings(compatible.and_then(|list| list.text()).unwrap_or_default())
    }

    /// Returns whether `wanted` is in `compatible`.
    #[inline(never)]
    pub fn is_compatible(self, wanted: &str) -> bool {
        self.compatible().any(|compatible| compatible == wanted)
    }

    /// Returns whether it can be used: `status` is `okay` or missing.
    pub fn is_available(self) -> bool {
        let status = self.common(Common::Status);
        status.is_none_or(|status| matches!(status.value, b"okay\0" | b"ok\0"))
    }

    /// Returns its phandle, from `phandle` or `linux,phandle`.
    pub fn phandle(self) -> Option<u32> {
        let phandle = self.property("phandle");
        phandle.or_else(|| self.property("linux,phandle"))?.u32()
    }
}
