//! Reading the nodes of a description: values of the right type, and no names but the known ones.

use alloc::string::String;

use super::error::{PlanError, Problem, Value};
use super::nearest::nearest;
use crate::addr::PAGE_SIZE;
use crate::fdt::{Node, Property};

/// The properties that every node may have, because dtc adds them or because they do no harm.
const EVERYWHERE: [&str; 4] = ["phandle", "linux,phandle", "#address-cells", "#size-cells"];
/// The nodes that `dtc -@` adds.
const SYMBOLS: [&str; 3] = ["__symbols__", "__fixups__", "__local_fixups__"];

/// A node of a description.
#[derive(Clone, Copy)]
pub(super) struct Fields<'t, 'a>(pub Node<'t, 'a>);

impl<'t, 'a> Fields<'t, 'a> {
    /// The error of a property of this node.
    pub fn fault(self, property: &'static str, value: Value, problem: Problem) -> PlanError {
        PlanError::new(&self.0.path(), property, value, problem)
    }

    /// The error of a property or node that is not there.
    pub fn missing(self, name: &'static str, like: &'static str) -> PlanError {
        self.fault(name, Value::Untold, Problem::Missing(like))
    }

    /// The name without the unit address.
    fn base_name(self) -> &'a str {
        let name = self.0.name();
        name.split_once('@').map_or(name, |(base, _)| base)
    }

    /// The children, but for those that dtc has added.
    pub fn children(self) -> impl Iterator<Item = Self> + use<'t, 'a> {
        let children = self.0.children();
        let children = children.filter(|child| !SYMBOLS.contains(&child.name()));
        children.map(Self)
    }

    /// The child with this name, with or without a unit address.
    pub fn child(self, name: &str) -> Option<Self> {
        self.children().find(|child| child.base_name() == name)
    }

    /// Checks that there are no properties but `known`, and those that every node may have.
    pub fn check_properties(self, known: &[&'static str]) -> Result<(), PlanError> {
        let is_known = |name| known.contains(&name) || EVERYWHERE.contains(&name);
        let mut properties = self.0.properties();
        let Some(unknown) = properties.find(|property| !is_known(property.name)) else {
            return Ok(());
        };
        let names = known.iter().chain(&EVERYWHERE).copied();
        let problem = Problem::UnknownProperty {
            name: String::from(unknown.name),
            nearest: nearest(unknown.name, names).unwrap_or_default(),
        };
        Err(PlanError::of_node(&self.0.path(), problem))
    }

    /// Checks that there are no children but `known`.
    pub fn check_children(self, known: &[&'static str]) -> Result<(), PlanError> {
        let is_known = |child: &Self| known.contains(&child.base_name());
        let Some(unknown) = self.children().find(|child| !is_known(child)) else {
            return Ok(());
        };
        let problem = Problem::UnknownNode(nearest(unknown.base_name(), known.iter().copied()));
        Err(PlanError::of_node(&unknown.0.path(), problem))
    }

    /// The property of this name, as `read` reads it; another type is refused as not `like`.
    pub fn read<T>(
        self,
        name: &'static str,
        like: &'static str,
        read: impl Fn(&Property<'a>) -> Option<T>,
    ) -> Result<Option<T>, PlanError> {
        let read = |property: Property<'a>| {
            let value = Value::Bytes(property.value.len() as u64);
            read(&property).ok_or_else(|| self.fault(name, value, Problem::WrongType(like)))
        };
        self.0.property(name).map(read).transpose()
    }

    /// A string.
    pub fn string(self, name: &'static str) -> Result<Option<&'a str>, PlanError> {
        self.read(name, "a string", Property::as_str)
    }

    /// A property that says what it says by being there.
    pub fn flag(self, name: &'static str) -> Result<bool, PlanError> {
        let is_empty = |property: &Property<'_>| property.value.is_empty().then_some(());
        let flag = self.read(name, "a property without a value", is_empty);
        Ok(flag?.is_some())
    }

    /// One cell.
    pub fn cell(self, name: &'static str) -> Result<Option<u32>, PlanError> {
        self.read(name, "one cell, as in <1>", Property::u32)
    }

    /// One cell that is a multiple of the page size.
    pub fn offset(self, name: &'static str) -> Result<Option<u64>, PlanError> {
        let number = self.cell(name)?.map(u64::from);
        self.page_aligned(name, number, Value::Cell)
    }

    /// Two cells that are a multiple of the page size.
    pub fn address(self, name: &'static str) -> Result<Option<u64>, PlanError> {
        let number = self.read(name, "two cells, as in <0x0 0x40000000>", Property::u64)?;
        self.page_aligned(name, number, Value::Cells)
    }

    fn page_aligned(
        self,
        name: &'static str,
        number: Option<u64>,
        value: fn(u64) -> Value,
    ) -> Result<Option<u64>, PlanError> {
        match number {
            Some(number) if !number.is_multiple_of(PAGE_SIZE) => {
                Err(self.fault(name, value(number), Problem::NotPageAligned))
            }
            number => Ok(number),
        }
    }
}
