//! Which CPUs a partition gets: those that `cpu-ids` names are given first, then `cpus` counts
//! through what is left, in the order of the machine's tree.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt::Write;

use super::description::{CpuRequest, PartitionDescription};
use super::error::{PlanError, refuse};
use super::layout;
use crate::machine::{CpuStart, Gic, Machine, Mpidr};

/// GICD_ITARGETSR and GICD_SGIR have a bit for each of 8 CPU interfaces (IHI 0048B, 4.3.12).
const MOST_WITH_GICV2: usize = 8;

/// For each partition, its CPUs as indices into the machine's.
pub(super) fn assign(
    machine: &Machine,
    boot_cpu: Mpidr,
    partitions: &[PartitionDescription],
) -> Result<Vec<Vec<usize>>, PlanError> {
    let mut cpus = Cpus { machine, boot_cpu, partitions, given: vec![vec![]; partitions.len()] };
    for (number, partition) in partitions.iter().enumerate() {
        if let CpuRequest::Ids(ids) = &partition.cpus {
            for id in ids {
                cpus.give(number, *id)?;
            }
        }
    }
    for (number, partition) in partitions.iter().enumerate() {
        if let CpuRequest::Count(count) = partition.cpus {
            cpus.give_any(number, count as usize)?;
        }
    }
    cpus.check_numbers()?;
    Ok(cpus.given)
}

struct Cpus<'a> {
    machine: &'a Machine,
    boot_cpu: Mpidr,
    partitions: &'a [PartitionDescription],
    /// What each partition has been given.
    given: Vec<Vec<usize>>,
}

impl Cpus<'_> {
    /// The partition that has a CPU.
    fn owner(&self, cpu: usize) -> Option<&PartitionDescription> {
        let owner = self.given.iter().position(|given| given.contains(&cpu))?;
        Some(&self.partitions[owner])
    }

    fn can_start(&self, cpu: usize) -> bool {
        let cpu = &self.machine.cpus[cpu];
        cpu.start != CpuStart::Unknown || cpu.mpidr == self.boot_cpu
    }

    /// Gives the CPU with this affinity to a partition.
    fn give(&mut self, partition: usize, id: Mpidr) -> Result<(), PlanError> {
        let path = &self.partitions[partition].path;
        let cpus = &self.machine.cpus;
        let Some(cpu) = cpus.iter().position(|cpu| cpu.mpidr == id) else {
            let mut known = String::new();
            for cpu in cpus {
                _ = write!(known, " {}", cpu.mpidr);
            }
            return refuse!(path, ": cpu-ids = <{id}> is no CPU of this machine, which has{known}");
        };
        if let Some(owner) = self.owner(cpu) {
            return refuse!(path, ": cpu-ids = <{id}> is given to {} already", owner.path);
        }
        if !self.can_start(cpu) {
            return refuse!(
                path,
                ": cpu-ids = <{id}> cannot be started: its enable-method is neither \"psci\" nor \
                 \"spin-table\""
            );
        }
        self.given[partition].push(cpu);
        Ok(())
    }

    /// Gives the first `count` CPUs that nobody has to a partition.
    fn give_any(&mut self, partition: usize, count: usize) -> Result<(), PlanError> {
        let mut total = 0;
        let mut free = Vec::new();
        for cpu in (0..self.machine.cpus.len()).filter(|cpu| self.can_start(*cpu)) {
            total += 1;
            if self.owner(cpu).is_none() {
                free.push(cpu);
            }
        }
        let left = free.len();
        if left < count {
            return refuse!(
                self.partitions[partition].path,
                ": cpus = <{count}> is more than the CPUs that are left: {left} of {total}"
            );
        }
        free.truncate(count);
        self.given[partition] = free;
        Ok(())
    }

    /// Checks that the interrupt controller can serve each partition's CPUs.
    fn check_numbers(&self) -> Result<(), PlanError> {
        let most = match self.machine.gic {
            Gic::V2 { .. } => MOST_WITH_GICV2,
            Gic::V3 { .. } => layout::MOST_REDISTRIBUTORS,
        };
        for (partition, given) in self.partitions.iter().zip(&self.given) {
            if given.len() > most {
                let property = match partition.cpus {
                    CpuRequest::Count(_) => "cpus",
                    CpuRequest::Ids(_) => "cpu-ids",
                };
                return refuse!(
                    partition.path,
                    ": {property} = <{}> is more than the {most} CPUs that a partition can have \
                     here",
                    given.len()
                );
            }
        }
        Ok(())
    }
}
