//! Machines on which one tick of the counter is one instruction.

use std::path::PathBuf;

use super::column::Column;
use crate::{Machine, Partition, compile, source};

/// Returns a machine with Bulkhead and these partitions.
pub fn with_partitions(column: Column, cpus: usize, partitions: &[Partition]) -> Machine {
    let description = compile(&source(partitions));
    counting(Machine::new(column.gic()).cpus(cpus).initrd(&description))
}

/// Returns a machine without Bulkhead, which enters this kernel at EL1.
pub fn bare(column: Column, cpus: usize, kernel: PathBuf, memory: u64) -> Machine {
    let machine = Machine::bare(column.gic(), kernel).cpus(cpus);
    counting(machine.memory(&format!("{}M", memory >> 20)))
}

fn counting(machine: Machine) -> Machine {
    machine.counting_instructions().deadline(600)
}
