//! Which memory a partition gets.
//!
//! Memory at a `host-base` is given first. The rest is picked, the largest partition first, from
//! the lowest free addresses at which the largest leaves fit: where a physical address and the
//! guest's are the same modulo 1 GiB if the partition is that large, or else modulo 2 MiB.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::description::{Description, PartitionDescription};
use super::error::{PlanError, Problem, Value};
use super::layout::{AddressSpace, GUEST_BASE};
use super::{GuestMemory, regions};
use crate::addr::{Ipa, PAGE_SIZE, Pa, Region};
use crate::machine::Machine;

const GIB: u64 = 1 << 30;
const MIB_2: u64 = 2 << 20;

/// The machine's memory, and who has what of it.
pub(super) struct Memory {
    banks: Vec<Region<Pa>>,
    taken: Vec<Taken>,
}

struct Taken {
    region: Region<Pa>,
    owner: String,
}

/// Where the memory of a partition has to be.
#[derive(Clone, Copy)]
enum Place {
    /// At this physical address, and for the guest at that one.
    Fixed(Pa, Ipa),
    /// Anywhere, and for the guest at this address.
    Anywhere(Ipa),
    /// Anywhere, and for the guest at its physical address.
    Identity,
}

impl Memory {
    /// All memory, less what is reserved or holds an image.
    pub(super) fn new(machine: &Machine, description: &Description) -> Self {
        let mut banks = Vec::new();
        for bank in machine.memory.iter().filter_map(regions::whole_pages) {
            regions::add(&mut banks, bank);
        }
        let reserved = machine.reserved.iter();
        let reserved = reserved.map(|reserved| (reserved.region, &reserved.owner));
        let images = description.partitions.iter().flat_map(|partition| {
            let ramdisk = partition.ramdisk.iter();
            let images = ramdisk.chain([&partition.kernel.source]);
            images.map(|image| (image.region, &image.path))
        });
        let taken = reserved.chain(images).filter_map(|(region, owner)| {
            let region = regions::pages(&region)?;
            let owner = owner.clone();
            Some(Taken { region, owner })
        });
        Self { banks, taken: taken.collect() }
    }

    /// Gives every partition its memory. `spaces` are what they have at guest addresses so far.
    pub(super) fn place(
        &mut self,
        partitions: &[PartitionDescription],
        spaces: &[AddressSpace],
    ) -> Result<Vec<GuestMemory>, PlanError> {
        let mut given = vec![None; partitions.len()];
        for number in order(partitions) {
            let (partition, space) = (&partitions[number], &spaces[number]);
            let memory = self.give(partition, space)?;
            self.taken.push(Taken { region: memory.host, owner: partition.path.clone() });
            given[number] = Some(memory);
        }
        Ok(given.into_iter().flatten().collect())
    }

    /// Takes `pages` pages for the stage-2 tables of all partitions.
    pub(super) fn place_tables(&self, pages: u64) -> Result<Region<Pa>, Problem> {
        let size = pages.saturating_mul(PAGE_SIZE);
        let region = fit(&self.free(), size, 0, PAGE_SIZE);
        region.ok_or(Problem::NoRoomForTables(size))
    }

    fn give(
        &self,
        partition: &PartitionDescription,
        space: &AddressSpace,
    ) -> Result<GuestMemory, PlanError> {
        let (host, guest) = match place(partition)? {
            Place::Fixed(host, guest) => (self.check(partition, host)?, guest),
            Place::Anywhere(guest) => (self.pick(partition, self.free(), guest)?, guest),
            Place::Identity => {
                let host = self.pick(partition, space.free_of(self.free()), Ipa::new(0))?;
                (host, Ipa::new(host.start().get()))
            }
        };
        let (property, value) = match (partition.guest_base, partition.host_base) {
            (Some(base), _) => ("guest-base", base.get()),
            (None, Some(base)) if partition.dma_unprotected => ("host-base", base.get()),
            (None, _) => ("memory", partition.memory),
        };
        let guest = space.check(guest, partition.memory);
        let guest =
            guest.map_err(|problem| partition.error(property, Value::Cells(value), problem))?;
        Ok(GuestMemory { guest, host })
    }

