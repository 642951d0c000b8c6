//! A node of a tree, and what is found from there.

use alloc::string::String;
use core::{iter, ptr};

use super::tree::Entry;
use super::{Property, Tree};

/// A node of a [`Tree`].
#[derive(Clone, Copy)]
pub struct Node<'t, 'a> {
    pub(super) tree: &'t Tree<'a>,
    pub(super) number: usize,
}

impl PartialEq for Node<'_, '_> {
    fn eq(&self, other: &Self) -> bool {
        ptr::eq(self.tree, other.tree) && self.number == other.number
    }
}

impl<'t, 'a> Node<'t, 'a> {
    fn entry(self) -> &'t Entry<'a> {
        &self.tree.index.nodes[self.number]
    }

    /// Its name with its unit address, as in `uart@9000000`. The root's is `/`.
    #[must_use]
    pub fn name(self) -> &'a str {
        self.entry().name
    }

    /// Its full path, as in `/soc/uart@9000000`.
    #[must_use]
    #[inline(never)]
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
        (self.number > 0).then(|| Self { number: self.entry().parent, ..self })
    }

    /// Its children, in the order of the tree.
    pub fn children(self) -> impl Iterator<Item = Self> {
        let end = self.entry().end;
        let child = move |number| (number < end).then_some(Self { number, ..self });
        iter::successors(child(self.number + 1), move |last| child(last.entry().end))
    }

    /// The child with this name. A unit address may be left out if no other child has the rest
    /// of the name.
    #[must_use]
    #[inline(never)]
    pub fn child(self, name: &str) -> Option<Self> {
        let mut found = None;
        let mut ambiguous = false;
        for child in self.children() {
            match child.name().strip_prefix(name) {
                Some("") => return Some(child),
                Some(rest) if rest.starts_with('@') => {
                    ambiguous = found.is_some();
                    found = Some(child);
                }
                _ => {}
            }
        }
        found.filter(|_| !ambiguous)
    }

    /// The node at the end of a path from here.
    pub(super) fn descendant(self, path: &str) -> Option<Self> {
        let mut names = path.split('/').filter(|name| !name.is_empty());
        names.try_fold(self, |node, name| node.child(name))
    }

    /// Whether `self` is `ancestor` or stands below it.
    #[must_use]
    pub fn is_within(self, ancestor: Self) -> bool {
        (ancestor.number..ancestor.entry().end).contains(&self.number)
    }

    /// Its properties, in the order of the tree.
    pub fn properties(self) -> impl Iterator<Item = Property<'a>> {
        self.tree.index.properties[self.entry().properties.clone()].iter().copied()
    }

    /// Its property with this name.
    #[must_use]
    #[inline(never)]
    pub fn property(self, name: &str) -> Option<Property<'a>> {
        self.properties().find(|property| property.name == name)
    }

    /// The one string that its property with this name holds.
    #[must_use]
    #[inline(never)]
    pub fn string(self, name: &str) -> Option<&'a str> {
        self.property(name)?.as_str()
    }

    /// The one cell that its property with this name holds.
    #[must_use]
    #[inline(never)]
    pub fn cell(self, name: &str) -> Option<u32> {
        self.property(name)?.u32()
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
        self.cell("phandle").or_else(|| self.cell("linux,phandle"))
    }
}
