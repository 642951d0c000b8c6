//! The table of links.

use alloc::string::String;
use core::fmt::{self, Write};

use super::column;
use crate::boot::plan::{LinkPlan, Plan};

/// Writes the table of links, if there are any: what each connects, and the partitions with the
/// interrupts of their ends.
pub(super) fn write(text: &mut String, plan: &Plan) -> fmt::Result {
    if !plan.links.is_empty() {
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
    Ok(())
}
