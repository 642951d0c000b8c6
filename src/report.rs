//! What Bulkhead tells a person at boot: the machine at a glance, and who gets what of it.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::addr::Bytes;
use crate::machine::{Conduit, CpuStart, Gic, Machine};
use crate::plan::{PartitionPlan, Plan};

/// The machine, a line for each kind of thing.
#[must_use]
pub fn machine(machine: &Machine) -> Vec<String> {
    let memory = machine.memory.iter().map(|bank| format!("{} at {bank}", Bytes(bank.size())));
    let console = machine.console.as_ref().map_or("none", |console| &console.path);
    let mut lines: Vec<_> = [
        ("machine", machine.model.clone()),
        ("CPUs", cpus(machine)),
        ("memory", join(memory, ", ")),
        ("interrupts", gic(&machine.gic).to_string()),
        ("console", console.to_string()),
    ]
    .into_iter()
    .map(|(what, value)| format!("{what:<11} {value}"))
    .collect();
    lines.extend(machine.remarks.iter().map(|remark| format!("remark      {remark}")));
    lines
}

fn cpus(machine: &Machine) -> String {
    let count = machine.cpus.len();
    let starts = |wanted| machine.cpus.iter().any(|cpu| cpu.start == wanted);
    match machine.psci {
        Some(Conduit::Smc) if starts(CpuStart::Psci) => format!("{count}, started by PSCI (SMC)"),
        _ => format!("{count}"),
    }
}

fn gic(gic: &Gic) -> &'static str {
    match gic {
        Gic::V2 { .. } => "GICv2",
        Gic::V3 { .. } => "GICv3",
    }
}

/// The partitions, as a table with a line of headings.
#[must_use]
pub fn partitions(machine: &Machine, plan: &Plan) -> Vec<String> {
    let heading = ["partition", "CPUs", "memory", "guest", "physical", "devices (interrupts)"];
    let mut rows = Vec::from([heading.map(String::from)]);
    rows.extend(plan.partitions.iter().map(|partition| row(machine, partition)));
    let widths: [usize; 6] = core::array::from_fn(|column| {
        rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)
    });
    let align = |row: &[String; 6]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        join(cells, "  ").trim_end().to_string()
    };
    rows.iter().map(align).collect()
}

fn row(machine: &Machine, partition: &PartitionPlan) -> [String; 6] {
    let ids = partition.cpus.iter().map(|index| machine.cpus[*index].mpidr.to_string());
    let memory = &partition.memory;
    let devices = partition.devices.iter().map(|device| {
        let interrupts = device.interrupts.iter().map(|interrupt| interrupt.intid.to_string());
        match join(interrupts, " ") {
            none if none.is_empty() => device.path.clone(),
            interrupts => format!("{} ({interrupts})", device.path),
        }
    });
    let devices = join(devices, " ");
    [
        partition.name.clone(),
        join(ids, " "),
        Bytes(memory.guest.size()).to_string(),
        memory.guest.to_string(),
        memory.host.to_string(),
        if devices.is_empty() { String::from("-") } else { devices },
    ]
}

fn join(parts: impl Iterator<Item = String>, separator: &str) -> String {
    parts.collect::<Vec<_>>().join(separator)
}
