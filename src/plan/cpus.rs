//! Which CPUs a partition gets: those that `cpu-ids` names are given first, then `cpus` counts
//! through what is left, in the order of the machine's tree.

use alloc::vec;
use alloc::vec::Vec;

use super::description::{CpuRequest, PartitionDescription};
use super::error::{PlanError, Problem, Value};
use super::layout;
use crate::machine::{Cpu, CpuStart, Gic, Machine, Mpidr};

/// GICD_ITARGETSR and GICD_SGIR have a bit for each of 8 CPU interfaces (IHI 0048B, 4.3.12).
const MOST_WITH_GICV2: usize = 8;

/// For each partition, its CPUs as indices into the machine's.
pub(super) fn assign(
    machine: &Machine,
    boot_cpu: Mpidr,
    partitions: &[PartitionDescription],
) -> Result<Vec<Vec<usize>>, PlanError> {
    let mut cpus =
        Cpus { machine, boot_cpu, partitions, given: vec![Vec::new(); partitions.len()] };
    for (number, partition) in partitions.iter().enumerate() {
        if let CpuRequest::Ids(ids) = &partition.cpus {
            for id in ids {
                let given = cpus.give(number, *id);
                given.map_err(|problem| {
                    partition.error("cpu-ids", Value::Cell(id.get()), problem)
                })?;
            }
        }
    }
    for (number, partition) in partitions.iter().enumerate() {
        if let CpuRequest::Count(count) = partition.cpus {
            let given = cpus.give_any(number, count as usize);
            given.map_err(|problem| {
                partition.error("cpus", Value::Count(u64::from(count)), problem)
            })?;
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
        self.partitions.get(owner)
    }

    fn can_start(&self, cpu: &Cpu) -> bool {
        cpu.start != CpuStart::Unknown || cpu.mpidr == self.boot_cpu
    }

    /// Gives the CPU with this affinity to a partition.
    fn give(&mut self, partition: usize, id: Mpidr) -> Result<(), Problem> {
        let cpus = &self.machine.cpus;
        let Some((index, cpu)) = cpus.iter().enumerate().find(|(_, cpu)| cpu.mpidr == id) else {
            return Err(Problem::UnknownCpu(cpus.iter().map(|cpu| cpu.mpidr).collect()));
        };
        if let Some(owner) = self.owner(index) {
            return Err(Problem::Owned(owner.path.clone()));
        }
        if !self.can_start(cpu) {
            return Err(Problem::CpuCannotStart);
        }
        self.given[partition].push(index);
        Ok(())
    }

    /// Gives the first `count` CPUs that nobody has to a partition.
    fn give_any(&mut self, partition: usize, count: usize) -> Result<(), Problem> {
        let cpus = self.machine.cpus.iter().enumerate();
        let startable: Vec<_> = cpus.filter(|(_, cpu)| self.can_start(cpu)).collect();
        let free = startable.iter().map(|(index, _)| *index);
        let free: Vec<_> = free.filter(|index| self.owner(*index).is_none()).collect();
        let given = free
            .get(..count)
            .ok_or(Problem::TooFewCpus { left: free.len(), total: startable.len() })?;
        self.given[partition].extend_from_slice(given);
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
                let value = Value::Count(given.len() as u64);
                return Err(partition.error(property, value, Problem::TooManyVcpus(most)));
            }
        }
        Ok(())
    }
}
