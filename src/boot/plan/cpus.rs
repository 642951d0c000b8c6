//! The CPUs of each partition. Those that `cpu-ids` names are assigned first. Then each `cpus`
//! takes that many of the CPUs left, in the order of the machine's tree. The console gets the CPU
//! that `console-cpu` names, which may have an owner, otherwise the first of those that are left.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt::Write;

use crate::arch::mpidr::Mpidr;
use crate::boot::description::{CpuRequest, Description, PartitionDescription};
use crate::boot::description::{Result, refuse};
use crate::boot::machine::{Conduit, CpuStart, Gic, Machine, MachineCpu};
use crate::devices::address_map::MAX_REDISTRIBUTORS;

/// The largest number of CPUs with a GICv2: GICD_ITARGETSR and GICD_SGIR have a bit for each of 8
/// CPU interfaces (IHI 0048B, section 4.3.12).
const MAX_WITH_GICV2: usize = 8;

/// Returns the CPUs of each partition and the CPU of the console
/// ([`Plan::console_cpu`](super::Plan::console_cpu)), as indices into [`Machine::cpus`].
///
/// # Errors
///
/// If a partition names a CPU that does not exist, cannot be started or has an owner, or if there
/// are too few CPUs, or more than the interrupt controller can serve in one partition; if
/// `console-cpu` is a CPU that does not exist or cannot be started.
pub(super) fn assign(
    machine: &Machine,
    boot_cpu: Mpidr,
    description: &Description,
) -> Result<(Vec<Vec<usize>>, Option<usize>)> {
    let partitions = &description.partitions;
    let owners = vec![None; machine.cpus.len()];
    let mut cpus = Owners { machine, boot_cpu, owners, next: 0 };
    let mut assigned = vec![Vec::new(); partitions.len()];
    for (number, partition) in partitions.iter().enumerate() {
        if let CpuRequest::Ids(ids) = &partition.cpus {
            for id in ids {
                assigned[number].push(cpus.assign(&partition.path, *id)?);
            }
        }
    }
    let max = match machine.gic {
        Gic::V2 { .. } => MAX_WITH_GICV2,
        Gic::V3 { .. } => MAX_REDISTRIBUTORS,
    };
    for (PartitionDescription { path, cpus: request, .. }, assigned) in
        partitions.iter().zip(&mut assigned)
    {
        let property = match request {
            CpuRequest::Ids(_) => "cpu-ids",
            CpuRequest::Count(count) => {
                *assigned = cpus.assign_any(path, *count as usize)?;
                "cpus"
            }
        };
        let count = assigned.len();
        if count > max {
            let why = "CPUs that a partition can have here";
            refuse!(path, ": {property} = <{count}> is more than the {max} {why}");
        }
    }
    let console = match description.console_cpu {
        Some(id) => Some(cpus.find(&description.system_path, "console-cpu", id)?),
        None => cpus.left_over(),
    };
    Ok((assigned, console))
}

/// The owners of the machine's CPUs.
struct Owners<'a> {
    machine: &'a Machine,
    boot_cpu: Mpidr,
    /// For each CPU, the path of the partition that owns it.
    owners: Vec<Option<&'a str>>,
    /// All CPUs before this one have an owner or cannot be started.
    next: usize,
}

impl<'a> Owners<'a> {
    /// Returns whether Bulkhead can start this CPU or runs on it.
    fn can_start(&self, cpu: usize) -> bool {
        let cpu = &self.machine.cpus[cpu];
        cpu.start != CpuStart::Unknown || cpu.mpidr == self.boot_cpu
    }

    /// Returns whether this CPU can be started and has no owner.
    fn is_free(&self, cpu: usize) -> bool {
        self.owners[cpu].is_none() && self.can_start(cpu)
    }

    /// Returns the index of the CPU with this affinity, which the property of the node at `path`
    /// names.
    fn find(&self, path: &str, property: &str, id: Mpidr) -> Result<usize> {
        let cpus = &self.machine.cpus;
        let Some(cpu) = cpus.iter().position(|cpu| cpu.mpidr == id) else {
            let mut known = String::new();
            for cpu in cpus {
                _ = write!(known, " {}", cpu.mpidr);
            }
            refuse!(path, ": {property} = <{id}> is not a CPU of this machine, which has{known}");
        };
        if !self.can_start(cpu) {
            let why = "its enable-method is neither \"psci\" nor a usable \"spin-table\"";
            refuse!(path, ": {property} = <{id}> cannot be started: {why}");
        }
        Ok(cpu)
    }

    /// Returns the first CPU without an owner that can be started with the firmware of this
    /// machine. A partition's CPU for which firmware is missing is refused when it is started; one
    /// that nobody asked for must not be.
    fn left_over(&self) -> Option<usize> {
        let has_firmware = self.machine.psci == Some(Conduit::Smc);
        let is_ready = |cpu: usize| {
            let MachineCpu { start, mpidr, .. } = &self.machine.cpus[cpu];
            match start {
                _ if *mpidr == self.boot_cpu => true,
                CpuStart::Psci => has_firmware,
                CpuStart::SpinTable(_) => true,
                CpuStart::Unknown => false,
            }
        };
        (0..self.owners.len()).find(|cpu| self.owners[*cpu].is_none() && is_ready(*cpu))
    }

    /// Assigns the CPU with this affinity to the partition at `path` and returns its index.
    fn assign(&mut self, path: &'a str, id: Mpidr) -> Result<usize> {
        let cpu = self.find(path, "cpu-ids", id)?;
        if let Some(owner) = self.owners[cpu] {
            refuse!(path, ": cpu-ids = <{id}> is already given to {owner}");
        }
        self.owners[cpu] = Some(path);
        Ok(cpu)
    }

    /// Assigns the first `count` CPUs without an owner to the partition at `path` and returns their
    /// indices.
    fn assign_any(&mut self, path: &'a str, count: usize) -> Result<Vec<usize>> {
        let mut cpus = Vec::new();
        while cpus.len() < count && self.next < self.owners.len() {
            let cpu = self.next;
            if self.is_free(cpu) {
                self.owners[cpu] = Some(path);
                cpus.push(cpu);
            }
            self.next += 1;
        }
        if cpus.len() < count {
            let total = (0..self.owners.len()).filter(|cpu| self.can_start(*cpu)).count();
            let (why, left) = ("is more than the CPUs that are left", cpus.len());
            refuse!(path, ": cpus = <{count}> {why}: {left} of {total}");
        }
        Ok(cpus)
    }
}
