//! The report at boot: the machine, and what each partition owns.

mod disks;
mod functions;
mod links;
mod smmus;

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::{self, Write};

use super::machine::{CpuStart, Device, Gic, Machine, Reach, Without};
use super::plan::{GuestMemory, PartitionPlan, Plan};
use crate::devices::planned::{DeviceKind, PlannedDevice};
use crate::entropy::{ENOUGH, Pool, Source};
use crate::partition::lifecycle::{OnCrash, Policy};
use crate::vgic::Delivery;

/// The width of the columns before the devices in the table of partitions, without those of the
/// names and the CPUs.
const INDENT: usize = 8 + 12 + 12 + 5 * 2;

/// The number of nodes that are named as served by one device.
const MAX_SERVED: usize = 2;

/// Returns the report: the machine, a line for each property, then a table of the partitions, with
/// a line for each passed-through device, and one for all copies of a node. A second table has the disks, a third the partitions
/// whose description sets a crash policy, a watchdog or the monitor, a fourth the links; then come
/// lines about PCI Express functions.
#[must_use]
pub fn report(machine: &Machine, plan: &Plan) -> String {
    // Enough for most machines.
    let mut text = String::with_capacity(1024);
    // Writing to a String does not fail.
    _ = write_machine(&mut text, machine, plan);
    _ = write_partitions(&mut text, machine, plan);
    _ = disks::write(&mut text, plan);
    _ = write_lifecycles(&mut text, plan);
    _ = links::write(&mut text, plan);
    _ = functions::write(&mut text, machine, plan);
    text
}

/// Returns the line about the code that stays mapped while guests run: its bytes, and the parts
/// that are left out because the description does not use them.
#[must_use]
pub fn code(bytes: u64, left_out: &[&str]) -> String {
    let kibibytes = bytes.div_ceil(1 << 10);
    match left_out {
        [] => format!("code        {kibibytes} KiB stay"),
        parts => format!("code        {kibibytes} KiB stay ({} left out)", parts.join(", ")),
    }
}

/// Returns the line about the sources of entropy, with the number of bytes that each has given.
/// `pool` is `None` if there is none.
#[must_use]
pub fn entropy(pool: Option<&Pool>) -> String {
    let Some(pool) = pool else {
        return String::from("entropy     none: partitions get no random seeds and no TRNG");
    };
    let mut text = String::with_capacity(128);
    for source in Source::ALL.into_iter().filter(|source| pool.given(*source) > 0) {
        text.push_str(if text.is_empty() { "entropy     " } else { ", " });
        text.push_str(source.name());
        text.push(' ');
        text.push_str(&pool.given(source).to_string());
        text.push_str(" B");
    }
    if !pool.is_enough() {
        let why = "so partitions get only a kaslr-seed and no TRNG";
        // Writing to a String does not fail.
        _ = write!(text, ": fewer than {ENOUGH} B, {why}");
    }
    text
}

/// Writes the lines about the machine.
fn write_machine(text: &mut String, machine: &Machine, plan: &Plan) -> fmt::Result {
    let all: Vec<_> = (0..machine.cpus.len()).collect();
    let cpus = cpu_ids(machine, &all);
    let by_psci = machine.cpus.iter().any(|cpu| cpu.start == CpuStart::Psci);
    let by_table = machine.cpus.iter().any(|cpu| matches!(cpu.start, CpuStart::SpinTable(_)));
    let started = match (by_psci, by_table) {
        (true, _) => ", started by PSCI",
        (false, true) => ", started by a spin table",
        (false, false) => "",
    };
    writeln!(text, "machine     {}", machine.model)?;
    writeln!(text, "CPUs        {} ({cpus}){started}", all.len())?;
    for bank in &machine.memory {
        text.push_str("memory      ");
        write_size(text, bank.size())?;
        writeln!(text, " at {bank}")?;
    }
    let is_direct = |it: &PartitionPlan| it.delivery == Delivery::Direct;
    let direct = copies(plan).filter(|it| it.iter().all(is_direct));
    let direct: Vec<_> = direct.map(name).collect();
    writeln!(text, "interrupts  {}", interrupts(machine, plan, &direct))?;
    if !direct.is_empty() && plan.partitions.len() > 1 {
        let can = "can end neighbours' interrupts, and block Bulkhead's on their CPUs";
        writeln!(text, "direct      {}: {can}", direct.join(", "))?;
    }
    match (&machine.console, plan.console_cpu) {
        (None, _) => writeln!(text, "console     none")?,
        (Some(console), Some(cpu)) => {
            writeln!(text, "console     {}, by CPU {}", console.path, cpu_ids(machine, &[cpu]))?;
        }
        (Some(console), None) => {
            writeln!(text, "console     {}, by all CPUs", console.path)?;
        }
    }
    links::write_consoles(text, plan)?;
    smmus::write(text, machine, plan)?;
    let without = Without::read(&machine.bootargs).unwrap_or_default().names();
    if !without.is_empty() {
        writeln!(text, "features    without {}, as the command line says", without.join(", "))?;
    }
    for remark in &machine.remarks {
        writeln!(text, "remark      {remark}")?;
    }
    Ok(())
}

