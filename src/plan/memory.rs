//! Which memory a partition gets.
//!
//! Memory at a `host-base` is given first. The rest is picked, the largest partition first, from
//! the lowest free addresses at which the largest leaves fit: where a physical address and the
//! guest's are the same modulo 1 GiB if the partition is that large, or else modulo 2 MiB.

use alloc::vec;
use alloc::vec::Vec;

use super::description::PartitionDescription;
use super::error::{Cells, PlanError, refuse};
use super::layout::{self, GUEST_BASE, IPA_END, Used};
use super::{GuestGic, GuestMemory, regions};
use crate::addr::{Bytes, Ipa, PAGE_SIZE, Pa, Region};
use crate::machine::{Device, Machine};

const GIB: u64 = 1 << 30;
const MIB_2: u64 = 2 << 20;

/// The machine's memory, and who has what of it.
pub(super) struct Memory<'a> {
    banks: Vec<Region<Pa>>,
    /// Whole pages, and their owners.
    taken: Vec<(Region<Pa>, &'a str)>,
}

impl<'a> Memory<'a> {
    /// All memory, less what is reserved or holds an image.
    pub(super) fn new(machine: &'a Machine, partitions: &'a [PartitionDescription]) -> Self {
        let mut memory = Self { banks: Vec::new(), taken: Vec::new() };
        for bank in machine.memory.iter().filter_map(regions::whole_pages) {
            regions::add(&mut memory.banks, bank);
        }
        for reserved in &machine.reserved {
            memory.take(reserved.region, &reserved.owner);
        }
        for partition in partitions {
            for image in partition.ramdisk.iter().chain([&partition.kernel.source]) {
                memory.take(image.region, &image.path);
            }
        }
        memory
    }

    fn take(&mut self, region: Region<Pa>, owner: &'a str) {
        self.taken.extend(regions::pages(&region).map(|pages| (pages, owner)));
    }

    /// Gives every partition its memory. `cpus` and `devices` are what they have so far.
    pub(super) fn place(
        &mut self,
        partitions: &'a [PartitionDescription],
        gic: GuestGic,
        cpus: &[Vec<usize>],
        devices: &[Vec<Device>],
    ) -> Result<Vec<GuestMemory>, PlanError> {
        let mut given = vec![None; partitions.len()];
        for number in order(partitions) {
            let partition = &partitions[number];
            let used = layout::used(partition, gic, cpus[number].len(), &devices[number])?;
            given[number] = Some(self.give(partition, &used)?);
        }
        Ok(given.into_iter().flatten().collect())
    }

    /// A place for `pages` pages of stage-2 tables.
    pub(super) fn place_tables(&self, node: &str, pages: usize) -> Result<Region<Pa>, PlanError> {
        let size = (pages as u64).saturating_mul(PAGE_SIZE);
        match find(&self.banks, &self.taken, size, 0, PAGE_SIZE) {
            Ok(region) => Ok(region),
            Err(_) => refuse!(
                node,
                " leaves no memory for the stage-2 tables: {} are needed",
                Bytes(size)
            ),
        }
    }

