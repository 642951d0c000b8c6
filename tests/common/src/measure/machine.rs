//! Machines on which one tick of the counter is one instruction.

use std::path::PathBuf;

use super::column::Column;
use crate::{Machine, Partition, compile, source, system};

/// Returns a machine with Bulkhead and these partitions.
pub fn with_partitions(column: Column, cpus: usize, partitions: &[Partition]) -> Machine {
    with_source(column, cpus, &source(partitions))
}

/// Returns a machine with Bulkhead and these partitions, and with these properties of the
/// description's root.
pub fn with_properties(
    column: Column,
    cpus: usize,
    properties: &str,
    partitions: &[Partition],
) -> Machine {
    with_source(column, cpus, &system(properties, partitions))
}

fn with_source(column: Column, cpus: usize, source: &str) -> Machine {
    counting(Machine::new(column.gic()).cpus(cpus).initrd(&compile(source)))
}

/// Returns a machine without Bulkhead, which enters this kernel at EL1.
pub fn bare(column: Column, cpus: usize, kernel: PathBuf, memory: u64) -> Machine {
    let machine = Machine::bare(column.gic(), kernel).cpus(cpus);
    counting(machine.memory(&format!("{}M", memory >> 20)))
}

fn counting(machine: Machine) -> Machine {
    machine.counting_instructions().deadline(600)
}
