//! The lines about SMMUs.

use alloc::string::String;
use core::fmt::{self, Write};

use crate::boot::machine::Machine;
use crate::boot::plan::Plan;

/// Writes a line for each SMMU: how many streams lead to partitions.
pub(super) fn write(text: &mut String, machine: &Machine, plan: &Plan) -> fmt::Result {
    for (index, smmu) in machine.smmus.iter().enumerate() {
        let planned = plan.smmus.iter().find(|it| it.smmu == index);
        match planned.map_or(0, |it| it.streams.len()) {
            0 => writeln!(text, "SMMU        {}: all streams abort", smmu.path)?,
            1 => writeln!(text, "SMMU        {}: 1 stream, all others abort", smmu.path)?,
            many => writeln!(text, "SMMU        {}: {many} streams, all others abort", smmu.path)?,
        }
    }
    Ok(())
}
