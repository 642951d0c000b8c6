//! `interrupts` and `interrupts-extended` (Devicetree Specification 0.4, section 2.4), as far as
//! they lead to the GIC (binding `arm,gic-v3` and its predecessor).

use alloc::vec::Vec;
use core::fmt;

use super::{Node, Property};
use crate::intid::{Intid, Trigger};
use crate::machine::Interrupt;

/// Interrupt controllers whose specifiers are decoded: a GIC of version 2 or 3.
const GICS: [&str; 5] = [
    "arm,cortex-a15-gic",
    "arm,cortex-a7-gic",
    "arm,cortex-a9-gic",
    "arm,gic-400",
    "arm,gic-v3",
];

/// Why the interrupts of a node cannot be told. Displayed as a clause about the node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InterruptError {
    /// `interrupts` or `interrupts-extended` ends within a specifier.
    Length(usize),
    /// No node has the phandle that names the interrupt parent.
    NoParent(u32),
    /// The interrupt parent has no `#interrupt-cells`, or the way to it does not end.
    NoController,
    /// The first two cells of a specifier are not an SPI or a PPI of the GIC.
    NotAnInterrupt {
        /// 0 for SPIs, 1 for PPIs.
        kind: u32,
        /// The number among those.
        number: u32,
    },
}

impl fmt::Display for InterruptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Length(length) => {
                write!(
                    f,
                    "its {length} bytes of interrupts end within an interrupt"
                )
            }
            Self::NoParent(phandle) => {
                write!(f, "its interrupt parent {phandle:#x} does not exist")
            }
            Self::NoController => f.write_str("it has no interrupt controller"),
            Self::NotAnInterrupt { kind, number } => {
                write!(f, "the GIC has no interrupt <{kind} {number}>")
            }
        }
    }
}

impl<'t, 'a> Node<'t, 'a> {
    /// Its interrupts at the GIC, from `interrupts-extended` or else `interrupts`. Those that go
    /// to another controller are left out. Without either property, nothing.
    ///
    /// # Errors
    ///
    /// If a specifier cannot be read, or its controller cannot be found.
    pub fn interrupts(self) -> Result<Vec<Interrupt>, InterruptError> {
        let mut interrupts = Vec::new();
        if let Some(extended) = self.property("interrupts-extended") {
            let mut cells = Cells::of(extended)?;
            while let Some(phandle) = cells.next() {
                let parent = self.tree.by_phandle(phandle);
                let parent = parent.ok_or(InterruptError::NoParent(phandle))?;
                let controller = Controller::of(parent).ok_or(InterruptError::NoController)?;
                interrupts.extend(cells.specifier(controller)?);
            }
        } else if let Some(plain) = self.property("interrupts") {
            let controller = self.interrupt_controller()?;
            let mut cells = Cells::of(plain)?;
            while !cells.left.is_empty() {
                interrupts.extend(cells.specifier(controller)?);
            }
        }
        Ok(interrupts)
    }

    /// The controller that the nearest `interrupt-parent` names, or else an ancestor.
    fn interrupt_controller(self) -> Result<Controller, InterruptError> {
        let mut node = self;
        // The way may go in circles, but not through more nodes than there are.
        for _ in self.tree.nodes() {
            let parent = node
                .property("interrupt-parent")
                .and_then(|parent| parent.u32());
            node = match parent {
                Some(phandle) => {
                    let parent = self.tree.by_phandle(phandle);
                    parent.ok_or(InterruptError::NoParent(phandle))?
                }
                None => node.parent().ok_or(InterruptError::NoController)?,
            };
            if let Some(controller) = Controller::of(node) {
                return Ok(controller);
            }
        }
        Err(InterruptError::NoController)
    }
}

/// What has to be known of an interrupt parent.
#[derive(Clone, Copy)]
struct Controller {
    cells: usize,
    is_gic: bool,
}

impl Controller {
    fn of(node: Node<'_, '_>) -> Option<Self> {
        let cells = node.property("#interrupt-cells")?.u32()? as usize;
        Some(Self {
            cells,
            is_gic: cells >= 3 && node.compatible().any(|name| GICS.contains(&name)),
        })
    }
}

/// The cells of a property that have not been read yet.
struct Cells<'a> {
    left: &'a [[u8; 4]],
    length: usize,
}

impl<'a> Cells<'a> {
    fn of(property: Property<'a>) -> Result<Self, InterruptError> {
        let length = property.value.len();
        match property.value.as_chunks() {
            (left, []) => Ok(Self { left, length }),
            _ => Err(InterruptError::Length(length)),
        }
    }

    fn next(&mut self) -> Option<u32> {
        let (first, left) = self.left.split_first()?;
        self.left = left;
        Some(u32::from_be_bytes(*first))
    }

    /// Reads the specifier of one interrupt at `controller`; `None` if that is not the GIC.
    fn specifier(&mut self, controller: Controller) -> Result<Option<Interrupt>, InterruptError> {
        let too_short = InterruptError::Length(self.length);
        if controller.cells == 0 {
            return Err(InterruptError::NoController);
        }
        let (specifier, left) = self
            .left
            .split_at_checked(controller.cells)
            .ok_or(too_short)?;
        self.left = left;
        match specifier {
            [kind, number, flags, ..] if controller.is_gic => decode(
                u32::from_be_bytes(*kind),
                u32::from_be_bytes(*number),
                u32::from_be_bytes(*flags),
            )
            .map(Some),
            _ => Ok(None),
        }
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
        intid: intid.ok_or(InterruptError::NotAnInterrupt { kind, number })?,
        trigger: match flags & 0b11 {
            0 => Trigger::Level,
            _ => Trigger::Edge,
        },
    })
}
