//! The table of links, and the line about virtio consoles.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write};

use super::column;
use crate::arch::addr::Bytes;
use crate::boot::plan::{LinkPlan, PartitionPlan, Plan, SharedMemoryPlan};

/// Writes the line about virtio consoles, if there are any: the partitions, with the interrupts of
/// the devices.
pub(super) fn write_consoles(text: &mut String, plan: &Plan) -> fmt::Result {
    let of = |it: &PartitionPlan| Some(format!("{} ({})", it.name, it.virtio_console?.intid));
    let consoles: Vec<_> = plan.partitions.iter().filter_map(of).collect();
    if !consoles.is_empty() {
        writeln!(text, "consoles    by virtio too: {}", consoles.join(", "))?;
    }
    Ok(())
}

/// Writes the table of links, if there are any: what each connects, and the partitions with the
/// interrupts of their ends; of memory also where each of them has it, and then where it is.
pub(super) fn write(text: &mut String, plan: &Plan) -> fmt::Result {
    if !plan.links.is_empty() || !plan.shared_memory.is_empty() {
        text.push_str("link             type     partitions (interrupts)\n");
    }
    for (number, LinkPlan { name, kind, partitions }) in plan.links.iter().enumerate() {
        column(text, 15, |text| text.write_str(name))?;
        column(text, 7, |text| text.write_str(kind.name()))?;
        let mut separator = "";
        for partition in partitions {
            let partition = &plan.partitions[*partition];
            write!(text, "{separator}{}", partition.name)?;
            let port = partition.links.iter().find(|port| port.link == number);
            if let Some(interrupt) = port.and_then(|port| port.interrupt) {
                write!(text, " ({})", interrupt.intid)?;
            }
            separator = ", ";
        }
        text.push('\n');
    }
    for (number, SharedMemoryPlan { name, partitions, host }) in
        plan.shared_memory.iter().enumerate()
    {
        column(text, 15, |text| text.write_str(name))?;
        column(text, 7, |text| text.write_str("memory"))?;
        for partition in partitions {
            let partition = &plan.partitions[*partition];
            let port = partition.shared_memory.iter().find(|port| port.memory == number);
            write!(text, "{}", partition.name)?;
            if let Some((port, interrupt)) = port.and_then(|it| Some((it, it.interrupt?))) {
                write!(text, " ({}) at {}", interrupt.intid, port.place.guest.start())?;
            }
            text.push_str(", ");
        }
        writeln!(text, "{} at {} physical", Bytes(host.size()), host.start())?;
    }
    Ok(())
}
