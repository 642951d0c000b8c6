//! The table of disks.

use alloc::string::String;
use core::fmt::{self, Write};

use super::{column, write_size};
use crate::boot::plan::{Plan, PlannedDisk};

/// Writes a line for each disk, if there are any: its guest and physical addresses, and what may be
/// done with it.
pub(super) fn write(text: &mut String, plan: &Plan) -> fmt::Result {
    let disks = plan.partitions.iter().flat_map(|it| it.disks.iter().map(move |disk| (it, disk)));
    let width = disks.clone().map(|(it, disk)| it.name.len() + 1 + disk.name.len()).max();
    let Some(width) = width.map(|width| width.max(15)) else { return Ok(()) };
    for (heading, width) in
        ["disk", "size", "guest at", "physical at"].into_iter().zip([width, 8, 12, 12])
    {
        column(text, width, |text| text.write_str(heading))?;
    }
    text.push_str("access\n");
    for (partition, disk) in disks {
        let PlannedDisk { name, guest, host, is_read_only, same_as, .. } = disk;
        column(text, width, |text| write!(text, "{}/{name}", partition.name))?;
        column(text, 8, |text| write_size(text, guest.size()))?;
        column(text, 12, |text| write!(text, "{:#x}", guest.start().get()))?;
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
