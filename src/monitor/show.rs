//! What the monitor tells of one partition.

use core::fmt::{self, Display, Write};

use super::output::Output;
use super::{Status, System};
use crate::life::{OnCrash, Policy};
use crate::machine::Device;
use crate::plan::{FrameKind, PartitionPlan};
use crate::tables::Memory;

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
    let Some(mut index) = line.checked_sub(FACTS) else {
        fact(line, plan, &system.status(partition), output);
        return true;
    };
    if let Some(cpu) = plan.cpus.get(index) {
        let affinity = system.affinity(*cpu).get();
        tell("vCPU", Some(&format_args!("{index} on CPU {affinity:#x}")), output);
        return true;
    }
    index -= plan.cpus.len();
    if let Some(mapping) = plan.mappings.get(index) {
        let key = if mapping.memory == Memory::GUEST { "memory" } else { "registers" };
        let guest = Addresses(mapping.ipa.get(), mapping.size);
        let machine = Addresses(mapping.pa.get(), mapping.size);
        tell(key, Some(&format_args!("{guest} at {machine}")), output);
        return true;
    }
    index -= plan.mappings.len();
    if let Some(frame) = plan.frames.get(index) {
        let addresses = Addresses(frame.region.start().get(), frame.region.size());
        tell("emulated", Some(&format_args!("{addresses} {}", name(frame.kind))), output);
        return true;
    }
    index -= plan.frames.len();
    if let Some(device) = plan.devices.get(index) {
        tell("device", Some(&device.path.as_str()), output);
        return true;
    }
    interrupt(index - plan.devices.len(), plan, output)
}

/// Writes a line: a word that says what it tells, and that, or a dash if there is nothing.
fn tell(key: &str, value: Option<&dyn Display>, output: &mut Output) {
    output.text(key);
    output.column(VALUE);
    // Writing to an Output does not fail.
    _ = write!(output, "{}", value.unwrap_or(&"-"));
}

/// How many lines `fact` has.
const FACTS: usize = 9;

/// What there is once of each partition.
fn fact(line: usize, plan: &PartitionPlan, status: &Status, output: &mut Output) {
    let Status { stage, restarts, uptime, last_end, last_fault } = status;
    let uptime = uptime.map(Seconds);
    let watchdog = plan.watchdog.map(|watchdog| watchdog.milliseconds);
    let (key, value): (_, Option<&dyn Display>) = match line {
        0 => ("name", Some(&plan.name.as_str())),
        1 => ("state", Some(stage)),
        2 => ("restarts", Some(restarts)),
        3 => ("uptime-s", uptime.as_ref().map(|it| it as _)),
        4 => ("last-end", last_end.as_ref().map(|it| it as _)),
        5 => ("last-fault", last_fault.as_ref().map(|it| &it.deed as _)),
        6 => ("fault-at", last_fault.as_ref().map(|it| it as _)),
        7 => ("on-crash", Some(&Terms(plan.policy))),
        _ => ("watchdog-ms", watchdog.as_ref().map(|it| it as _)),
    };
    tell(key, value, output);
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
            tell("interrupt", Some(&format_args!("{intid} {owner}")), output);
            return true;
        }
        index -= 1;
    }
    let Some(interrupt) = plan.interrupts.get(index) else { return false };
    let raises = |it: &&Device| it.interrupts.iter().any(|it| it.intid == interrupt.intid);
    let owner = plan.devices.iter().find(raises).map_or("-", |device| device.path.as_str());
    tell("interrupt", Some(&format_args!("{} {owner}", interrupt.intid)), output);
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

/// What was agreed on for a crash, as the description has it.
struct Terms(Policy);

impl Display for Terms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0.on_crash {
            OnCrash::Stop => "stop",
            OnCrash::Restart => "restart",
        })?;
        f.write_str(" max-restarts ")?;
        match self.0.max_restarts {
            Some(most) => write!(f, "{most}"),
            None => f.write_str("-"),
        }
    }
}

/// Milliseconds as seconds.
struct Seconds(u64);

impl Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1000, self.0 % 1000)
    }
}

/// The first and the last address of this many bytes from an address on.
struct Addresses(u64, u64);

impl Display for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = self.0.wrapping_add(self.1.saturating_sub(1));
        write!(f, "{:#010x}-{last:#010x}", self.0)
    }
}
