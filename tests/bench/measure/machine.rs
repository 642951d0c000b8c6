//! Machines on which one tick of the counter is one instruction.

use std::path::PathBuf;

use super::column::Column;
use crate::support::{Machine, Partition, compile, system};

/// A machine with Bulkhead and these partitions.
pub fn with(column: Column, cpus: usize, partitions: &[Partition]) -> Machine {
    let description = compile(&system(partitions));
    counting(Machine::new(column.gic()).cpus(cpus).initrd(&description))
}

/// A machine with nothing but a kernel, which is entered at EL1.
pub fn bare(column: Column, cpus: usize, kernel: PathBuf, memory: u64) -> Machine {
    let machine = Machine::bare(column.gic(), kernel).cpus(cpus);
    counting(machine.memory(&format!("{}M", memory >> 20)))
}

fn counting(machine: Machine) -> Machine {
    machine.counting_instructions().deadline(600)
}
