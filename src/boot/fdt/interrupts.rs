//! `interrupts` and `interrupts-extended` (Devicetree Specification 0.4, section 2.4), as far as
//! they lead to the GIC (binding `arm,gic-v3` and its predecessor).

use alloc::vec::Vec;

use super::index::Entry;
use super::{Common, Node, NodeError, Property};
use crate::arch::intid::Interrupt;
use crate::arch::intid::{Intid, Trigger};

/// Whether a `compatible` is that of a controller whose specifiers are decoded: a GIC of version 2 or 3.
pub(crate) fn is_gic(name: &str) -> bool {
    match name {
        "arm,cortex-a15-gic" | "arm,cortex-a7-gic" | "arm,cortex-a9-gic" | "arm,gic-400" => true,
        _ => name == "arm,gic-v3",
    }
}

const NO_CONTROLLER: NodeError = NodeError::Fault("it has no interrupt controller");
const SPECIFIER: NodeError = NodeError::Fault("its interrupts end within a specifier");

impl Node<'_, '_> {
    /// Its interrupts at the GIC, from `interrupts-extended` or else `interrupts`. Those that go
    /// to another controller are left out. Without either property, nothing.
    ///
    /// # Errors
    ///
    /// If a specifier cannot be read, or its controller cannot be found.
    pub fn interrupts(self) -> Result<Vec<Interrupt>, NodeError> {
        let mut interrupts = Vec::new();
        self.each_interrupt(&mut |interrupt| interrupts.push(interrupt))?;
        Ok(interrupts)
    }

    /// Calls `each` for every one of them.
    #[inline(never)]
    pub(crate) fn each_interrupt(self, each: &mut dyn FnMut(Interrupt)) -> Result<(), NodeError> {
        let extended = self.common(Common::InterruptsExtended);
        let Some(list) = extended.or_else(|| self.common(Common::Interrupts)) else {
            return Ok(());
        };
        let (mut cells, []) = list.value.as_chunks() else {
            return Err(SPECIFIER);
        };
        let mut controller = match extended {
            Some(_) => self,
            None => self.interrupt_controller()?,
        };
        while let [first, rest @ ..] = cells {
            if extended.is_some() {
                controller = self.interrupt_parent(u32::from_be_bytes(*first))?;
                cells = rest;
            }
            let Entry { interrupt_cells, is_gic, .. } = *controller.entry;
            if interrupt_cells == 0 {
                return Err(NO_CONTROLLER);
            }
            let specifier = cells.split_at_checked(interrupt_cells as usize);
            let (specifier, rest) = specifier.ok_or(SPECIFIER)?;
            cells = rest;
            if let (true, [kind, number, flags, ..]) = (is_gic, specifier) {
                let cell = |cell: &[u8; 4]| u32::from_be_bytes(*cell);
                each(decode(cell(kind), cell(number), cell(flags))?);
            }
        }
        Ok(())
    }

    /// The controller that the nearest `interrupt-parent` names, or else an ancestor.
    fn interrupt_controller(self) -> Result<Self, NodeError> {
        let mut node = self;
        // The way may go in circles, but not through more nodes than there are.
        for _ in &self.index.nodes {
            node = match node.entry.interrupt_parent {
                Some(phandle) => self.interrupt_parent(phandle)?,
                None => node.parent().ok_or(NO_CONTROLLER)?,
            };
            if node.entry.interrupt_cells > 0 {
                return Ok(node);
            }
        }
        Err(NO_CONTROLLER)
    }

    fn interrupt_parent(self, phandle: u32) -> Result<Self, NodeError> {
        Self::by_phandle(self.index, phandle)
            .ok_or(NodeError::Fault("its interrupt parent does not exist"))
    }
}

/// Whether a node with these properties is such a controller.
pub(super) fn are_of_gic(properties: &[Property<'_>]) -> bool {
    let compatible = properties.iter().find(|property| property.name == "compatible");
    let names = compatible.and_then(Property::strings);
    names.is_some_and(|mut names| names.any(is_gic))
}

/// The interrupt of a GIC's specifier: bits 3:0 of the flags are 1 or 2 for edges, 4 or 8 for
/// levels; 0, which says nothing, is taken for a level as well.
fn decode(kind: u32, number: u32, flags: u32) -> Result<Interrupt, NodeError> {
    let intid = match kind {
        0 => Intid::spi(number),
        1 => Intid::ppi(number),
        _ => None,
    };
    let intid = intid.ok_or(NodeError::Fault("it has an interrupt that the GIC does not have"))?;
    let trigger = if flags & 0b11 == 0 { Trigger::Level } else { Trigger::Edge };
    Ok(Interrupt { intid, trigger })
}
