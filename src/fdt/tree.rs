//! A checked tree, and looking things up in it.

use alloc::string::String;
use alloc::vec::Vec;
use core::{fmt, iter, ptr};

use ::fdt::Fdt;

use super::check::{self, Place};
use super::interrupts::Controller;
use super::ranges::Cells;
use super::{Property, TreeError};
use crate::addr::{Pa, Region};

/// A device tree that has been checked, with an index of its nodes and properties.
#[derive(Debug)]
pub struct Tree<'a> {
    bytes: &'a [u8],
    fdt: Fdt<'a>,
    nodes: Vec<Entry<'a>>,
    properties: Vec<Property<'a>>,
    /// Phandles and the numbers of their nodes.
    phandles: Vec<(u32, usize)>,
}

/// A node in the index, with what is asked of it for the sake of other nodes.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    name: &'a str,
    place: Place,
    /// Where its properties begin among all; they end where those of the next node begin.
    properties: usize,
    /// How wide numbers in `reg` of its children are.
    pub(super) cells: Cells,
    /// `interrupt-parent`.
    pub(super) interrupt_parent: Option<u32>,
    /// What it is to those whose interrupts it takes.
    pub(super) controller: Option<Controller>,
}

impl<'a> Tree<'a> {
    /// Checks `bytes`, which may go on behind the tree, drops the NOPs in place and indexes what
    /// is there.
    ///
    /// Of two nodes or two properties with one name and parent, look-ups find the first.
    ///
    /// # Errors
    ///
    /// Whatever keeps the bytes from being a well-formed tree of version 17. They may be changed
    /// even so, and are then of no use to anyone.
    pub fn new(bytes: &'a mut [u8]) -> Result<Self, TreeError> {
        let (bytes, checked) = check::check(bytes)?;
        // `fdt` looks for the magic number and the size only, which the check has done.
        let fdt = Fdt::new(bytes).map_err(|_| check::truncated(bytes))?;
        let mut tree = Self {
            bytes,
            fdt,
            nodes: Vec::with_capacity(checked.nodes.len()),
            properties: Vec::with_capacity(checked.properties),
            phandles: Vec::new(),
        };
        for (node, place) in fdt.all_nodes().zip(checked.nodes) {
            tree.index(node, place);
        }
        Ok(tree)
    }

    fn index(&mut self, node: ::fdt::node::FdtNode<'_, 'a>, place: Place) {
        let number = self.nodes.len();
        let start = self.properties.len();
        let (mut address, mut size, mut interrupt, mut interrupt_parent) = (None, None, None, None);
        for ::fdt::node::NodeProperty { name, value } in node.properties() {
            let property = Property { name, value };
            let cell = || property.u32();
            match name {
                "#address-cells" => address = address.or_else(cell),
                "#size-cells" => size = size.or_else(cell),
                "#interrupt-cells" => interrupt = interrupt.or_else(cell),
                "interrupt-parent" => interrupt_parent = interrupt_parent.or_else(cell),
                "phandle" | "linux,phandle" => {
                    self.phandles.extend(cell().map(|phandle| (phandle, number)));
                }
                _ => {}
            }
            self.properties.push(property);
        }
        self.nodes.push(Entry {
            name: node.name,
            place,
            properties: start,
            cells: Cells::new(address, size),
            interrupt_parent,
            controller: None,
        });
        let node = Node { tree: self, number };
        let controller = interrupt.and_then(|cells| Controller::new(node, cells));
        self.nodes[number].controller = controller;
    }

    /// The size of the whole tree in bytes, from the first 40 bytes alone.
    ///
    /// # Errors
    ///
    /// [`TreeError::NotATree`], [`TreeError::Truncated`], or a size smaller than the header.
    pub fn total_size(bytes: &[u8]) -> Result<usize, TreeError> {
        check::total_size(bytes)
    }

    /// Checks `bytes` as [`Tree::new`] does, for others to read.
    ///
    /// # Errors
    ///
    /// As for [`Tree::new`].
    pub fn check(bytes: &mut [u8]) -> Result<(), TreeError> {
        check::check(bytes).map(|_| ())
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
        let node = self.root().descendant(target.strip_prefix('/')?)?;
        node.descendant(rest)
    }

    /// The node with this phandle.
    #[must_use]
    pub fn by_phandle(&self, phandle: u32) -> Option<Node<'_, 'a>> {
        let mut phandles = self.phandles.iter();
        let (_, number) = *phandles.find(|(known, _)| *known == phandle)?;
        Some(Node { tree: self, number })
    }

    /// All nodes from the root on, every parent before its children.
    pub fn nodes(&self) -> impl Iterator<Item = Node<'_, 'a>> {
        (0..self.nodes.len()).map(|number| Node { tree: self, number })
    }

