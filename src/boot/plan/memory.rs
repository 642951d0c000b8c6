//! The physical memory of each partition.
//!
//! Partitions with a `host-base` are placed first. The others follow, the largest first, each at
//! the lowest free address that allows the largest leaves: the physical address and the guest
//! address are equal modulo 1 GiB if the partition is that large, or else modulo 2 MiB.

use alloc::borrow::Cow;
use alloc::vec;
use alloc::vec::Vec;

use super::layout::{self, Used};
use super::types::GuestMemory;
use super::{devices, regions};
use crate::arch::addr::{Bytes, Ipa, Pa, Region};
use crate::boot::description::{Cells, Result, refuse};
use crate::boot::description::{DISK_ALIGN, PartitionDescription};
use crate::boot::machine::{Device, Machine};
use crate::devices::address_map::{GUEST_BASE, IPA_END};
use crate::devices::planned::PlannedDevice;
use crate::mm::tables::INPUT_BITS;

const GIB: u64 = 1 << 30;
const MIB_2: u64 = 2 << 20;

/// The initial capacity of the lists of regions, apart from those of partitions and of reserved
/// memory. It is enough for most machines.
const REGIONS: usize = 8;

/// The machine's memory that is still free.
pub(super) struct FreeMemory<'a> {
    /// The memory in whole pages, as far as EL2 can map it.
    banks: Vec<Region<Pa>>,
    /// The pages in use, with the names of their owners.
    taken: Vec<(Region<Pa>, &'a str)>,
    /// The memory that is not in use, ascending. It stays a few regions, however many partitions
    /// are placed, so that placing one does not take longer the more there are.
    free: Vec<Region<Pa>>,
}

impl<'a> FreeMemory<'a> {
    /// All memory, apart from reserved memory and from the images of the partitions.
    pub(super) fn new(machine: &'a Machine, partitions: &'a [PartitionDescription]) -> Self {
        let mut memory = Self {
            banks: Vec::new(),
            taken: Vec::with_capacity(REGIONS + machine.reserved.len() + 3 * partitions.len()),
            free: Vec::with_capacity(REGIONS),
        };
        let reach = |bank: &Region<Pa>| {
            let end = bank.end().min(Pa::new(1 << INPUT_BITS));
            Region::between(bank.start(), end)
        };
        // EL2 maps memory at its physical address, with tables that translate INPUT_BITS bits.
        let banks = machine.memory.iter().filter_map(reach);
        for bank in banks.filter_map(|bank| regions::whole_pages(&bank)) {
            regions::add(&mut memory.banks, bank);
        }
        memory.free.extend(&memory.banks);
        for reserved in &machine.reserved {
            memory.take(reserved.region, &reserved.owner);
        }
        // A wrong tree may place registers in memory. No partition gets that memory.
        for registers in devices::reserved_registers(machine) {
            memory.take(registers, "Bulkhead");
        }
        // Copies have the images of their node together.
        for copies in partitions.chunk_by(|one, next| one.path == next.path) {
            for image in copies.iter().take(1).flat_map(PartitionDescription::images) {
                memory.take(image.region, &image.path);
            }
        }
        memory
    }

    /// Marks the pages of a region as in use.
    pub(super) fn take(&mut self, region: Region<Pa>, owner: &'a str) {
        if let Some(pages) = regions::pages(&region) {
            regions::remove(&mut self.free, &pages);
            self.taken.push((pages, owner));
        }
    }

