//! What lies at which guest address: the mappings of stage 2 and the registers of emulated devices.

use alloc::vec::Vec;
use core::fmt;

use super::regions;
use super::types::{GuestMemory, Mapping, PlannedDisk, SharedMemoryPort};
use crate::arch::addr::{Bytes, Ipa, PAGE_SIZE, Region};
use crate::boot::description::{DISK_ALIGN, PartitionDescription};
use crate::boot::description::{Result, refuse};
use crate::boot::machine::{Device, Gic};
use crate::devices::address_map::{CPU_INTERFACE, IPA_END};
use crate::devices::planned::PlannedDevice;
use crate::mm::tables::Attributes;

/// What a guest has beside its memory begins at a multiple of this many bytes, so that the guest
/// addresses do not depend on the exact size of its memory.
const FIRST_ALIGN: u64 = 1 << 30;

/// Returns what stage 2 maps for a partition: see [`PartitionPlan::mappings`].
///
/// [`PartitionPlan::mappings`]: super::PartitionPlan::mappings
pub(super) fn mappings(
    gic: &Gic,
    memory: &GuestMemory,
    passthrough: &[Device],
    disks: &[PlannedDisk],
    shared: &[SharedMemoryPort],
) -> Vec<Mapping> {
    let mut pages = Vec::new();
    for registers in passthrough.iter().flat_map(|device| &device.registers) {
        if let Some(registers) = regions::pages(registers) {
            regions::add(&mut pages, registers);
        }
    }
    let mut mappings: Vec<Mapping> =
        Vec::with_capacity(pages.len() + 2 + disks.len() + shared.len());
    let mut add = |ipa, pa, size, attributes| {
        let index = mappings.partition_point(|other| other.ipa < ipa);
        mappings.insert(index, Mapping { ipa, pa, size, attributes });
    };
    let GuestMemory { guest, host } = memory;
    add(guest.start(), host.start(), host.size(), Attributes::GUEST);
    for disk in disks {
        let PlannedDisk { host, is_read_only, .. } = disk;
        let Some(guest) = disk.guest() else { continue };
        let attributes =
            if *is_read_only { Attributes::GUEST_READ_ONLY_DISK } else { Attributes::GUEST_DISK };
        add(guest.start(), host.start(), host.size(), attributes);
    }
    for SharedMemoryPort { place: GuestMemory { guest, host }, .. } in shared {
        add(guest.start(), host.start(), host.size(), Attributes::GUEST_DISK);
    }
    if let Gic::V2 { virtual_cpu_interface, .. } = gic {
        add(CPU_INTERFACE, virtual_cpu_interface.start(), PAGE_SIZE, Attributes::GUEST_DEVICE);
    }
    for pages in pages {
        add(Ipa::new(pages.start().get()), pages.start(), pages.size(), Attributes::GUEST_DEVICE);
    }
    mappings
}

/// Guest addresses that are in use, and the name of what uses them.
pub(super) type Used<'a> = (Region<Ipa>, &'a str);

/// Returns the guest addresses that a partition uses for other things than its memory: the
/// registers of its emulated devices and of those that are passed through to it.
///
/// # Errors
///
/// If a passed-through device lies past the last guest address or overlaps an emulated one.
pub(super) fn used<'a>(
    partition: &PartitionDescription,
    emulated: &[PlannedDevice],
    passthrough: &'a [Device],
) -> Result<Vec<Used<'a>>> {
    let names = emulated.iter().map(|it| (it.registers, it.kind.facts().owned_name));
    let mut used: Vec<Used<'a>> = names.collect();
    for Device { path, registers, .. } in passthrough {
        for pages in registers.iter().filter_map(regions::pages) {
            let start = Ipa::new(pages.start().get());
            let what = format_args!(": devices = \"{path}\"");
            let emulated = &used[..emulated.len()];
            let region = check(emulated, start, pages.size(), &partition.path, what)?;
            used.push((region, path));
        }
    }
    Ok(used)
}

/// Returns the `size` bytes from `start`, which must be guest addresses and must not overlap
/// `used`.
///
/// # Errors
///
/// A sentence that begins with the path `node` and with `what`, its property and the value.
pub(super) fn check(
    used: &[Used<'_>],
    start: Ipa,
    size: u64,
    node: &str,
    what: fmt::Arguments<'_>,
) -> Result<Region<Ipa>> {
    let region = Region::new(start, size).filter(|region| region.end().get() <= IPA_END);
    let Some(region) = region else {
        refuse!(node, "{what} ends past the last guest address, {:#x}", IPA_END - 1);
    };
    match used.iter().find(|(used, _)| used.overlaps(&region)) {
        Some((used, by)) => refuse!(node, "{what} overlaps {by}, which the guest sees at {used}"),
        None => Ok(region),
    }
}

/// Returns the first guest address for what a partition has beside its memory.
pub(super) fn first_beside(memory: &GuestMemory) -> u64 {
    memory.guest.end().get().next_multiple_of(FIRST_ALIGN)
}

/// Returns the guest addresses of a disk or of shared memory of `size` bytes, whose node is `path`:
/// from `start` on, or after what is `used` there, unless the address is fixed. The last entry of
/// `used` is named if there is no place.
///
/// # Errors
///
/// If there are no such guest addresses.
pub(super) fn beside(
    used: &[Used<'_>],
    mut start: u64,
    size: u64,
    is_fixed: bool,
    path: &str,
) -> Result<Region<Ipa>> {
    let what = format_args!(" ({})", Bytes(size));
    if is_fixed {
        return check(used, Ipa::new(start), size, path, what);
    }
    loop {
        let region = Region::new(Ipa::new(start), size);
        let Some(region) = region.filter(|region| region.end().get() <= IPA_END) else {
            let memory = used.last().map_or(Region::EMPTY, |(used, _)| *used);
            let last = IPA_END - 1;
            let way = "give a lower guest-base";
            refuse!(
                path,
                "{what} does not fit between {memory} and the last guest address, {last:#x}: {way}"
            );
        };
        match used.iter().find(|(used, _)| used.overlaps(&region)) {
            Some((used, _)) => start = used.end().get().next_multiple_of(DISK_ALIGN),
            None => return Ok(region),
        }
    }
}
