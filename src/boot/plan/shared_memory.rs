//! The memory that partitions share, and their doorbells.
//!
//! It is placed after the disks, like a disk: physically at the lowest free memory from a multiple
//! of 2 MiB on, and for each guest above its own memory, in the order of the description.

use alloc::vec::Vec;

use super::emulated::FreeInterrupts;
use super::layout::{self, Used};
use super::memory::FreeMemory;
use super::types::{GuestMemory, PlannedDisk, SharedMemoryPlan, SharedMemoryPort};
use crate::arch::addr::{Bytes, Pa, Region};
use crate::boot::description::{Cells, Description, Result, SharedMemoryDescription, refuse};
use crate::boot::machine::Device;
use crate::devices::planned::{MAX_LINKS, PlannedDevice};

/// Returns for each partition the memory that it shares, whose places and interrupts are still to be
/// assigned.
///
/// # Errors
///
/// If a partition has more than [`MAX_LINKS`].
pub(super) fn ports(description: &Description) -> Result<Vec<Vec<SharedMemoryPort>>> {
    let mut all: Vec<_> = description.partitions.iter().map(|_| Vec::new()).collect();
    for (number, memory) in description.shared_memory.iter().enumerate() {
        for (port, partition) in memory.partitions.iter().enumerate() {
            let ports: &mut Vec<SharedMemoryPort> = &mut all[*partition];
            if ports.len() == MAX_LINKS {
                let name = &description.partitions[*partition].name;
                let most = "more shared memory than a partition can have";
                refuse!(memory.path, ": partitions = \"{name}\" has {most}, {MAX_LINKS} links");
            }
            ports.push(SharedMemoryPort {
                memory: number,
                port: port as u8,
                ports: memory.partitions.len() as u8,
                name: memory.name.clone(),
                place: GuestMemory { guest: Region::EMPTY, host: Region::EMPTY },
                interrupt: None,
            });
        }
    }
    Ok(all)
}

/// What the partitions own otherwise, each in the order of the description.
pub(super) struct Owned<'a> {
    /// Their memory.
    pub places: &'a [GuestMemory],
    /// Their emulated devices.
    pub emulated: &'a [Vec<PlannedDevice>],
    /// The devices that are passed through to them.
    pub passthrough: &'a [Vec<Device>],
    /// Their disks; empty if no partition has one.
    pub disks: &'a [Vec<PlannedDisk>],
}

impl Owned<'_> {
    /// Returns the guest addresses that a partition uses, its memory last, but for memory that it
    /// shares.
    fn used<'a>(&'a self, description: &Description, number: usize) -> Result<Vec<Used<'a>>> {
        let partition = &description.partitions[number];
        let (emulated, passthrough) = (&self.emulated[number], &self.passthrough[number]);
        let mut used = layout::used(partition, emulated, passthrough)?;
        let disks = self.disks.get(number).into_iter().flatten();
        used.extend(disks.filter_map(|disk| Some((disk.guest()?, &*disk.name))));
        used.push((self.places[number].guest, "the partition's memory"));
        Ok(used)
    }
}

/// Places the shared memory of a description, and sets its addresses in `ports`.
///
/// # Errors
///
/// If there is too little memory, or if there are no guest addresses.
pub(super) fn place<'a>(
    memory: &mut FreeMemory<'a>,
    description: &'a Description,
    owned: &Owned<'_>,
    ports: &mut [Vec<SharedMemoryPort>],
) -> Result<Vec<SharedMemoryPlan>> {
    let mut planned = Vec::with_capacity(description.shared_memory.len());
    for (number, shared) in description.shared_memory.iter().enumerate() {
        let SharedMemoryDescription { path, name, partitions, .. } = shared;
        let host = host(memory, description, owned, shared)?;
        for partition in partitions {
            let ports = &mut ports[*partition];
            let mut used: Vec<_> = ports.iter().map(|it| (it.place.guest, &*it.name)).collect();
            used.extend(owned.used(description, *partition)?);
            let is_fixed = description.partitions[*partition].dma_unprotected;
            let first = layout::first_beside(&owned.places[*partition]);
            let start = if is_fixed { host.start().get() } else { first };
            let guest = layout::beside(&used, start, host.size(), is_fixed, path)?;
            if let Some(port) = ports.iter_mut().find(|it| it.memory == number) {
                port.place = GuestMemory { guest, host };
            }
        }
        let (name, partitions) = (name.clone(), partitions.clone());
        planned.push(SharedMemoryPlan { name, partitions, host });
    }
    Ok(planned)
}

/// Takes memory, which all guests with unprotected DMA can have at its physical addresses.
fn host<'a>(
    memory: &mut FreeMemory<'a>,
    description: &Description,
    owned: &Owned<'_>,
    shared: &'a SharedMemoryDescription,
) -> Result<Region<Pa>> {
    let SharedMemoryDescription { path, partitions, size, .. } = shared;
    let mut used = Vec::new();
    let mut is_identity = false;
    for number in partitions.iter().filter(|it| description.partitions[**it].dma_unprotected) {
        is_identity = true;
        used.extend(owned.used(description, *number)?);
    }
    match memory.take_beside(*size, path, is_identity.then_some(&used[..])) {
        Ok(region) => Ok(region),
        Err(largest) => {
            let (value, largest) = (size.to_be_bytes(), Bytes(largest));
            let why = "does not fit beside the partitions: the largest that does is";
            refuse!(path, ": size = {} {why} {largest}", Cells(&value))
        }
    }
}

/// Gives each doorbell of a partition an SPI that no device of the machine has.
///
/// # Errors
///
/// If too few are left.
pub(super) fn assign_interrupts(
    free: &mut FreeInterrupts,
    path: &str,
    ports: &mut [SharedMemoryPort],
) -> Result<()> {
    for port in ports {
        port.interrupt = Some(free.next_for_link(path, &port.name)?);
    }
    Ok(())
}
