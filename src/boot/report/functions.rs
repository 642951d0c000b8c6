//! The lines about PCI Express functions.

use alloc::string::String;
use core::fmt::{self, Write};

use crate::boot::machine::Machine;
use crate::boot::plan::{MessagePlan, Plan};
use crate::pci::ResetMethod;

/// Writes where the memory of each partition's functions is, by which messages they interrupt it, and
/// which of them cannot be reset.
pub(super) fn write(text: &mut String, machine: &Machine, plan: &Plan) -> fmt::Result {
    for partition in &plan.partitions {
        let (name, Some(bus)) = (&partition.name, &partition.pci) else { continue };
        let region = bus.window.region;
        writeln!(text, "pcie        {name}: memory of its functions at {region}")?;
        if let Some(MessagePlan { controller, spis, .. }) = &partition.messages {
            let path = &machine.message_controllers[*controller].path;
            let (first, last) = (spis.first, spis.end() - 1);
            writeln!(text, "pcie        {name}: messages by {path}, interrupts {first}-{last}")?;
        }
        for function in bus.functions.iter().filter(|it| it.reset == ResetMethod::None) {
            let what = "cannot be reset: a restart leaves it switched off";
            writeln!(text, "pcie        {name}: {} {what}", function.path)?;
        }
    }
    Ok(())
}