/// Returns the interrupt controller and, on a GICv3, how interrupts are delivered to the
/// partitions, of which `direct` have direct ones.
fn interrupts(machine: &Machine, plan: &Plan, direct: &[String]) -> String {
    if let Gic::V2 { .. } = machine.gic {
        return String::from("GICv2");
    }
    match direct.len() {
        0 => String::from("GICv3, trapped"),
        count if count == copies(plan).count() => String::from("GICv3, direct"),
        _ => format!("GICv3, trapped, but direct for {}", direct.join(", ")),
    }
}

/// Writes the table of partitions, and a line for each that isolation does not hold for.
fn write_partitions(text: &mut String, machine: &Machine, plan: &Plan) -> fmt::Result {
    let rows: Vec<_> = copies(plan).map(|it| (name(it), all_cpus(machine, it), it)).collect();
    let width = |least, of: fn(&(String, String, &[PartitionPlan])) -> usize| {
        rows.iter().map(of).fold(least, usize::max)
    };
    let (names, ids) = (width(15, |row| row.0.len()), width("CPUs".len(), |row| row.1.len()));
    let headings = ["partition", "CPUs", "memory", "guest at", "physical at"];
    for (heading, width) in headings.into_iter().zip([names, ids, 8, 12, 12]) {
        column(text, width, |text| text.write_str(heading))?;
    }
    text.push_str("devices (interrupts)\n");
    for (name, cpus, copies) in &rows {
        let [partition, others @ ..] = *copies else { continue };
        let PartitionPlan { memory: GuestMemory { guest, host }, passthrough, .. } = partition;
        column(text, names, |text| text.write_str(name))?;
        column(text, ids, |text| text.write_str(cpus))?;
        column(text, 8, |text| write_size(text, guest.size()))?;
        column(text, 12, |text| write!(text, "{:#x}", guest.start().get()))?;
        column(text, 12, |text| write!(text, "{:#x}", host.start().get()))?;
        let mut indent = 0;
        for device in passthrough {
            write!(text, "{:indent$}{}", "", device.path)?;
            for (index, interrupt) in device.interrupts.iter().enumerate() {
                write!(text, "{}{}", if index == 0 { " (" } else { " " }, interrupt.intid)?;
            }
            writeln!(text, "{}", if device.interrupts.is_empty() { "" } else { ")" })?;
            indent = names + ids + INDENT;
        }
        match (partition.dma_unprotected, passthrough.is_empty()) {
            (true, _) => writeln!(text, "{:indent$}DMA unprotected", "")?,
            (false, true) if others.is_empty() => writeln!(text, "-")?,
            (false, true) => writeln!(text, "-, {} copies", copies.len())?,
            (false, false) => {}
        }
    }
    for PartitionPlan { name, passthrough, .. } in &plan.partitions {
        for device in passthrough {
            write_trust(text, name, device)?;
        }
    }
    for PartitionPlan { name, .. } in plan.partitions.iter().filter(|it| it.dma_unprotected) {
        writeln!(
            text,
            "isolation is not enforced for {name}: dma = \"unprotected\" lets its devices reach \
             all memory, including that of Bulkhead and of the other partitions"
        )?;
    }
    Ok(())
}

/// Returns the partitions, those that are copies of one node together.
fn copies(plan: &Plan) -> impl Iterator<Item = &[PartitionPlan]> {
    plan.partitions.chunk_by(|one, next| one.path == next.path)
}

/// Returns the name of a partition, or the first and the last name of several copies. No name of a
/// partition contains the dots between them.
fn name(copies: &[PartitionPlan]) -> String {
    match copies {
        [first, .., last] => format!("{}..{}", first.name, last.name),
        [one] => one.name.clone(),
        [] => String::new(),
    }
}