    /// The memory from `base` on, if it is all there and free.
    fn check(&self, partition: &PartitionDescription, base: Pa) -> Result<Region<Pa>, PlanError> {
        let property = partition.host_base.map_or("guest-base", |_| "host-base");
        let refuse = |problem| partition.error(property, Value::Cells(base.get()), problem);
        let region = Region::new(base, partition.memory);
        let is_memory = |region: &Region<Pa>| self.banks.iter().any(|bank| bank.covers(region));
        let Some(region) = region.filter(is_memory) else {
            return Err(refuse(Problem::NotMemory(partition.memory)));
        };
        let mut taken = self.taken.iter();
        taken.find(|taken| taken.region.overlaps(&region)).map_or(Ok(region), |taken| {
            Err(refuse(Problem::Taken { region: taken.region, owner: taken.owner.clone() }))
        })
    }

    /// Memory for a partition that sees it at `guest`, of what is `free`.
    fn pick(
        &self,
        partition: &PartitionDescription,
        free: Vec<Region<Pa>>,
        guest: Ipa,
    ) -> Result<Region<Pa>, PlanError> {
        let size = partition.memory;
        let alignments: &[u64] = if size >= GIB { &[GIB, MIB_2] } else { &[MIB_2] };
        let mut fits = alignments.iter().map(|align| fit(&free, size, guest.get(), *align));
        fits.find_map(|fit| fit).ok_or_else(|| {
            let usable = free.iter().map(|run| match first_fit(run, guest.get(), MIB_2) {
                Some(start) => run.end().get() - start,
                None => 0,
            });
            let problem = Problem::NoRoom(usable.max().unwrap_or(0));
            partition.error("memory", Value::Cells(size), problem)
        })
    }

    fn free(&self) -> Vec<Region<Pa>> {
        let taken = self.taken.iter();
        taken.fold(self.banks.clone(), |free, taken| regions::subtract(&free, &taken.region))
    }
}

/// The order in which the partitions get their memory: those with a fixed place first, then the
/// larger ones.
fn order(partitions: &[PartitionDescription]) -> Vec<usize> {
    let rank = |number: usize| {
        let partition = &partitions[number];
        let fixed = matches!(place(partition), Ok(Place::Fixed(..)) | Err(_));
        if fixed { 0 } else { u64::MAX - partition.memory }
    };
    let mut order = Vec::with_capacity(partitions.len());
    for number in 0..partitions.len() {
        let index = order.partition_point(|other| rank(*other) <= rank(number));
        order.insert(index, number);
    }
    order
}

/// Where a partition's memory has to be, by its bases. With unprotected DMA, a device sees physical
/// addresses, and so must the guest.
fn place(partition: &PartitionDescription) -> Result<Place, PlanError> {
    let (guest, host) = (partition.guest_base, partition.host_base);
    if !partition.dma_unprotected {
        let guest = guest.unwrap_or(GUEST_BASE);
        return Ok(host.map_or(Place::Anywhere(guest), |host| Place::Fixed(host, guest)));
    }
    match (guest.map(Ipa::get), host.map(Pa::get)) {
        (Some(guest), Some(host)) if guest != host => {
            let value = Value::Cells(guest);
            Err(partition.error("guest-base", value, Problem::NotIdentity))
        }
        (Some(base), _) | (None, Some(base)) => Ok(Place::Fixed(Pa::new(base), Ipa::new(base))),
        (None, None) => Ok(Place::Identity),
    }
}

/// The lowest `size` bytes in the `free` runs whose start is `same_as` modulo `align`.
fn fit(free: &[Region<Pa>], size: u64, same_as: u64, align: u64) -> Option<Region<Pa>> {
    free.iter().find_map(|run| {
        let region = Region::new(Pa::new(first_fit(run, same_as, align)?), size)?;
        run.covers(&region).then_some(region)
    })
}

/// The first address in `run` that is `same_as` modulo `align`, a power of two.
fn first_fit(run: &Region<Pa>, same_as: u64, align: u64) -> Option<u64> {
    let start = run.start().get();
    let skip = same_as.wrapping_sub(start) & (align - 1);
    start.checked_add(skip).filter(|start| *start < run.end().get())
}
