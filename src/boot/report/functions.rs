//! The lines about PCI Express functions.

use alloc::string::String;
use core::fmt::{self, Write};

use crate::boot::plan::Plan;
use crate::pci::ResetMethod;

/// Writes where the memory of each partition's functions is, and which of them cannot be reset.
pub(super) fn write(text: &mut String, plan: &Plan) -> fmt::Result {
    for partition in &plan.partitions {
        let (name, Some(bus)) = (&partition.name, &partition.pci) else { continue };
        let region = bus.window.region;
        writeln!(text, "pcie        {name}: memory of its functions at {region}")?;
        for function in bus.functions.iter().filter(|it| it.reset == ResetMethod::None) {
            let what = "cannot be reset: a restart leaves it switched off";
            writeln!(text, "pcie        {name}: {} {what}", function.path)?;
        }
    }
    Ok(())
}
