//! Reads the nodes of a description: properties by their types, and known names only.

use crate::arch::addr::PAGE_SIZE;
use crate::boot::description::{Cells, Result, refuse};
use crate::boot::fdt::{Node, Property};
use crate::util::nearest::nearest;

/// The properties that every node may have: dtc adds them, or they do no harm.
pub(super) const EVERYWHERE: [&str; 4] =
    ["phandle", "linux,phandle", "#address-cells", "#size-cells"];

/// The length of the longest name of a partition, disk, link or image, in characters.
pub(super) const MAX_NAME: usize = 15;

impl<'a> Node<'a, 'a> {
    /// Returns the name without the unit address.
    fn base_name(self) -> &'a str {
        let name = self.name();
        name.split_once('@').map_or(name, |(base, _)| base)
    }

    /// Returns the name, which is one that can be printed before a line.
    ///
    /// # Errors
    ///
    /// If it is not.
    pub(super) fn plain_name(self) -> Result<&'a str> {
        let name = self.name();
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if name.len() > MAX_NAME || !name.bytes().all(is_plain) {
            let like = format_args!("1 to {MAX_NAME} letters, digits, hyphens and underscores");
            refuse!(self.path(), ": name = \"{name}\" is not {like}");
        }
        Ok(name)
    }

    /// Returns the first child with this name, with or without a unit address.
    #[inline(never)]
    pub(super) fn first_child(self, name: &str) -> Option<Self> {
        self.children().find(|child| child.base_name() == name)
    }

    /// Returns the first child with each of these names, with or without a unit address.
    #[inline(never)]
    pub(super) fn first_children<const N: usize>(self, names: [&str; N]) -> [Option<Self>; N] {
        let mut found = [None; N];
        for child in self.children() {
            let name = child.base_name();
            if let Some(index) = names.iter().position(|known| *known == name) {
                found[index].get_or_insert(child);
            }
        }
        found
    }

    /// Checks that the node has no other properties than these and those that every node may have,
    /// and no other child nodes than `children`; `None` allows all.
    ///
    /// # Errors
    ///
    /// The first unknown name.
    #[inline(never)]
    pub(super) fn check(self, properties: &[&str], children: Option<&[&str]>) -> Result<()> {
        for Property { name, .. } in self.properties() {
            if !properties.contains(&name) && !EVERYWHERE.contains(&name) {
                let mut known = properties.iter().chain(&EVERYWHERE).copied();
                let nearest = nearest(name.as_bytes(), &mut known);
                refuse!(
                    self.path(),
                    " has an unknown property \"{name}\"; the nearest name is \
                     \"{nearest}\""
                );
            }
        }
        let Some(known) = children else {
            return Ok(());
        };
        for child in self.children() {
            let name = child.base_name();
            if known.is_empty() {
                refuse!(child.path(), " is an unknown node: its parent has no child nodes");
            } else if !known.contains(&name) {
                let nearest = nearest(name.as_bytes(), &mut known.iter().copied());
                refuse!(child.path(), " is an unknown node; the nearest name is \"{nearest}\"");
            }
        }
        Ok(())
    }

    /// Returns the value of a property as `read` reads it, if the node has the property.
    ///
    /// # Errors
    ///
    /// If `read` returns `None`: that the value is not `like`.
    pub(super) fn read<T>(
        self,
        name: &str,
        like: &str,
        read: impl Fn(&Property<'a>) -> Option<T>,
    ) -> Result<Option<T>> {
        let Some(property) = self.property(name) else {
            return Ok(None);
        };
        match read(&property) {
            None => refuse!(self.path(), ": {name} ({} bytes) is not {like}", property.value.len()),
            value => Ok(value),
        }
    }

    /// Returns the value of a property that is a string.
    #[inline(never)]
    pub(super) fn text(self, name: &str) -> Result<Option<&'a str>> {
        self.read(name, "a string", Property::as_str)
    }

    /// Returns the value of a property that is one cell.
    #[inline(never)]
    pub(super) fn cell(self, name: &str) -> Result<Option<u32>> {
        self.read(name, "one cell, as in <1>", Property::u32)
    }

    /// Returns whether the node has a property without a value.
    #[inline(never)]
    pub(super) fn flag(self, name: &str) -> Result<bool> {
        let empty = |it: &Property<'a>| it.value.is_empty().then_some(());
        Ok(self.read(name, "a property without a value", empty)?.is_some())
    }

    /// Returns the value of a property that is a multiple of the page size, in 1 or 2 cells.
    #[inline(never)]
    pub(super) fn pages(self, name: &str, cells: usize) -> Result<Option<u64>> {
        let like = ["one cell, as in <1>", "two cells, as in <0x0 0x40000000>"][cells - 1];
        let number = |it: &Property<'_>| it.number().filter(|_| it.value.len() == cells * 4);
        let pages = self.read(name, like, |it| Some((number(it)?, it.value)))?;
        match pages {
            Some((number, value)) if !number.is_multiple_of(PAGE_SIZE) => {
                let value = Cells(value);
                refuse!(
                    self.path(),
                    ": {name} = {value} is not a multiple of the page size, 0x1000"
                )
            }
            pages => Ok(pages.map(|(number, _)| number)),
        }
    }
}
