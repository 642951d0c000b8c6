//! What Bulkhead tells a person at boot: the machine at a glance, and who gets what of it.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write};

use crate::machine::{Conduit, CpuStart, Gic, Machine};
use crate::plan::{PartitionPlan, Plan};

/// The machine, a line for each kind of thing, and then the partitions, as a table with a line of
/// headings. A partition with several devices has a line for each.
#[must_use]
pub fn report(machine: &Machine, plan: &Plan) -> String {
    let mut text = String::new();
    // Writing to a String does not fail.
    _ = write_machine(&mut text, machine);
    _ = write_partitions(&mut text, machine, plan);
    text
}

fn write_machine(text: &mut String, machine: &Machine) -> fmt::Result {
    let all: Vec<_> = (0..machine.cpus.len()).collect();
    let cpus = cpu_ids(machine, &all);
    let by_psci = machine.cpus.iter().any(|cpu| cpu.start == CpuStart::Psci);
    let started = match machine.psci {
        Some(Conduit::Smc) if by_psci => ", started by PSCI (SMC)",
        _ => "",
    };
    writeln!(text, "machine     {}", machine.model)?;
    writeln!(text, "CPUs        {} ({cpus}){started}", all.len())?;
    for bank in &machine.memory {
        writeln!(text, "memory      {} at {bank}", size(bank.size()))?;
    }
    let gic = match machine.gic {
        Gic::V2 { .. } => "GICv2",
        Gic::V3 { .. } => "GICv3",
    };
    let console = machine.console.as_ref().map_or("none", |console| &console.path);
    writeln!(text, "interrupts  {gic}\nconsole     {console}")?;
    for remark in &machine.remarks {
        writeln!(text, "remark      {remark}")?;
    }
    Ok(())
}

fn write_partitions(text: &mut String, machine: &Machine, plan: &Plan) -> fmt::Result {
    let headings =
        ["partition", "CPUs", "memory", "guest at", "physical at", "devices (interrupts)"];
    let mut rows = Vec::from([headings.map(String::from)]);
    for partition in &plan.partitions {
        add_rows(&mut rows, machine, partition);
    }
    let mut widths = [0; 6];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.len().max(*width);
        }
    }
    // Nothing follows the last cell.
    widths[5] = 0;
    for row in &rows {
        let mut separator = "";
        for (cell, width) in row.iter().zip(widths) {
            write!(text, "{separator}{cell:width$}")?;
            separator = "  ";
        }
        writeln!(text)?;
    }
    Ok(())
}

fn add_rows(rows: &mut Vec<[String; 6]>, machine: &Machine, partition: &PartitionPlan) {
    let memory = &partition.memory;
    let mut row = [
        partition.name.clone(),
        cpu_ids(machine, &partition.cpus),
        size(memory.guest.size()),
        format!("{}", memory.guest.start()),
        format!("{}", memory.host.start()),
        String::new(),
    ];
    for device in &partition.devices {
        row[5].clone_from(&device.path);
        let mut separator = " (";
        for interrupt in &device.interrupts {
            _ = write!(row[5], "{separator}{}", interrupt.intid);
            separator = " ";
        }
        row[5].push_str(if device.interrupts.is_empty() { "" } else { ")" });
        rows.push(core::mem::take(&mut row));
    }
    if partition.dma_unprotected {
        row[5].push_str("DMA unprotected");
    } else if partition.devices.is_empty() {
        row[5].push('-');
    } else {
        return;
    }
    rows.push(row);
}

/// Affinities the way that people count CPUs: runs of them as `0-3`, small ones in decimal.
fn cpu_ids(machine: &Machine, cpus: &[usize]) -> String {
    let name = |id: u64| if id < 10 { format!("{id}") } else { format!("{id:#x}") };
    let mut ids = cpus.iter().map(|cpu| machine.cpus[*cpu].mpidr.get()).peekable();
    let mut text = String::new();
    while let Some(first) = ids.next() {
        let mut last = first;
        while ids.next_if_eq(&(last + 1)).is_some() {
            last += 1;
        }
        text.push_str(if text.is_empty() { "" } else { "," });
        text.push_str(&name(first));
        if last != first {
            _ = write!(text, "-{}", name(last));
        }
    }
    text
}

/// A size in MiB, or in KiB if it is no whole number of them.
fn size(bytes: u64) -> String {
    let kib = bytes >> 10;
    if kib.is_multiple_of(1024) { format!("{} MiB", kib >> 10) } else { format!("{kib} KiB") }
}

#[cfg(test)]
mod tests;
