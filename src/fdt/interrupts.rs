//! `interrupts` and `interrupts-extended` (Devicetree Specification 0.4, section 2.4), as far as
//! they lead to the GIC (binding `arm,gic-v3` and its predecessor).

use alloc::vec::Vec;

use super::{Node, NodeError};
use crate::intid::{Intid, Trigger};
use crate::machine::Interrupt;

/// Interrupt controllers whose specifiers are decoded: a GIC of version 2 or 3.
pub(crate) const GICS: [&str; 5] =
    ["arm,cortex-a15-gic", "arm,cortex-a7-gic", "arm,cortex-a9-gic", "arm,gic-400", "arm,gic-v3"];

impl Node<'_, '_> {
    /// Its interrupts at the GIC, from `interrupts-extended` or else `interrupts`. Those that go
    /// to another controller are left out. Without either property, nothing.
    ///
    /// # Errors
    ///
    /// If a specifier cannot be read, or its controller cannot be found.
    #[inline(never)]
    pub fn interrupts(self) -> Result<Vec<Interrupt>, NodeError> {
        let mut interrupts = Vec::new();
        let extended = self.property("interrupts-extended");
        let Some(list) = extended.or_else(|| self.property("interrupts")) else {
            return Ok(interrupts);
        };
        let (mut cells, []) = list.value.as_chunks() else {
            return Err(NodeError::Specifier);
        };
        let mut controller = match extended {
            Some(_) => Controller { cells: 0, is_gic: false },
            None => self.interrupt_controller()?,
        };
        while let [first, rest @ ..] = cells {
            if extended.is_some() {
                let node = self.interrupt_parent(u32::from_be_bytes(*first))?;
                controller = node.as_controller().ok_or(NodeError::NoController)?;
                cells = rest;
            }
            let (specifier, rest) =
                cells.split_at_checked(controller.cells).ok_or(NodeError::Specifier)?;
            cells = rest;
            if let (true, [kind, number, flags, ..]) = (controller.is_gic, specifier) {
                let [kind, number, flags] = [kind, number, flags].map(|c| u32::from_be_bytes(*c));
                interrupts.push(decode(kind, number, flags)?);
            }
        }
        Ok(interrupts)
    }

    /// The controller that the nearest `interrupt-parent` names, or else an ancestor.
    fn interrupt_controller(self) -> Result<Controller, NodeError> {
        let mut node = self;
        // The way may go in circles, but not through more nodes than there are.
        for _ in self.tree.nodes() {
            node = match node.cell("interrupt-parent") {
                Some(phandle) => self.interrupt_parent(phandle)?,
                None => node.parent().ok_or(NodeError::NoController)?,
            };
            if let Some(controller) = node.as_controller() {
                return Ok(controller);
            }
        }
        Err(NodeError::NoController)
    }

    fn interrupt_parent(self, phandle: u32) -> Result<Self, NodeError> {
        self.tree.by_phandle(phandle).ok_or(NodeError::NoParent(phandle))
    }

    fn as_controller(self) -> Option<Controller> {
        let cells = self.cell("#interrupt-cells").filter(|cells| *cells > 0)?;
        let is_gic = self.compatible().any(|name| GICS.contains(&name));
        Some(Controller { cells: cells as usize, is_gic })
    }
}

/// What has to be known of an interrupt parent.
struct Controller {
    /// How many cells a specifier has; not 0.
    cells: usize,
    is_gic: bool,
}

/// The interrupt of a GIC's specifier: bits 3:0 of the flags are 1 or 2 for edges, 4 or 8 for
/// levels; 0, which says nothing, is taken for a level as well.
fn decode(kind: u32, number: u32, flags: u32) -> Result<Interrupt, NodeError> {
    let intid = match kind {
        0 => Intid::spi(number),
        1 => Intid::ppi(number),
        _ => None,
    };
    let intid = intid.ok_or(NodeError::NotAnInterrupt(kind, number))?;
    let trigger = if flags & 0b11 == 0 { Trigger::Level } else { Trigger::Edge };
    Ok(Interrupt { intid, trigger })
}
