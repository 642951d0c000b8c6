//! What the monitor tells of one partition.

use core::fmt::Display;

use super::output::Output;
use super::{Status, System};
use crate::arch::intid::Intid;
use crate::boot::machine::Device;
use crate::boot::plan::PartitionPlan;
use crate::devices::frame::FrameKind;
use crate::mm::tables::Attributes;
use crate::partition::lifecycle::{OnCrash, Policy};
use crate::util::format::format;

/// Where what is told begins, behind the word that says what it is.
const VALUE: usize = 12;

/// `show NAME`: each line begins with a word that says what it tells. Whether there is such a line.
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
        begin(if mapping.memory == Attributes::GUEST { "memory" } else { "registers" }, output);
        addresses(mapping.ipa.get(), mapping.size, " at ", output);
        addresses(mapping.pa.get(), mapping.size, "", output);
    } else if let Some(frame) = take(&mut index, &plan.frames) {
        begin("emulated", output);
        addresses(frame.region.start().get(), frame.region.size(), " ", output);
        output.text(name(frame.kind));
    } else if let Some(device) = take(&mut index, &plan.devices) {
        begin("device", output);
        output.text(device.path.as_str());
    } else {
        return interrupt(index, plan, output);
    }
    true
}

/// The item of a list that an index of a line stands for; if it lies behind, the index goes on from there.
fn take<'a, T>(index: &mut usize, list: &'a [T]) -> Option<&'a T> {
    let item = list.get(*index);
    *index = index.saturating_sub(list.len());
    item
}

/// Begins a line with a word that says what it tells.
#[inline(never)]
fn begin(key: &str, output: &mut Output) {
    output.text(key);
    output.column(VALUE);
}

/// Adds the first and the last address of this many bytes from an address on, and what stands behind.
#[inline(never)]
fn addresses(first: u64, size: u64, behind: &str, output: &mut Output) {
    output.hexadecimal(first, 8);
    output.text("-");
    output.hexadecimal(first.wrapping_add(size.saturating_sub(1)), 8);
    output.text(behind);
}

/// Adds a number, or a dash if there is none.
#[inline(never)]
fn count(number: Option<u64>, decimals: usize, output: &mut Output) {
    match number {
        Some(number) => output.count(number, decimals),
        None => output.text("-"),
    }
}

/// The words that begin the lines of `fact`.
const FACTS: [&str; 9] = [
    "name",
    "state",
    "restarts",
    "uptime-s",
    "last-end",
    "last-fault",
    "fault-at",
    "on-crash",
    "watchdog-ms",
];

/// What there is once of each partition.
fn fact(line: usize, plan: &PartitionPlan, status: &Status, output: &mut Output) {
    let Status { stage, restarts, uptime, last_end, last_fault } = status;
    begin(FACTS[line], output);
    let display: Option<&dyn Display> = match line {
        0 => return output.text(plan.name.as_str()),
        1 => return output.text(stage.name()),
        2 => return output.count((*restarts).into(), 0),
        3 => return count(*uptime, 3, output),
        4 => last_end.as_ref().map(|it| it as _),
        5 => last_fault.as_ref().map(|it| &it.kind as _),
        6 => last_fault.as_ref().map(|it| it as _),
        7 => return terms(plan.policy, output),
        _ => {
            let milliseconds = plan.watchdog.map(|watchdog| watchdog.milliseconds.into());
            return count(milliseconds, 0, output);
        }
    };
    match display {
        Some(display) => format(format_args!("{display}"), output),
        None => output.text("-"),
    }
}

/// Its interrupts: those that Bulkhead raises, and those of its devices.
fn interrupt(mut index: usize, plan: &PartitionPlan, output: &mut Output) -> bool {
    let watchdog = plan.watchdog.map(|watchdog| watchdog.interrupt);
    for (intid, owner) in [
        (Some(plan.console_interrupt), "console"),
        (plan.monitor_interrupt, "monitor"),
        (watchdog, "watchdog"),
    ] {
        let Some(intid) = intid else { continue };
        if index == 0 {
            return tell_interrupt(intid, owner, output);
        }
        index -= 1;
    }
    let Some(interrupt) = plan.interrupts.get(index) else { return false };
    let raises = |it: &&Device| it.interrupts.iter().any(|it| it.intid == interrupt.intid);
    let owner = plan.devices.iter().find(raises).map_or("-", |device| device.path.as_str());
    tell_interrupt(interrupt.intid, owner, output)
}

#[inline(never)]
fn tell_interrupt(intid: Intid, owner: &str, output: &mut Output) -> bool {
    begin("interrupt", output);
    output.count(intid.get().into(), 0);
    output.text(" ");
    output.text(owner);
    true
}

fn name(frame: FrameKind) -> &'static str {
    match frame {
        FrameKind::Distributor => "distributor",
        FrameKind::CpuInterface => "GICC_DIR",
        FrameKind::Redistributors => "redistributors",
        FrameKind::Console => "console",
        FrameKind::Monitor => "monitor",
        FrameKind::WatchdogControl => "watchdog-control",
        FrameKind::WatchdogRefresh => "watchdog-refresh",
    }
}

/// Adds what was agreed on for a crash, as the description has it.
fn terms(policy: Policy, output: &mut Output) {
    output.text(match policy.on_crash {
        OnCrash::Stop => "stop",
        OnCrash::Restart => "restart",
    });
    output.text(" max-restarts ");
    count(policy.max_restarts.map(u64::from), 0, output);
}
