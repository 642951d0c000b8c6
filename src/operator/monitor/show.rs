//! The answer to `show NAME`.

use core::fmt::Display;

use super::output::Output;
use super::system::{Status, System};
use crate::arch::intid::Intid;
use crate::boot::machine::Device;
use crate::boot::plan::PartitionPlan;
use crate::mm::tables::Attributes;
use crate::partition::lifecycle::{OnCrash, Policy};
use crate::util::format::format;

/// The column of the value, after the word that begins the line.
const VALUE: usize = 12;

/// Writes a line of the answer, and returns whether there is one. Each begins with a word that
/// names its value.
pub(super) fn show(
    line: usize,
    partition: usize,
    system: &dyn System,
    output: &mut Output,
) -> bool {
    let plan = system.plan(partition);
    let Some(mut index) = line.checked_sub(FACTS.len()) else {
        fact(line, plan, &system.status(partition), output);
        return true;
    };
    let vcpu = index as u64;
    if let Some(cpu) = take(&mut index, &plan.cpus) {
        begin("vCPU", output);
        output.count(vcpu, 0);
        output.text(" on CPU ");
        output.hexadecimal(system.affinity(*cpu).get(), 1);
    } else if let Some(mapping) = take(&mut index, &plan.mappings) {
        begin(if mapping.attributes == Attributes::GUEST { "memory" } else { "registers" }, output);
        addresses(mapping.ipa.get(), mapping.size, " at ", output);
        addresses(mapping.pa.get(), mapping.size, "", output);
    } else if let Some(device) = take(&mut index, &plan.devices) {
        let trapped = device.trapped();
        begin("emulated", output);
        addresses(trapped.start().get(), trapped.size(), " ", output);
        output.text(device.kind.facts().name);
    } else if let Some(device) = take(&mut index, &plan.passthrough) {
        begin("device", output);
        output.text(device.path.as_str());
    } else {
        return interrupt(index, plan, output);
    }
    true
}

/// Returns the item of a list at an index. If it is past the end, subtracts the list's length from
/// the index, for the next list.
fn take<'a, T>(index: &mut usize, list: &'a [T]) -> Option<&'a T> {
    let item = list.get(*index);
    *index = index.saturating_sub(list.len());
    item
}

/// Begins a line with the word that names its value.
#[inline(never)]
fn begin(key: &str, output: &mut Output) {
    output.text(key);
    output.column(VALUE);
}

/// Adds the first and the last address of a range of `size` bytes, and the text that follows.
#[inline(never)]
fn addresses(first: u64, size: u64, after: &str, output: &mut Output) {
    output.hexadecimal(first, 8);
    output.text("-");
    output.hexadecimal(first.wrapping_add(size.saturating_sub(1)), 8);
    output.text(after);
}

/// Adds a number, or a dash for `None`.
#[inline(never)]
fn count(number: Option<u64>, decimals: usize, output: &mut Output) {
    match number {
        Some(number) => output.count(number, decimals),
        None => output.text("-"),
    }
}

/// The words that begin the lines with one value for each partition.
const FACTS: [&str; 10] = [
    "name",
    "state",
    "restarts",
    "uptime-s",
    "last-end",
    "last-fault",
    "fault-at",
    "on-crash",
    "watchdog-ms",
    "dma-faults",
];

/// Writes a line with a value that each partition has once.
fn fact(line: usize, plan: &PartitionPlan, status: &Status, output: &mut Output) {
    let Status { stage, restarts, uptime, last_end, last_fault, dma_faults } = status;
    begin(FACTS[line], output);
    let display: Option<&dyn Display> = match line {
        0 => return output.text(plan.name.as_str()),
        1 => return output.text(stage.name()),
        2 => return output.count((*restarts).into(), 0),
        3 => return count(*uptime, 3, output),
        4 => last_end.as_ref().map(|it| it as _),
        5 => last_fault.as_ref().map(|it| &it.kind as _),
        6 => last_fault.as_ref().map(|it| it as _),
        7 => return policy(plan.policy, output),
        9 => return output.count(*dma_faults, 0),
        _ => {
            let milliseconds = plan.watchdog_milliseconds().map(u64::from);
            return count(milliseconds, 0, output);
        }
    };
    match display {
        Some(display) => format(format_args!("{display}"), output),
        None => output.text("-"),
    }
}

/// Writes the line of an interrupt: first those that Bulkhead raises, then those of the devices.
fn interrupt(mut index: usize, plan: &PartitionPlan, output: &mut Output) -> bool {
    for device in &plan.devices {
        let Some(intid) = device.intid else { continue };
        if index == 0 {
            return show_interrupt(intid, device.kind.facts().name, output);
        }
        index -= 1;
    }
    let Some(interrupt) = plan.interrupts.get(index) else { return false };
    let raises = |it: &&Device| it.interrupts.iter().any(|it| it.intid == interrupt.intid);
    let owner = plan.passthrough.iter().find(raises).map_or("-", |device| device.path.as_str());
    show_interrupt(interrupt.intid, owner, output)
}

/// Writes the line of an interrupt with the name or path of its device.
#[inline(never)]
fn show_interrupt(intid: Intid, owner: &str, output: &mut Output) -> bool {
    begin("interrupt", output);
    output.count(intid.get().into(), 0);
    output.text(" ");
    output.text(owner);
    true
}

/// Adds what happens on a crash, in the words of the description's properties.
fn policy(policy: Policy, output: &mut Output) {
    output.text(match policy.on_crash {
        OnCrash::Stop => "stop",
        OnCrash::Restart => "restart",
    });
    output.text(" max-restarts ");
    count(policy.max_restarts.map(u64::from), 0, output);
}
