//! Which CPUs a partition gets: those that `cpu-ids` names are given first, then `cpus` counts
//! through what is left, in the order of the machine's tree.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt::Write;

use crate::arch::mpidr::Mpidr;
use crate::boot::description::{CpuRequest, PartitionDescription};
use crate::boot::description::{Result, refuse};
use crate::boot::machine::{CpuStart, Gic, Machine};
use crate::devices::address_map::MOST_REDISTRIBUTORS;

/// GICD_ITARGETSR and GICD_SGIR have a bit for each of 8 CPU interfaces (IHI 0048B, 4.3.12).
const MOST_WITH_GICV2: usize = 8;

/// For each partition, its CPUs as indices into the machine's.
pub(super) fn assign(
    machine: &Machine,
    boot_cpu: Mpidr,
    partitions: &[PartitionDescription],
) -> Result<Vec<Vec<usize>>> {
    let owners = vec![None; machine.cpus.len()];
    let mut cpus = Cpus { machine, boot_cpu, owners };
    let mut given = vec![Vec::new(); partitions.len()];
    for (number, partition) in partitions.iter().enumerate() {
        if let CpuRequest::Ids(ids) = &partition.cpus {
            for id in ids {
                given[number].push(cpus.give(&partition.path, *id)?);
            }
        }
    }
    let most = match machine.gic {
        Gic::V2 { .. } => MOST_WITH_GICV2,
        Gic::V3 { .. } => MOST_REDISTRIBUTORS,
    };
    for (PartitionDescription { path, cpus: wanted, .. }, given) in
        partitions.iter().zip(&mut given)
    {
        let property = match wanted {
            CpuRequest::Ids(_) => "cpu-ids",
            CpuRequest::Count(count) => {
                *given = cpus.give_any(path, *count as usize)?;
                "cpus"
            }
        };
        let count = given.len();
        if count > most {
            let why = "CPUs that a partition can have here";
            refuse!(path, ": {property} = <{count}> is more than the {most} {why}");
        }
    }
    Ok(given)
}

struct Cpus<'a> {
    machine: &'a Machine,
    boot_cpu: Mpidr,
    /// For each CPU, the path of the partition that has it.
    owners: Vec<Option<&'a str>>,
}

impl<'a> Cpus<'a> {
    fn can_start(&self, cpu: usize) -> bool {
        let cpu = &self.machine.cpus[cpu];
        cpu.start != CpuStart::Unknown || cpu.mpidr == self.boot_cpu
    }

    /// Gives the CPU with this affinity to the partition at `path`.
    fn give(&mut self, path: &'a str, id: Mpidr) -> Result<usize> {
        let cpus = &self.machine.cpus;
        let Some(cpu) = cpus.iter().position(|cpu| cpu.mpidr == id) else {
            let mut known = String::new();
            for cpu in cpus {
                _ = write!(known, " {}", cpu.mpidr);
            }
            refuse!(path, ": cpu-ids = <{id}> is no CPU of this machine, which has{known}");
        };
        if let Some(owner) = self.owners[cpu] {
            refuse!(path, ": cpu-ids = <{id}> is given to {owner} already");
        }
        if !self.can_start(cpu) {
            let why = "its enable-method is neither \"psci\" nor a usable \"spin-table\"";
            refuse!(path, ": cpu-ids = <{id}> cannot be started: {why}");
        }
        self.owners[cpu] = Some(path);
        Ok(cpu)
    }

    /// Gives the first `count` CPUs that nobody has to the partition at `path`.
    fn give_any(&mut self, path: &'a str, count: usize) -> Result<Vec<usize>> {
        let mut cpus: Vec<_> = (0..self.owners.len()).filter(|cpu| self.can_start(*cpu)).collect();
        let total = cpus.len();
        cpus.retain(|cpu| self.owners[*cpu].is_none());
        let left = cpus.len();
        if left < count {
            let why = "is more than the CPUs that are left";
            refuse!(path, ": cpus = <{count}> {why}: {left} of {total}");
        }
        cpus.truncate(count);
        for cpu in &cpus {
            self.owners[*cpu] = Some(path);
        }
        Ok(cpus)
    }
}
