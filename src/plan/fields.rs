//! Reading the nodes of a description: values of the right type, and no names but the known ones.

use alloc::string::String;

use super::error::{Cells, PlanError, refuse};
use super::nearest::nearest;
use crate::addr::PAGE_SIZE;
use crate::fdt::{Node, Property};

/// The properties that every node may have, because dtc adds them or because they do no harm.
const EVERYWHERE: [&str; 4] = ["phandle", "linux,phandle", "#address-cells", "#size-cells"];

/// A node of a description.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a>(pub Node<'a, 'a>);

impl<'a> Fields<'a> {
    /// Its path, for messages.
    pub fn path(self) -> String {
        self.0.path()
    }

    /// The name without the unit address.
    fn base_name(self) -> &'a str {
        let name = self.0.name();
        name.split_once('@').map_or(name, |(base, _)| base)
    }

    /// The children, in the order of the tree.
    pub fn children(self) -> impl Iterator<Item = Self> + use<'a> {
        self.0.children().map(Self)
    }

    /// The child with this name, with or without a unit address.
    #[inline(never)]
    pub fn child(self, name: &str) -> Option<Self> {
        self.children().find(|child| child.base_name() == name)
    }

    /// Checks that there are no properties but `known`, and those that every node may have.
    #[inline(never)]
    pub fn check_properties(self, known: &[&str]) -> Result<(), PlanError> {
        for Property { name, .. } in self.0.properties() {
            let mut known = known.iter().chain(&EVERYWHERE).copied();
            if !known.clone().any(|known| known == name) {
                let nearest = nearest(name, &mut known).unwrap_or_default();
                return refuse!(
                    self.path(),
                    " has a property \"{name}\", which does not belong here; the nearest is \
                     \"{nearest}\""
                );
            }
        }
        Ok(())
    }

    /// Checks that there are no children but `known`.
    #[inline(never)]
    pub fn check_children(self, known: &[&str]) -> Result<(), PlanError> {
        for child in self.children() {
            let name = child.base_name();
            if !known.contains(&name) {
                const SENTENCE: &str = " is no node that belongs here";
                return match nearest(name, &mut known.iter().copied()) {
                    Some(known) => {
                        refuse!(child.path(), "{SENTENCE}; the nearest is \"{known}\"")
                    }
                    None => refuse!(child.path(), "{SENTENCE}: no node does"),
                };
            }
        }
        Ok(())
    }

    /// The property of this name, as `read` reads it; another type is refused as not `like`.
    pub fn read<T>(
        self,
        name: &str,
        like: &str,
        read: impl Fn(&Property<'a>) -> Option<T>,
    ) -> Result<Option<T>, PlanError> {
        let Some(property) = self.0.property(name) else {
            return Ok(None);
        };
        match read(&property) {
            None => refuse!(self.path(), ": {name} ({} bytes) is not {like}", property.value.len()),
            value => Ok(value),
        }
    }

    /// A string.
    #[inline(never)]
    pub fn string(self, name: &str) -> Result<Option<&'a str>, PlanError> {
        self.read(name, "a string", Property::as_str)
    }

    /// A property that says what it says by being there.
    pub fn flag(self, name: &str) -> Result<bool, PlanError> {
        let is_empty = |property: &Property<'_>| property.value.is_empty().then_some(());
        Ok(self.read(name, "a property without a value", is_empty)?.is_some())
    }

    /// One cell.
    #[inline(never)]
    pub fn cell(self, name: &str) -> Result<Option<u32>, PlanError> {
        self.read(name, "one cell, as in <1>", Property::u32)
    }

    /// One cell that is a multiple of the page size.
    pub fn offset(self, name: &str) -> Result<Option<u64>, PlanError> {
        let number = self.cell(name)?;
        self.page_aligned(name, number.map(u64::from))
    }

    /// Two cells that are a multiple of the page size.
    #[inline(never)]
    pub fn address(self, name: &str) -> Result<Option<u64>, PlanError> {
        let number = self.read(name, "two cells, as in <0x0 0x40000000>", Property::u64)?;
        self.page_aligned(name, number)
    }

    fn page_aligned(self, name: &str, number: Option<u64>) -> Result<Option<u64>, PlanError> {
        if number.is_some_and(|number| !number.is_multiple_of(PAGE_SIZE))
            && let Some(Property { value, .. }) = self.0.property(name)
        {
            return refuse!(
                self.path(),
                ": {name} = {} is not a multiple of the page size, {PAGE_SIZE:#x}",
                Cells(value)
            );
        }
        Ok(number)
    }
}