    /// Assigns memory to every partition. `emulated` and `passthrough` are their devices.
    ///
    /// # Errors
    ///
    /// If there is too little memory, or if a partition's memory at guest addresses overlaps its
    /// devices.
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
        let mut placed = vec![None; partitions.len()];
        let mut order: Vec<_> = (0..partitions.len()).collect();
        order.sort_by_key(rank);
        for number in order {
            let partition = &partitions[number];
            let used = layout::used(partition, &emulated[number], &passthrough[number])?;
            placed[number] = Some(self.assign(partition, &used)?);
        }
        Ok(placed.into_iter().flatten().collect())
    }

    /// Takes memory for `size` bytes of tables, at a multiple of `align`, a power of two that is a
    /// page at least. An error begins with the path `node`.
    pub(super) fn take_tables(&mut self, node: &str, size: u64, align: u64) -> Result<Region<Pa>> {
        self.take_own(node, "translation tables", size, align)
    }

    /// Takes memory for Bulkhead itself in the same way. An error names `what` it is for.
    pub(super) fn take_own(
        &mut self,
        node: &str,
        what: &str,
        size: u64,
        align: u64,
    ) -> Result<Region<Pa>> {
        let Ok(region) = find(&self.free, size, 0, align) else {
            let size = Bytes(size);
            refuse!(node, " leaves no memory for the {what}: {size} are needed");
        };
        self.take(region, "Bulkhead");
        Ok(region)
    }

    /// Assigns memory to a partition that uses the guest addresses `used` for other things.
    fn assign(
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
                let why = "which it must equal with dma = \"unprotected\"";
                refuse!(path, "{what} differs from host-base, {why}");
            }
        }
        let guest = layout::check(used, start, *size, path, what)?;
        self.take(host, path);
        Ok(GuestMemory { guest, host })
    }

    /// Returns the memory of a partition from `base` on, which must exist and be free.
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
        if self.free.iter().any(|free| free.covers(&region)) {
            return Ok(region);
        }
        match self.taken.iter().find(|(taken, _)| taken.overlaps(&region)) {
            Some((taken, owner)) => {
                refuse!(path, "{what} needs memory that is in use: {taken} belongs to {owner}")
            }
            None => Ok(region),
        }
    }

    /// Picks memory for a partition that may be anywhere.
    fn pick(&self, partition: &PartitionDescription, used: &[Used<'_>]) -> Result<Region<Pa>> {
        let size = partition.memory;
        let mut guest = partition.guest_base.unwrap_or(GUEST_BASE).get();
        let mut free = Cow::Borrowed(&self.free[..]);
        if partition.dma_unprotected {
            guest = 0;
            free = Cow::Owned(self.free_at_same_addresses(used));
        }
        let find = |align| find(&free, size, guest, align);
        let large = if size >= GIB { find(GIB).ok() } else { None };
        match large.map_or_else(|| find(MIB_2), Ok) {
            Ok(region) => Ok(region),
            Err(largest) => {
                let (size, largest) = (size.to_be_bytes(), Bytes(largest));
                let what = format_args!(": memory = {}", Cells(&size));
                let why = "does not fit: the largest free block is";
                refuse!(partition.path, "{what} {why} {largest}")
            }
        }
    }

    /// Returns the free memory whose addresses are also free in the address map of a guest that
    /// uses the guest addresses `used` for other things.
    fn free_at_same_addresses(&self, used: &[Used<'_>]) -> Vec<Region<Pa>> {
        let mut free = self.free.clone();
        let past_end = Region::between(Ipa::new(IPA_END), Ipa::new(u64::MAX));
        for used in used.iter().map(|(used, _)| *used).chain(past_end) {
            if let Some(used) = Region::new(Pa::new(used.start().get()), used.size()) {
                regions::remove(&mut free, &used);
            }
        }
        free
    }

    /// Takes memory for a disk or a link of `size` bytes, which is `owner`'s, from a multiple of
    /// [`DISK_ALIGN`] on. If a guest has it at the same addresses, `identity` has the guest addresses
    /// that it uses for other things.
    ///
    /// # Errors
    ///
    /// The largest size for which there is memory, if there is not enough.
    pub(super) fn take_beside(
        &mut self,
        size: u64,
        owner: &'a str,
        identity: Option<&[Used<'_>]>,
    ) -> Result<Region<Pa>, u64> {
        let free = match identity {
            Some(used) => Cow::Owned(self.free_at_same_addresses(used)),
            None => Cow::Borrowed(&self.free[..]),
        };
        let large = if size >= GIB { find(&free, size, 0, GIB).ok() } else { None };
        let region = large.map_or_else(|| find(&free, size, 0, DISK_ALIGN), Ok);
        let region = region?;
        self.take(region, owner);
        Ok(region)
    }
}

/// Returns the physical address that a partition's memory must have, if it has no choice, and the
/// property that sets it. With unprotected DMA, devices use physical addresses, so the guest
/// addresses must be the same.
fn fixed_base(partition: &PartitionDescription) -> Option<(&'static str, Pa)> {
    match (partition.host_base, partition.guest_base) {
        (Some(base), _) => Some(("host-base", base)),
        (None, Some(base)) if partition.dma_unprotected => {
            Some(("guest-base", Pa::new(base.get())))
        }
        (None, _) => None,
    }
}

/// Returns the lowest `size` bytes of the `free` regions, which ascend, whose start equals
/// `same_as` modulo `align`, a power of two.
///
/// # Errors
///
/// The largest size that would fit, if `size` does not.
pub(super) fn find(
    free: &[Region<Pa>],
    size: u64,
    same_as: u64,
    align: u64,
) -> Result<Region<Pa>, u64> {
    let mut largest = 0;
    for region in free {
        let start = region.start().get();
        let Some(start) = start.checked_add(same_as.wrapping_sub(start) & (align - 1)) else {
            break;
        };
        let fits = region.end().get().saturating_sub(start);
        if fits >= size {
            return Region::new(Pa::new(start), size).ok_or(largest);
        }
        largest = largest.max(fits);
    }
    Err(largest)
}
