//! The table of disks.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write};

use super::{column, copies, name as name_of, write_size};
use crate::boot::plan::{DiskInterface, Plan, PlannedDisk};

/// Writes a line for each disk, if there are any, and one for the same disk of all copies: its guest addresses, or the interrupt of its
/// virtio device; its physical addresses; and what may be done with it.
pub(super) fn write(text: &mut String, plan: &Plan) -> fmt::Result {
    let mut disks = Vec::new();
    for copies in copies(plan) {
        let of_first = copies.first().map(|it| &it.disks[..]).unwrap_or_default();
        disks.extend(of_first.iter().map(|it| (format!("{}/{}", name_of(copies), it.name), it)));
    }
    let width = disks.iter().map(|(name, _)| name.len()).max();
    let Some(width) = width.map(|width| width.max(15)) else { return Ok(()) };
    for (heading, width) in
        ["disk", "size", "guest at", "physical at"].into_iter().zip([width, 8, 12, 12])
    {
        column(text, width, |text| text.write_str(heading))?;
    }
    text.push_str("access\n");
    for (name, disk) in disks {
        let PlannedDisk { interface, host, is_read_only, same_as, .. } = disk;
        column(text, width, |text| text.write_str(&name))?;
        column(text, 8, |text| write_size(text, host.size()))?;
        column(text, 12, |text| match interface {
            DiskInterface::Memory(guest) => write!(text, "{:#x}", guest.start().get()),
            DiskInterface::Virtio(device) => match device.interrupt {
                Some(interrupt) => write!(text, "virtio ({})", interrupt.intid),
                None => text.write_str("virtio"),
            },
        })?;
        column(text, 12, |text| write!(text, "{:#x}", host.start().get()))?;
        text.push_str(if *is_read_only { "read" } else { "read, write" });
        if let Some((partition, disk)) = *same_as {
            let owner = &plan.partitions[partition];
            write!(text, ", the same as {}/{}", owner.name, owner.disks[disk].name)?;
        }
        text.push('\n');
    }
    Ok(())
}