/// Returns the affinities of the CPUs of copies, as [`cpu_ids`] does.
fn all_cpus(machine: &Machine, copies: &[PartitionPlan]) -> String {
    let all: Vec<_> = copies.iter().flat_map(|it| it.cpus.iter().copied()).collect();
    cpu_ids(machine, &all)
}

/// Writes a line for what the owner of a device can do beyond its partition: the description trusts
/// it with that.
fn write_trust(text: &mut String, owner: &str, device: &Device) -> fmt::Result {
    let Device { path, reach, serves, .. } = device;
    if *reach != Reach::Partition {
        writeln!(text, "trusted     {owner}: {path} {reach}")?;
    }
    let (named, more) = serves.split_at(serves.len().min(MAX_SERVED));
    match more.len() {
        _ if named.is_empty() => Ok(()),
        0 => writeln!(text, "trusted     {owner}: {path} serves {}", named.join(", ")),
        more => {
            let named = named.join(", ");
            writeln!(text, "trusted     {owner}: {path} serves {named} and {more} more")
        }
    }
}

/// Writes the table of the partitions whose description sets a crash policy, a watchdog or the
/// monitor.
fn write_lifecycles(text: &mut String, plan: &Plan) -> fmt::Result {
    let is_optional = |it: &PlannedDevice| {
        matches!(it.kind, DeviceKind::Watchdog { .. } | DeviceKind::MonitorPl011)
    };
    let has_defaults =
        |it: &PartitionPlan| it.policy == Policy::default() && !it.devices.iter().any(is_optional);
    let mut rows = copies(plan).filter(|it| !it.iter().all(has_defaults)).peekable();
    if rows.peek().is_some() {
        writeln!(text, "partition        on-crash  max-restarts  watchdog-ms  monitor")?;
    }
    for copies in rows {
        let [partition, ..] = copies else { continue };
        let (name, policy) = (name(copies), &partition.policy);
        let on_crash = match policy.on_crash {
            OnCrash::Stop => "stop",
            OnCrash::Restart => "restart",
        };
        let or_dash = |it: Option<u32>| it.map_or(String::from("-"), |it| format!("{it}"));
        let most = or_dash(policy.max_restarts);
        let watchdog = or_dash(partition.watchdog_milliseconds());
        let monitor =
            if partition.device(DeviceKind::MonitorPl011).is_some() { "yes" } else { "-" };
        writeln!(text, "{name:15}  {on_crash:8}  {most:12}  {watchdog:11}  {monitor}")?;
    }
    Ok(())
}

/// Returns the affinities of CPUs, given as indices into [`Machine::cpus`]: consecutive ones as in
/// `0-3`, small ones in decimal.
#[must_use]
pub fn cpu_ids(machine: &Machine, cpus: &[usize]) -> String {
    let add = |text: &mut String, id: u64| match id {
        0..10 => text.push(char::from(b'0' + id as u8)),
        // Writing to a String does not fail.
        _ => _ = write!(text, "{id:#x}"),
    };
    let mut ids = cpus.iter().map(|cpu| machine.cpus[*cpu].mpidr.get()).peekable();
    let mut text = String::new();
    while let Some(first) = ids.next() {
        let mut last = first;
        while ids.next_if_eq(&(last + 1)).is_some() {
            last += 1;
        }
        text.push_str(if text.is_empty() { "" } else { "," });
        add(&mut text, first);
        if last != first {
            text.push('-');
            add(&mut text, last);
        }
    }
    text
}

/// Writes a size in MiB, or in KiB if it is not a whole number of MiB.
fn write_size(text: &mut String, bytes: u64) -> fmt::Result {
    let kib = bytes >> 10;
    if kib.is_multiple_of(1024) {
        write!(text, "{} MiB", kib >> 10)
    } else {
        write!(text, "{kib} KiB")
    }
}

/// The spaces that [`column`] adds at once.
const SPACES: &str = "                ";

/// Writes a column of a table: the output of `write`, spaces up to `width`, and two more spaces.
/// Padding by `fmt` would write single characters.
fn column(
    text: &mut String,
    width: usize,
    write: impl FnOnce(&mut String) -> fmt::Result,
) -> fmt::Result {
    let end = text.len() + width;
    write(text)?;
    let mut missing = end.saturating_sub(text.len()) + 2;
    while missing > 0 {
        let part = SPACES.get(..missing).unwrap_or(SPACES);
        text.push_str(part);
        missing -= part.len();
    }
    Ok(())
}

#[cfg(test)]
mod tests;
