//! The Plan: which partition owns which CPU, memory, device and interrupt.
//!
//! It is computed once, from the [`Machine`] and the [`Description`], and the rest of boot reads
//! nothing else. Errors in a description are found here, before any guest runs ([`PlanError`]). A
//! [`PartitionPlan`] is the only record of what a partition owns: its stage-2 tables
//! ([`PartitionPlan::mappings`]), its interrupt routing and its device tree are all derived from
//! it, so that they cannot disagree.

use alloc::vec::Vec;
use core::mem::take;

use super::machine::Machine;
use crate::arch::mpidr::Mpidr;
use crate::boot::description::{Description, PlanError, refuse};
use crate::boot::tables::tables_needed;
use emulated::FreeInterrupts;
use memory::FreeMemory;

mod cpus;
mod devices;
mod emulated;
mod layout;
mod load;
mod memory;
mod regions;
mod types;

pub use types::{GuestMemory, LoadedImage, Mapping, PartitionPlan, Plan};

impl Plan {
    /// Divides `machine` into the partitions of `description`. `boot_cpu` is the CPU that runs
    /// this, which need not be started.
    ///
    /// # Errors
    ///
    /// The first error of the description, on this machine.
    pub fn new(
        machine: &Machine,
        boot_cpu: Mpidr,
        description: &Description,
    ) -> Result<Self, PlanError> {
        let Description { path, partitions: described, .. } = description;
        let gic = &machine.gic;
        let (mut cpus, console_cpu) = cpus::assign(machine, boot_cpu, description)?;
        let mut passthrough = devices::assign(machine, described)?;
        let emulated =
            |(partition, cpus): (_, &Vec<_>)| emulated::devices(partition, gic, cpus.len());
        let mut devices: Vec<_> = described.iter().zip(&cpus).map(emulated).collect();
        let mut memory = FreeMemory::new(machine, described);
        let places = memory.place(described, &devices, &passthrough)?;
        let mut partitions = Vec::with_capacity(described.len());
        let mut free = FreeInterrupts::new(machine);
        for (number, (described, memory)) in described.iter().zip(places).enumerate() {
            let Ok(vmid) = u8::try_from(number + 1) else {
                refuse!(path, " has more partitions than there are VMIDs, 255");
            };
            let (kernel, ramdisk, tree) =
                load::place(described, memory.guest, machine.id_aa64mmfr0)?;
            let passthrough = take(&mut passthrough[number]);
            let cpus = take(&mut cpus[number]);
            let interrupts = devices::interrupts(machine, &cpus, &passthrough);
            let mappings = layout::mappings(gic, &memory, &passthrough);
            let mut devices = take(&mut devices[number]);
            let wanted = description.delivery(described);
            let delivery = free.assign(described, wanted, &mut devices, &interrupts)?;
            partitions.push(PartitionPlan {
                tables: tables_needed(mappings.iter().map(|it| (it.ipa, it.pa, it.size))),
                path: described.path.clone(),
                name: described.name.clone(),
                vmid,
                cpus,
                memory,
                mappings,
                delivery,
                policy: described.policy,
                interrupts,
                devices,
                passthrough,
                kernel,
                ramdisk,
                tree,
                bootargs: described.bootargs.clone(),
                count_hypervisor: described.count_hypervisor,
                dma_unprotected: described.dma_unprotected,
            });
        }
        let tables = partitions.iter().map(|partition| partition.tables).sum();
        Ok(Self {
            table_memory: memory.place_tables(path, tables)?,
            partitions,
            console_monitor: description.monitor,
            console_cpu,
        })
    }
}

#[cfg(test)]
pub(crate) mod tests;
