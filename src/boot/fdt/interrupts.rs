//! Interrupts of nodes: `interrupts` and `interrupts-extended` (Devicetree Specification 0.4,
//! section 2.4), if their controller is a GIC (bindings `arm,gic` and `arm,gic-v3`).

use alloc::vec::Vec;

use super::index::Entry;
use super::{Common, Node, NodeError, Property};
use crate::arch::intid::{Interrupt, Intid, Trigger};

/// Returns whether a `compatible` is that of a GICv2 or GICv3, whose specifiers are decoded.
pub(crate) fn is_gic(name: &str) -> bool {
    match name {
        "arm,cortex-a15-gic" | "arm,cortex-a7-gic" | "arm,cortex-a9-gic" | "arm,gic-400" => true,
        _ => name == "arm,gic-v3",
    }
}

const NO_CONTROLLER: NodeError = NodeError::Fault("it has no interrupt controller");
const NO_PARENT: NodeError = NodeError::Fault("its interrupt parent does not exist");
const SPECIFIER: NodeError = NodeError::Fault("its interrupts end within a specifier");

impl Node<'_, '_> {
    /// Returns its interrupts at the GIC, from `interrupts-extended` or else from `interrupts`,
    /// without those of other controllers. Without either property there are none.
    ///
    /// # Errors
    ///
    /// If a specifier is invalid or its controller does not exist.
    pub fn interrupts(self) -> Result<Vec<Interrupt>, NodeError> {
        let mut interrupts = Vec::new();
        self.each_interrupt(&mut |interrupt| interrupts.push(interrupt))?;
        Ok(interrupts)
    }

    /// Calls `each` for every interrupt that [`interrupts`](Self::interrupts) returns.
    ///
    /// # Errors
    ///
    /// As for [`interrupts`](Self::interrupts); `each` may have been called before.
    #[inline(always)]
    pub(crate) fn each_interrupt(self, each: &mut dyn FnMut(Interrupt)) -> Result<(), NodeError> {
        let extended = self.common(Common::InterruptsExtended);
        match extended.or_else(|| self.common(Common::Interrupts)) {
            Some(list) => self.each_of(list, extended.is_some(), each),
            None => Ok(()),
        }
    }

    /// Does the same for the interrupts in `list`, which is `interrupts-extended` or `interrupts`.
    #[inline(never)]
    fn each_of(
        self,
        list: Property<'_>,
        is_extended: bool,
        each: &mut dyn FnMut(Interrupt),
    ) -> Result<(), NodeError> {
        let (mut cells, []) = list.value.as_chunks() else {
            return Err(SPECIFIER);
        };
        let mut controller = if is_extended { self } else { self.interrupt_controller()? };
        while let [first, rest @ ..] = cells {
            if is_extended {
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

    /// Returns the interrupt controller of `interrupts`: the nearest node with `#interrupt-cells`
    /// among the interrupt parents, where the parent stands in for a missing `interrupt-parent`.
    #[inline(always)]
    pub(crate) fn interrupt_controller(self) -> Result<Self, NodeError> {
        let nodes = &self.index.nodes;
        let mut entry = self.entry;
        // The path may be a circle: it ends after as many steps as there are nodes.
        for _ in nodes {
            entry = match entry.interrupt_parent {
                Some(phandle) => Self::entry_of(self.index, phandle).ok_or(NO_PARENT)?,
                None if entry.number == 0 => break,
                None => nodes.get(entry.parent).ok_or(NO_CONTROLLER)?,
            };
            if entry.interrupt_cells > 0 {
                return Ok(Self { entry, ..self });
            }
        }
        Err(NO_CONTROLLER)
    }

    /// Returns the node that an `interrupt-parent` of this node refers to.
    fn interrupt_parent(self, phandle: u32) -> Result<Self, NodeError> {
        Self::by_phandle(self.index, phandle).ok_or(NO_PARENT)
    }
}

/// Returns whether a node with these properties is a GIC.
pub(super) fn are_of_gic(properties: &[Property<'_>]) -> bool {
    let compatible = properties.iter().find(|property| property.name == "compatible");
    let names = compatible.and_then(Property::strings);
    names.is_some_and(|mut names| names.any(is_gic))
}

/// Decodes a specifier of a GIC: the kind (0 for an SPI, 1 for a PPI), the number and the flags.
/// Bits 3:0 of the flags are 1 or 2 for edge-triggered interrupts, 4 or 8 for level-sensitive ones;
/// 0, which the binding does not define, counts as level-sensitive.
pub(super) fn decode(kind: u32, number: u32, flags: u32) -> Result<Interrupt, NodeError> {
    let intid = match kind {
        0 => Intid::spi(number),
        1 => Intid::ppi(number),
        _ => None,
    };
    let intid = intid.ok_or(NodeError::Fault("it has an interrupt that the GIC does not have"))?;
    let trigger = if flags & 0b11 == 0 { Trigger::Level } else { Trigger::Edge };
    Ok(Interrupt { intid, trigger })
}