    /// The memory that `/memreserve/` entries keep from use.
    pub fn memory_reservations(&self) -> impl Iterator<Item = Region<Pa>> {
        self.fdt.memory_reservations().filter_map(|reservation| {
            let start = Pa::new(reservation.address() as u64);
            Region::new(start, reservation.size() as u64)
        })
    }

    /// How far from the start of the tree `bytes` lie, if they are a part of it, as a property's
    /// value is.
    #[must_use]
    pub fn offset_of(&self, bytes: &[u8]) -> Option<usize> {
        let offset = bytes.as_ptr().addr().checked_sub(self.bytes.as_ptr().addr())?;
        (offset.checked_add(bytes.len())? <= self.bytes.len()).then_some(offset)
    }
}

/// A node of a [`Tree`].
#[derive(Clone, Copy)]
pub struct Node<'t, 'a> {
    pub(super) tree: &'t Tree<'a>,
    number: usize,
}

impl PartialEq for Node<'_, '_> {
    fn eq(&self, other: &Self) -> bool {
        ptr::eq(self.tree, other.tree) && self.number == other.number
    }
}

impl fmt::Debug for Node<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path())
    }
}

impl<'t, 'a> Node<'t, 'a> {
    pub(super) fn entry(self) -> &'t Entry<'a> {
        &self.tree.nodes[self.number]
    }

    /// Its name with its unit address, as in `uart@9000000`. The root's is `/`.
    #[must_use]
    pub fn name(self) -> &'a str {
        self.entry().name
    }

    /// Its full path, as in `/soc/uart@9000000`.
    #[must_use]
    pub fn path(self) -> String {
        let mut path = String::with_capacity(64);
        self.push_path(&mut path);
        path
    }

    fn push_path(self, path: &mut String) {
        if let Some(parent) = self.parent() {
            parent.push_path(path);
            if path.len() > 1 {
                path.push('/');
            }
        }
        path.push_str(self.name());
    }

    /// Its parent; the root has none.
    #[must_use]
    pub fn parent(self) -> Option<Self> {
        let number = self.entry().place.parent as usize;
        (self.number != 0).then_some(Self { number, ..self })
    }

    /// Its children, in the order of the tree.
    pub fn children(self) -> impl Iterator<Item = Self> {
        let end = self.entry().place.end as usize;
        let child = move |number| (number < end).then_some(Self { number, ..self });
        iter::successors(child(self.number + 1), move |last| child(last.entry().place.end as usize))
    }

    /// The child with this name. A unit address may be left out if no other child has the rest
    /// of the name.
    #[must_use]
    #[inline(never)]
    pub fn child(self, name: &str) -> Option<Self> {
        let mut found = None;
        let mut ambiguous = false;
        for child in self.children() {
            let Some(rest) = child.name().strip_prefix(name) else {
                continue;
            };
            if rest.is_empty() {
                return Some(child);
            }
            if rest.starts_with('@') {
                ambiguous = found.is_some();
                found = Some(child);
            }
        }
        found.filter(|_| !ambiguous)
    }

    /// Whether `self` is `ancestor` or stands below it.
    #[must_use]
    pub fn is_within(self, ancestor: Self) -> bool {
        (ancestor.number..ancestor.entry().place.end as usize).contains(&self.number)
    }

    fn descendant(self, path: &str) -> Option<Self> {
        path.split('/')
            .filter(|name| !name.is_empty())
            .try_fold(self, |node, name| node.child(name))
    }

    /// Its properties, in the order of the tree.
    pub fn properties(self) -> impl Iterator<Item = Property<'a>> {
        let start = self.entry().properties;
        let next = self.tree.nodes.get(self.number + 1);
        let end = next.map_or(self.tree.properties.len(), |next| next.properties);
        self.tree.properties[start..end].iter().copied()
    }

    /// Its property with this name.
    #[must_use]
    #[inline(never)]
    pub fn property(self, name: &str) -> Option<Property<'a>> {
        self.properties().find(|property| property.name == name)
    }

    /// What it is compatible with, the most specific first.
    pub fn compatible(self) -> impl Iterator<Item = &'a str> {
        let compatible = self.property("compatible");
        compatible.and_then(|list| list.strings()).into_iter().flatten()
    }

    /// Whether `compatible` lists `wanted`.
    #[must_use]
    #[inline(never)]
    pub fn is_compatible(self, wanted: &str) -> bool {
        self.compatible().any(|compatible| compatible == wanted)
    }

    /// Whether `status` says that it can be used, or says nothing.
    #[must_use]
    pub fn is_available(self) -> bool {
        match self.property("status") {
            Some(status) => matches!(status.as_str(), Some("okay" | "ok")),
            None => true,
        }
    }

    /// Its phandle.
    #[must_use]
    pub fn phandle(self) -> Option<u32> {
        let phandle = self.property("phandle");
        phandle.or_else(|| self.property("linux,phandle"))?.u32()
    }
}
