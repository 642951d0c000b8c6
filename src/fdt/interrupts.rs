//! `interrupts` and `interrupts-extended` (Devicetree Specification 0.4, section 2.4), as far as
//! they lead to the GIC (binding `arm,gic-v3` and its predecessor).

use alloc::vec::Vec;
use core::fmt;

use super::Node;
use crate::intid::{Intid, Trigger};
use crate::machine::Interrupt;

/// Interrupt controllers whose specifiers are decoded: a GIC of version 2 or 3.
const GICS: [&str; 5] =
    ["arm,cortex-a15-gic", "arm,cortex-a7-gic", "arm,cortex-a9-gic", "arm,gic-400", "arm,gic-v3"];

/// Why the interrupts of a node cannot be told. Displayed as a clause about the node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InterruptError {
    /// `interrupts` or `interrupts-extended` ends within a specifier.
    Length,
    /// No node has the phandle that names the interrupt parent.
    NoParent(u32),
    /// The interrupt parent has no `#interrupt-cells`, or the way to it does not end.
    NoController,
    /// The first two cells of a specifier, its kind and number, are not an SPI or PPI of the GIC.
    NotAnInterrupt(u32, u32),
}

impl fmt::Display for InterruptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length => f.write_str("its interrupts end within a specifier"),
            Self::NoParent(phandle) => write!(f, "its interrupt parent {phandle:#x} is not there"),
            Self::NoController => f.write_str("it has no interrupt controller"),
            Self::NotAnInterrupt(kind, number) => {
                write!(f, "the GIC has no interrupt <{kind} {number}>")
            }
        }
    }
}

impl Node<'_, '_> {
    /// Its interrupts at the GIC, from `interrupts-extended` or else `interrupts`. Those that go
    /// to another controller are left out. Without either property, nothing.
    ///
    /// # Errors
    ///
    /// If a specifier cannot be read, or its controller cannot be found.
    pub fn interrupts(self) -> Result<Vec<Interrupt>, InterruptError> {
        let mut interrupts = Vec::new();
        let extended = self.property("interrupts-extended");
        let Some(list) = extended.or_else(|| self.property("interrupts")) else {
            return Ok(interrupts);
        };
        let (mut cells, []) = list.value.as_chunks() else {
            return Err(InterruptError::Length);
        };
        let inherited = match extended {
            Some(_) => None,
            None => Some(self.interrupt_controller()?),
        };
        while let [first, rest @ ..] = cells {
            let controller = match inherited {
                Some(controller) => controller,
                None => {
                    cells = rest;
                    let node = self.interrupt_parent(u32::from_be_bytes(*first))?;
                    node.entry().controller.ok_or(InterruptError::NoController)?
                }
            };
            let (specifier, rest) =
                cells.split_at_checked(controller.cells).ok_or(InterruptError::Length)?;
            cells = rest;
            if let (true, [kind, number, flags, ..]) = (controller.is_gic, specifier) {
                let [kind, number, flags] =
                    [kind, number, flags].map(|cell| u32::from_be_bytes(*cell));
                interrupts.push(decode(kind, number, flags)?);
            }
        }
        Ok(interrupts)
    }

    /// The controller that the nearest `interrupt-parent` names, or else an ancestor.
    fn interrupt_controller(self) -> Result<Controller, InterruptError> {
        let mut node = self;
        // The way may go in circles, but not through more nodes than there are.
        for _ in self.tree.nodes() {
            node = match node.entry().interrupt_parent {
                Some(phandle) => self.interrupt_parent(phandle)?,
                None => node.parent().ok_or(InterruptError::NoController)?,
            };
            if let Some(controller) = node.entry().controller {
                return Ok(controller);
            }
        }
        Err(InterruptError::NoController)
    }

    fn interrupt_parent(self, phandle: u32) -> Result<Self, InterruptError> {
        let parent = self.tree.by_phandle(phandle);
        parent.ok_or(InterruptError::NoParent(phandle))
    }
}

/// What has to be known of an interrupt parent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Controller {
    /// How many cells a specifier has; not 0.
    cells: usize,
    is_gic: bool,
}

impl Controller {
    /// What `node` with `#interrupt-cells = <cells>` is.
    pub(super) fn new(node: Node<'_, '_>, cells: u32) -> Option<Self> {
        (cells > 0).then(|| Self {
            cells: cells as usize,
            is_gic: node.compatible().any(|name| GICS.contains(&name)),
        })
    }
}

/// The interrupt of a GIC's specifier: bits 3:0 of the flags are 1 or 2 for edges, 4 or 8 for
/// levels; 0, which says nothing, is taken for a level as well.
fn decode(kind: u32, number: u32, flags: u32) -> Result<Interrupt, InterruptError> {
    let intid = match kind {
        0 => Intid::spi(number),
        1 => Intid::ppi(number),
        _ => None,
    };
    Ok(Interrupt {
        intid: intid.ok_or(InterruptError::NotAnInterrupt(kind, number))?,
        trigger: match flags & 0b11 {
            0 => Trigger::Level,
            _ => Trigger::Edge,
        },
    })
}
