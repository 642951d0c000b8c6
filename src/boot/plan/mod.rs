//! The Plan: who owns which CPU, which memory, which device and which interrupt.
//!
//! It is computed once, from the [`Machine`] and the [`Description`], and it is all that the rest of
//! boot reads. What can be wrong with a description is found here, before any guest runs
//! ([`PlanError`]). A [`PartitionPlan`] is the one list of what a partition owns: its stage-2 tables
//! ([`PartitionPlan::mappings`]), its interrupt routing and its device tree all come from it, so
//! that they cannot disagree.

use alloc::vec::Vec;
use core::mem::take;
use core::ops::Range;

use super::machine::Machine;
use crate::arch::intid::{Interrupt, Intid};
use crate::arch::mpidr::Mpidr;
use crate::boot::description::{Description, PlanError, refuse};
use crate::mm::tables::tables_needed;
use crate::vgic::Delivery;
use memory::Memory;

mod cpus;
mod devices;
mod layout;
mod load;
mod memory;
mod regions;
mod types;

pub use types::{GuestMemory, LoadedImage, Mapping, PartitionPlan, Plan, Watchdog};

/// SPIs for the emulated devices of partitions.
struct FreeInterrupts {
    /// The INTIDs, from the next on, that neither a device of the machine has nor a partition with direct
    /// interrupts.
    direct: Range<u32>,
}

impl FreeInterrupts {
    fn new(machine: &Machine) -> Self {
        Self { direct: machine.free_interrupts.clone() }
    }

    /// `count` SPIs in ascending order for a partition whose interrupts are trapped: from QEMU `virt`'s
    /// PL011's on, those that none of its devices has.
    ///
    /// # Errors
    ///
    /// If the devices have all of them.
    fn trapped(
        &self,
        path: &str,
        count: usize,
        owned: &[Interrupt],
    ) -> Result<Vec<Intid>, PlanError> {
        let spis = (1..).map_while(Intid::spi);
        let is_free = |spi: &Intid| owned.iter().all(|it| it.intid != *spi);
        let free: Vec<_> = spis.filter(is_free).take(count).collect();
        if free.len() < count {
            refuse!(path, ": devices leaves no interrupt for what Bulkhead emulates");
        }
        Ok(free)
    }

    /// The same for direct interrupts: from the first SPI on that is above those of all devices, since a
    /// guest goes through all SPIs up to its last.
    fn direct(&mut self, count: usize) -> Option<Vec<Intid>> {
        let free: Vec<_> = self.direct.by_ref().take(count).filter_map(Intid::new).collect();
        (free.len() == count).then_some(free)
    }
}

impl Plan {
    /// Divides `machine` as `description` says. `boot_cpu` is the CPU that runs this, the one that
    /// needs no starting.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong with the description, on this machine.
    pub fn new(
        machine: &Machine,
        boot_cpu: Mpidr,
        description: &Description,
    ) -> Result<Self, PlanError> {
        let Description { path, partitions: described } = description;
        let gic = &machine.gic;
        let mut cpus = cpus::assign(machine, boot_cpu, described)?;
        let mut devices = devices::assign(machine, described)?;
        let mut memory = Memory::new(machine, described);
        let places = memory.place(described, gic, &cpus, &devices)?;
        let mut partitions = Vec::with_capacity(described.len());
        let mut free = FreeInterrupts::new(machine);
        for (number, (described, memory)) in described.iter().zip(places).enumerate() {
            let Ok(vmid) = u8::try_from(number + 1) else {
                refuse!(path, " holds more partitions than the 255 that can be told apart");
            };
            let (kernel, ramdisk, tree) = load::place(described, memory.guest)?;
            let (cpus, devices) = (take(&mut cpus[number]), take(&mut devices[number]));
            let interrupts = devices::interrupts(&devices);
            let mappings = layout::mappings(gic, &memory, &devices);
            let wanted = 1
                + usize::from(described.monitor)
                + usize::from(described.watchdog_milliseconds.is_some());
            let direct = if described.trapped_interrupts { None } else { free.direct(wanted) };
            let (delivery, emulated) = match direct {
                Some(emulated) => (Delivery::Direct, emulated),
                None => (Delivery::Trapped, free.trapped(&described.path, wanted, &interrupts)?),
            };
            let mut emulated = emulated.into_iter();
            let mut next = || emulated.next().expect("so many were asked for");
            let console_interrupt = next();
            let monitor_interrupt = described.monitor.then(&mut next);
            let watchdog = described
                .watchdog_milliseconds
                .map(|milliseconds| Watchdog { milliseconds, interrupt: next() });
            partitions.push(PartitionPlan {
                tables: tables_needed(mappings.iter().map(|it| (it.ipa, it.pa, it.size))),
                path: described.path.clone(),
                name: described.name.clone(),
                vmid,
                frames: layout::frames(described, gic, cpus.len()),
                cpus,
                memory,
                mappings,
                delivery,
                console_interrupt,
                monitor_interrupt,
                watchdog,
                policy: described.policy,
                interrupts,
                devices,
                kernel,
                ramdisk,
                tree,
                bootargs: described.bootargs.clone(),
                count_hypervisor: described.count_hypervisor,
                dma_unprotected: described.dma_unprotected,
            });
        }
        let tables = partitions.iter().map(|partition| partition.tables).sum();
        Ok(Self { table_memory: memory.place_tables(path, tables)?, partitions })
    }
}

#[cfg(test)]
pub(crate) mod tests;
