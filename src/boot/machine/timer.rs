//! The generic timer's node (binding `arm,arch_timer`).

use alloc::string::ToString;

use super::ppi::{Faults, ppi};
use super::{Timer, TimerProperty};
use crate::boot::fdt::{Node, NodeError};

/// The properties, apart from errata, that say how a kernel has to use the timer.
const PROPERTIES: [&str; 2] = ["clock-frequency", "arm,no-tick-in-suspend"];

/// Reads the timer: its interrupts by `interrupt-names` if the node has it, or else in the order of
/// the binding, in which the secure physical timer comes first.
///
/// # Errors
///
/// If an interrupt is missing, has no meaning or is not a PPI.
pub(super) fn read(node: Node<'_, '_>) -> Result<Timer, NodeError> {
    let interrupts = node.interrupts()?;
    let names = node.property("interrupt-names");
    let interrupt = |order, name, faults| {
        let index = match names.and_then(|names| names.strings()) {
            Some(mut names) => names.position(|each| each == name),
            None => Some(order),
        };
        ppi(index.and_then(|index: usize| interrupts.get(index)), &faults)
    };
    let (missing, shared) = ("its phys interrupt is missing", "its phys interrupt is not a PPI");
    let physical = interrupt(1, "phys", Faults { missing, shared })?;
    let (missing, shared) = ("its virt interrupt is missing", "its virt interrupt is not a PPI");
    let virtual_ = interrupt(2, "virt", Faults { missing, shared })?;
    let missing = "its hyp-phys interrupt is missing";
    let shared = "its hyp-phys interrupt is not a PPI";
    let hypervisor = interrupt(3, "hyp-phys", Faults { missing, shared })?;
    let frequency = node.property("clock-frequency").and_then(|property| property.u32());
    // The names of errata contain the word: `fsl,erratum-a008585`.
    let is_kept = |name: &str| name.contains("erratum") || PROPERTIES.contains(&name);
    let kept = node.properties().filter(|property| is_kept(property.name));
    let properties = kept.map(|property| TimerProperty {
        name: property.name.to_string(),
        value: property.value.to_vec(),
    });
    let properties = properties.collect();
    let frequency = frequency.filter(|frequency| *frequency > 0);
    Ok(Timer { physical, virtual_, hypervisor, frequency, properties })
}
