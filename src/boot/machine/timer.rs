//! The generic timer's node (binding `arm,arch_timer`).

use super::TimerInterrupts;
use super::ppi::ppi;
use crate::boot::fdt::{Node, NodeError};

/// Reads the timer's interrupts: by `interrupt-names` if the node has it, or else in the order of
/// the binding, in which the secure physical timer comes first.
///
/// # Errors
///
/// If an interrupt is missing, has no meaning or is not a PPI.
pub(super) fn read(node: Node<'_, '_>) -> Result<TimerInterrupts, NodeError> {
    let interrupts = node.interrupts()?;
    let names = node.property("interrupt-names");
    let interrupt = |order, name, fault| {
        let index = match names.and_then(|names| names.strings()) {
            Some(mut names) => names.position(|each| each == name),
            None => Some(order),
        };
        ppi(index.and_then(|index: usize| interrupts.get(index)), fault)
    };
    Ok(TimerInterrupts {
        physical: interrupt(1, "phys", "its phys interrupt is not a PPI")?,
        virtual_: interrupt(2, "virt", "its virt interrupt is not a PPI")?,
        hypervisor: interrupt(3, "hyp-phys", "its hyp-phys interrupt is not a PPI")?,
    })
}
