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
use crate::arch::addr::{PAGE_SIZE, Pa, Region};
use crate::arch::mpidr::Mpidr;
use crate::boot::description::{Description, PartitionDescription, PlanError, refuse};
use crate::boot::tables::tables_needed;
use emulated::FreeInterrupts;
use links::Links;
use memory::FreeMemory;
use messages::Controllers;

mod cpus;
mod devices;
mod disks;
mod dma;
mod dma_plan;
mod emulated;
mod functions;
mod heap;
mod layout;
mod links;
mod load;
mod memory;
mod message_plan;
mod messages;
mod regions;
mod shared_memory;
mod types;

pub use dma_plan::{PlannedStream, SmmuPlan};
pub use message_plan::{ItsPlan, MessagePlan, PlannedSource};
pub use types::{
    DiskInterface, GuestMemory, LinkPlan, LinkPort, LoadedImage, Mapping, PartitionPlan, Plan,
    PlannedBus, PlannedDisk, PlannedFunction, SharedMemoryPlan, SharedMemoryPort, VirtioDisk,
};

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
        let Links { links, mut ports } = links::links(description)?;
        let mut shared_ports = shared_memory::ports(description)?;
        let of = |number: usize, partition: &PartitionDescription| {
            let others = ports[number].len() + usize::from(partition.virtio_console);
            let virtio = others + disks::virtio_devices(partition, others)?;
            let ends = [virtio, shared_ports[number].len()];
            Ok(emulated::devices(partition, gic, cpus[number].len(), ends, &passthrough[number]))
        };
        let all = described.iter().enumerate().map(|(number, one)| of(number, one));
        let mut devices = all.collect::<Result<Vec<_>, PlanError>>()?;
        let controllers = Controllers::choose(machine, description, &passthrough)?;
        let mut buses =
            functions::place(machine, described, &devices, &mut passthrough, &controllers)?;
        let mut memory = FreeMemory::new(machine, described);
        let places = memory.place(described, &devices, &passthrough)?;
        let mut disks = disks::place(&mut memory, described, &places, &devices, &passthrough)?;
        let owned = shared_memory::Owned {
            places: &places,
            emulated: &devices,
            passthrough: &passthrough,
            disks: &disks,
        };
        let shared = shared_memory::place(&mut memory, description, &owned, &mut shared_ports)?;
        let mut partitions = Vec::with_capacity(described.len());
        let mut free = FreeInterrupts::new(machine, controllers.end_of_spis(machine));
        for (number, (described, memory)) in described.iter().zip(places).enumerate() {
            let Ok(vmid) = u8::try_from(number + 1) else {
                refuse!(path, " has more partitions than there are VMIDs, 255");
            };
            let (kernel, ramdisk, tree) =
                load::place(described, memory.guest, machine.id_aa64mmfr0)?;
            let passthrough = take(&mut passthrough[number]);
            let cpus = take(&mut cpus[number]);
            let mut links = take(&mut ports[number]);
            links::assign_interrupts(&mut free, &described.path, &mut links)?;
            let mut disks = disks.get_mut(number).map(take).unwrap_or_default();
            disks::assign_interrupts(&mut free, described, &mut disks)?;
            let virtio_console = links::console_interrupt(&mut free, described)?;
            let mut shared_memory = take(&mut shared_ports[number]);
            shared_memory::assign_interrupts(&mut free, &described.path, &mut shared_memory)?;
            let of_links = links.iter().map(|it| it.interrupt);
            let of_links = of_links.chain(shared_memory.iter().map(|it| it.interrupt)).flatten();
            let of_disks = disks.iter().filter_map(|it| it.device()?.interrupt);
            let of_links = of_links.chain(of_disks).chain(virtio_console);
            let mut interrupts = devices::interrupts(machine, &cpus, &passthrough, of_links);
            let own = (number, described);
            let messages = controllers.plan(machine, own, cpus.len(), &passthrough, &interrupts)?;
            let pci = buses[number].take();
            let mappings = layout::mappings(gic, &memory, &passthrough, &disks, &shared_memory);
            let has_streams = passthrough.iter().any(|device| !device.streams.is_empty());
            let page = messages.map(|messages| messages.page);
            let dma_mappings = dma::mappings(&mappings, has_streams, page);
            let mut devices = take(&mut devices[number]);
            let wanted = description.delivery(described);
            let mut owned = interrupts.clone();
            owned.extend(messages.iter().flat_map(MessagePlan::interrupts));
            let delivery = free.assign(described, wanted, &mut devices, &owned)?;
            let of_machine = messages.iter().filter(|messages| !messages.is_virtual);
            for interrupt in of_machine.flat_map(MessagePlan::interrupts) {
                let index = interrupts.partition_point(|it| it.intid < interrupt.intid);
                interrupts.insert(index, interrupt);
            }
            partitions.push(PartitionPlan {
                tables: needed(&mappings),
                dma_tables: if has_streams { needed(&dma_mappings) } else { 0 },
                dma_mappings,
                window_tables: window_tables(&[memory.host]),
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
                pci,
                messages,
                links,
                shared_memory,
                virtio_console,
                kernel,
                ramdisk,
                disks,
                tree,
                bootargs: described.bootargs.clone(),
                count_hypervisor: described.count_hypervisor,
                dma_unprotected: described.dma_unprotected,
            });
        }
        let images = images(machine, &partitions);
        let image_tables = window_tables(&images);
        let of_partition = |it: &PartitionPlan| {
            let of_disks = it.virtio_disks().map(|(_, device)| device.window_tables);
            it.tables + it.dma_tables + it.window_tables + of_disks.sum::<usize>()
        };
        let tables = partitions.iter().map(of_partition).sum::<usize>() + image_tables;
        let tables = tables as u64 * PAGE_SIZE;
        let smmus = dma::smmus(machine, &partitions, &mut memory, path)?;
        let its = messages::its(machine, &partitions, &mut memory, path)?;
        Ok(Self {
            table_memory: memory.take_tables(path, tables, PAGE_SIZE)?,
            heap: heap::take(&mut memory, path, &partitions)?,
            smmus,
            its,
            images,
            image_tables,
            partitions,
            links,
            shared_memory: shared,
            console_monitor: description.monitor,
            console_cpu,
        })
    }
}

/// Returns the number of tables for these mappings.
fn needed(mappings: &[Mapping]) -> usize {
    tables_needed(mappings.iter().map(|it| (it.ipa, it.pa, it.size)))
}

/// Returns the number of tables for a window onto memory, which maps it to its own addresses.
fn window_tables(memory: &[Region<Pa>]) -> usize {
    tables_needed(memory.iter().map(|it| (it.start(), it.start(), it.size())))
}

/// Returns [`Plan::images`].
fn images(machine: &Machine, partitions: &[PartitionPlan]) -> Vec<Region<Pa>> {
    let mut images: Vec<_> = machine.initrd.into_iter().collect();
    for source in partitions.iter().flat_map(PartitionPlan::sources) {
        let is_reserved = machine.reserved.iter().any(|it| it.region.overlaps(&source));
        // Several partitions can have one image.
        if !is_reserved && !images.contains(&source) {
            images.push(source);
        }
    }
    images.into_iter().filter_map(|it| it.page_aligned()).collect()
}

#[cfg(test)]
pub(crate) mod tests;
