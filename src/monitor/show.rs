//! What the monitor tells of one partition.

use core::fmt::Write;

use super::output::Output;
use super::{Status, System};
use crate::machine::Device;
use crate::plan::{FrameKind, PartitionPlan};
use crate::tables::Memory;

/// Where the values of `show` begin.
const VALUE: usize = 12;

/// `show NAME`: each line begins with what it tells. Whether there is such a line.
pub(super) fn show(
    line: usize,
    partition: usize,
    system: &dyn System,
    output: &mut Output,
) -> bool {
    let plan = system.plan(partition);
    let mut index = line;
    const KEYS: [&str; 7] =
        ["name", "state", "restarts", "uptime-s", "last-end", "last-fault", "fault-at"];
    if let Some(key) = KEYS.get(index) {
        output.text(key);
        output.column(VALUE);
        show_status(key, &plan.name, system.status(partition), output);
        return true;
    }
    index -= KEYS.len();
    if let Some(cpu) = plan.cpus.get(index) {
        output.text("vCPU");
        output.column(VALUE);
        _ = write!(output, "{index} on CPU {:#x}", system.affinity(*cpu).get());
        return true;
    }
    index -= plan.cpus.len();
    if let Some(mapping) = plan.mappings.get(index) {
        let is_memory = mapping.memory == Memory::GUEST;
        output.text(if is_memory { "memory" } else { "registers" });
        output.column(VALUE);
        addresses(mapping.ipa.get(), mapping.size, output);
        output.text(" at ");
        addresses(mapping.pa.get(), mapping.size, output);
        return true;
    }
    show_devices(index - plan.mappings.len(), plan, output)
}

fn show_status(key: &str, name: &str, status: Status, output: &mut Output) {
    _ = match (key, status) {
        ("name", _) => output.write_str(name),
        ("state", Status { stage, .. }) => write!(output, "{stage}"),
        ("restarts", Status { restarts, .. }) => write!(output, "{restarts}"),
        ("uptime-s", Status { uptime: Some(uptime), .. }) => {
            write!(output, "{}.{:03}", uptime / 1000, uptime % 1000)
        }
        ("last-end", Status { last_end: Some(end), .. }) => write!(output, "{end}"),
        ("last-fault", Status { last_fault: Some(fault), .. }) => write!(output, "{}", fault.deed),
        ("fault-at", Status { last_fault: Some(fault), .. }) => write!(output, "{fault}"),
        _ => output.write_str("-"),
    };
}

/// The rest of `show`: the frames that are emulated, the devices, and the interrupts.
fn show_devices(mut index: usize, plan: &PartitionPlan, output: &mut Output) -> bool {
    if let Some(frame) = plan.frames.get(index) {
        output.text("emulated");
        output.column(VALUE);
        addresses(frame.region.start().get(), frame.region.size(), output);
        output.text(match frame.kind {
            FrameKind::Distributor => " distributor",
            FrameKind::CpuInterface => " GICC_DIR",
            FrameKind::Redistributors => " redistributors",
            FrameKind::Console => " console",
            FrameKind::Monitor => " monitor",
            FrameKind::WatchdogControl => " watchdog's control",
            FrameKind::WatchdogRefresh => " watchdog's refresh",
        });
        return true;
    }
    index -= plan.frames.len();
    if let Some(device) = plan.devices.get(index) {
        output.text("device");
        output.column(VALUE);
        output.text(device.path.as_str());
        return true;
    }
    index -= plan.devices.len();
    let emulated = [(plan.console_interrupt, "console")];
    let (intid, owner) = if let Some(emulated) = emulated.get(index) {
        *emulated
    } else if let Some(interrupt) = plan.interrupts.get(index - emulated.len()) {
        let raises = |it: &&Device| it.interrupts.contains(interrupt);
        let device = plan.devices.iter().find(raises);
        (interrupt.intid, device.map_or("", |device| device.path.as_str()))
    } else {
        return false;
    };
    output.text("interrupt");
    output.column(VALUE);
    _ = write!(output, "{intid} ");
    output.text(owner);
    true
}

/// The first and the last address of a run of bytes.
fn addresses(start: u64, size: u64, output: &mut Output) {
    let last = start.wrapping_add(size.saturating_sub(1));
    _ = write!(output, "{start:#010x}-{last:#010x}");
}