    fn give(
        &mut self,
        partition: &'a PartitionDescription,
        used: &[Used<'_>],
    ) -> Result<GuestMemory, PlanError> {
        let PartitionDescription { path, memory: size, guest_base, host_base, .. } = partition;
        let identity = partition.dma_unprotected;
        if let (Some(guest), Some(host)) = (guest_base, host_base)
            && identity
            && guest.get() != host.get()
        {
            let value = guest.get().to_be_bytes();
            return refuse!(
                path,
                ": guest-base = {} is not host-base, as it has to be with dma = \"unprotected\"",
                Cells(&value)
            );
        }
        let host = match fixed_base(partition) {
            Some(base) => self.check(partition, base)?,
            None => self.pick(partition, used)?,
        };
        let guest =
            if identity { Ipa::new(host.start().get()) } else { guest_base.unwrap_or(GUEST_BASE) };
        let (property, value) = match (guest_base, host_base) {
            (Some(base), _) => ("guest-base", base.get()),
            (None, Some(base)) if identity => ("host-base", base.get()),
            (None, _) => ("memory", *size),
        };
        let value = value.to_be_bytes();
        let what = format_args!(": {property} = {}", Cells(&value));
        let guest = layout::check(used, guest, *size, path, what)?;
        self.take(host, path);
        Ok(GuestMemory { guest, host })
    }

    /// The memory from `base` on, if it is all there and free.
    fn check(&self, partition: &PartitionDescription, base: Pa) -> Result<Region<Pa>, PlanError> {
        let PartitionDescription { path, memory: size, .. } = partition;
        let property = if partition.host_base.is_some() { "host-base" } else { "guest-base" };
        let value = base.get().to_be_bytes();
        let value = Cells(&value);
        let region = Region::new(base, *size);
        let Some(region) = region.filter(|it| self.banks.iter().any(|bank| bank.covers(it))) else {
            let size = Bytes(*size);
            return refuse!(path, ": {property} = {value} is not the start of {size} of memory");
        };
        match self.taken.iter().find(|(taken, _)| taken.overlaps(&region)) {
            None => Ok(region),
            Some((taken, owner)) => refuse!(
                path,
                ": {property} = {value} asks for memory that is taken: {taken} is {owner}'s"
            ),
        }
    }

    /// Memory for a partition that can have it anywhere.
    fn pick(
        &self,
        partition: &PartitionDescription,
        used: &[Used<'_>],
    ) -> Result<Region<Pa>, PlanError> {
        let size = partition.memory;
        let mut guest = partition.guest_base.unwrap_or(GUEST_BASE).get();
        let mut taken = self.taken.clone();
        if partition.dma_unprotected {
            // It has to be free at the same address for the guest.
            guest = 0;
            let beyond = Region::between(Ipa::new(IPA_END), Ipa::new(u64::MAX));
            for used in used.iter().map(|(used, _)| *used).chain(beyond) {
                taken.extend(
                    Region::new(Pa::new(used.start().get()), used.size()).map(|it| (it, "")),
                );
            }
        }
        let find = |align| find(&self.banks, &taken, size, guest, align);
        let mut found = Err(0);
        if size >= GIB {
            found = find(GIB);
        }
        match found.or_else(|_| find(MIB_2)) {
            Ok(region) => Ok(region),
            Err(most) => refuse!(
                partition.path,
                ": memory = {} does not fit: the most that is free in one piece is {}",
                Cells(&size.to_be_bytes()),
                Bytes(most)
            ),
        }
    }
}

/// Where the memory of a partition has to be, if it cannot be anywhere. With unprotected DMA, a
/// device sees physical addresses, and so must the guest.
fn fixed_base(partition: &PartitionDescription) -> Option<Pa> {
    let guest_base = partition.guest_base.filter(|_| partition.dma_unprotected);
    partition.host_base.or(guest_base.map(|base| Pa::new(base.get())))
}

/// The order in which the partitions get their memory: those with a fixed place first, then the
/// larger ones.
fn order(partitions: &[PartitionDescription]) -> Vec<usize> {
    let rank = |number: usize| {
        let partition = &partitions[number];
        fixed_base(partition).map_or(u64::MAX - partition.memory, |_| 0)
    };
    let mut order = Vec::with_capacity(partitions.len());
    for number in 0..partitions.len() {
        let index = order.partition_point(|other| rank(*other) <= rank(number));
        order.insert(index, number);
    }
    order
}

/// The lowest `size` bytes of the `banks` that are not `taken` and whose start is `same_as` modulo
/// `align`, a power of two. If there are none, how many there are at most.
fn find(
    banks: &[Region<Pa>],
    taken: &[(Region<Pa>, &str)],
    size: u64,
    same_as: u64,
    align: u64,
) -> Result<Region<Pa>, u64> {
    let mut most = 0;
    for bank in banks {
        let mut next = bank.start().get();
        // Each round leaves behind something that is taken, or the last free bytes of the bank.
        while let Some(start) = next.checked_add(same_as.wrapping_sub(next) & (align - 1))
            && start < bank.end().get()
        {
            let start = Pa::new(start);
            if let Some((region, _)) = taken.iter().find(|(region, _)| region.contains(start)) {
                next = region.end().get();
                continue;
            }
            let ends = taken.iter().map(|(region, _)| region.start()).filter(|end| *end > start);
            let end = ends.min().map_or(bank.end(), |end| end.min(bank.end()));
            let free = end.get() - start.get();
            if free >= size {
                return Region::new(start, size).ok_or(most);
            }
            most = most.max(free);
            next = end.get();
        }
    }
    Err(most)
}
