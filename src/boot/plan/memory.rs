//! Which memory a partition gets.
//!
//! Memory at a `host-base` is given first. The rest is picked, the largest partition first, from
//! the lowest free addresses at which the largest leaves fit: where a physical address and the
//! guest's are the same modulo 1 GiB if the partition is that large, or else modulo 2 MiB.

use alloc::vec;
use alloc::vec::Vec;

use super::layout::{self, Used};
use super::types::GuestMemory;
use super::{devices, regions};
use crate::arch::addr::{Bytes, Ipa, PAGE_SIZE, Pa, Region};
use crate::boot::description::PartitionDescription;
use crate::boot::description::{Cells, Result, refuse};
use crate::boot::machine::{Device, Machine};
use crate::devices::address_map::{GUEST_BASE, IPA_END};
use crate::devices::planned::PlannedDevice;
use crate::mm::tables::INPUT_BITS;

const GIB: u64 = 1 << 30;
const MIB_2: u64 = 2 << 20;

/// The machine's memory, and who has what of it.
pub(super) struct FreeMemory<'a> {
    banks: Vec<Region<Pa>>,
    /// Whole pages, and their owners.
    taken: Vec<(Region<Pa>, &'a str)>,
}

impl<'a> FreeMemory<'a> {
    /// All memory, less what is reserved or holds an image.
    pub(super) fn new(machine: &'a Machine, partitions: &'a [PartitionDescription]) -> Self {
        let mut memory = Self { banks: Vec::new(), taken: Vec::new() };
        let reach = |bank: &Region<Pa>| {
            let end = bank.end().min(Pa::new(1 << INPUT_BITS));
            Region::between(bank.start(), end)
        };
        // EL2 sees memory where it is, through tables with so many bits.
        let banks = machine.memory.iter().filter_map(reach);
        for bank in banks.filter_map(|bank| regions::whole_pages(&bank)) {
            regions::add(&mut memory.banks, bank);
        }
        for reserved in &machine.reserved {
            memory.take(reserved.region, &reserved.owner);
        }
        // A tree can say that registers lie in memory. It is not told what is true; nobody gets it.
        for registers in devices::bulkheads_own(machine) {
            memory.take(registers, "Bulkhead");
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

    /// Gives every partition its memory. `emulated` and `passthrough` are their devices.
    pub(super) fn place(
        &mut self,
        partitions: &'a [PartitionDescription],
        emulated: &[Vec<PlannedDevice>],
        passthrough: &[Vec<Device>],
    ) -> Result<Vec<GuestMemory>> {
        let rank = |number: &usize| match fixed_base(&partitions[*number]) {
            Some(_) => 0,
            None => u64::MAX - partitions[*number].memory,
        };
        let mut given = vec![None; partitions.len()];
        let left = |given: &[Option<_>]| {
            (0..given.len()).filter(|it| given[*it].is_none()).min_by_key(rank)
        };
        while let Some(number) = left(&given) {
            let partition = &partitions[number];
            let used = layout::used(partition, &emulated[number], &passthrough[number])?;
            given[number] = Some(self.give(partition, &used)?);
        }
        Ok(given.into_iter().flatten().collect())
    }

    /// A place for `pages` pages of stage-2 tables.
    pub(super) fn place_tables(&self, node: &str, pages: usize) -> Result<Region<Pa>> {
        let size = pages as u64 * PAGE_SIZE;
        let Ok(region) = find(&self.banks, &self.taken, size, 0, PAGE_SIZE) else {
            let size = Bytes(size);
            refuse!(node, " leaves no memory for the stage-2 tables: {size} are needed");
        };
        Ok(region)
    }

    fn give(
        &mut self,
        partition: &'a PartitionDescription,
        used: &[Used<'_>],
    ) -> Result<GuestMemory> {
        let PartitionDescription { path, memory: size, guest_base, host_base, .. } = partition;
        let identity = partition.dma_unprotected;
        let host = match fixed_base(partition) {
            Some((property, base)) => self.check(partition, property, base)?,
            None => self.pick(partition, used)?,
        };
        let (property, value) = match (guest_base, host_base) {
            (Some(base), _) => ("guest-base", base.get()),
            (None, Some(base)) if identity => ("host-base", base.get()),
            (None, _) => ("memory", *size),
        };
        let value = value.to_be_bytes();
        let what = format_args!(": {property} = {}", Cells(&value));
        let mut start = guest_base.unwrap_or(GUEST_BASE);
        if identity {
            start = Ipa::new(host.start().get());
            if guest_base.is_some_and(|base| base != start) {
                let why = "as it has to be with dma = \"unprotected\"";
                refuse!(path, "{what} is not host-base, {why}");
            }
        }
        let guest = layout::check(used, start, *size, path, what)?;
        self.take(host, path);
        Ok(GuestMemory { guest, host })
    }

    /// The memory from `base` on, if it is all there and free.
    fn check(
        &self,
        PartitionDescription { path, memory, .. }: &PartitionDescription,
        property: &str,
        base: Pa,
    ) -> Result<Region<Pa>> {
        let what = format_args!(": {property} = {}", Cells(&base.get().to_be_bytes()));
        let region = Region::new(base, *memory);
        let Some(region) = region.filter(|it| self.banks.iter().any(|bank| bank.covers(it))) else {
            refuse!(path, "{what} is not the start of {} of memory", Bytes(*memory));
        };
        match self.taken.iter().find(|(taken, _)| taken.overlaps(&region)) {
            Some((taken, owner)) => {
                refuse!(path, "{what} asks for memory that is taken: {taken} is {owner}'s")
            }
            None => Ok(region),
        }
    }

    /// Memory for a partition that can have it anywhere.
    fn pick(&self, partition: &PartitionDescription, used: &[Used<'_>]) -> Result<Region<Pa>> {
        let size = partition.memory;
        let mut guest = partition.guest_base.unwrap_or(GUEST_BASE).get();
        let mut taken = self.taken.clone();
        if partition.dma_unprotected {
            // It has to be free at the same address for the guest.
            guest = 0;
            let beyond = Region::between(Ipa::new(IPA_END), Ipa::new(u64::MAX));
            for used in used.iter().map(|(used, _)| *used).chain(beyond) {
                let used = Region::new(Pa::new(used.start().get()), used.size());
                taken.extend(used.map(|used| (used, "")));
            }
        }
        let find = |align| find(&self.banks, &taken, size, guest, align);
        let large = if size >= GIB { find(GIB).ok() } else { None };
        match large.map_or_else(|| find(MIB_2), Ok) {
            Ok(region) => Ok(region),
            Err(most) => {
                let (size, most) = (size.to_be_bytes(), Bytes(most));
                let what = format_args!(": memory = {}", Cells(&size));
                let why = "does not fit: the most that is free in one piece is";
                refuse!(partition.path, "{what} {why} {most}")
            }
        }
    }
}

/// Where the memory of a partition has to be, if it cannot be anywhere, and what says so. With
/// unprotected DMA, a device sees physical addresses, and so must the guest.
fn fixed_base(partition: &PartitionDescription) -> Option<(&'static str, Pa)> {
    match (partition.host_base, partition.guest_base) {
        (Some(base), _) => Some(("host-base", base)),
        (None, Some(base)) if partition.dma_unprotected => {
            Some(("guest-base", Pa::new(base.get())))
        }
        (None, _) => None,
    }
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
