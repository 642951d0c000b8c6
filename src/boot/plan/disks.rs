//! The memory and the guest addresses of disks.
//!
//! Disks are placed after the partitions' memory, each at the lowest free memory that leaves of
//! 2 MiB can map. A guest has them above its own memory, from the next multiple of 1 GiB on, in the
//! order of the description; with unprotected DMA at their physical addresses, like its memory. A
//! disk by virtio has no guest addresses, but a device with an interrupt.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::emulated::FreeInterrupts;
use super::layout::{self, Used};
use super::memory::FreeMemory;
use super::types::{DiskInterface, GuestMemory, PlannedDisk, VirtioDisk};
use super::window_tables;
use crate::arch::addr::{Bytes, Pa, Region};
use crate::arch::intid::{Interrupt, Trigger};
use crate::boot::description::{Cells, Result, refuse};
use crate::boot::description::{DISK_ALIGN, DiskContents, DiskDescription, PartitionDescription};
use crate::boot::machine::Device;
use crate::devices::planned::{MAX_VIRTIO_DEVICES, PlannedDevice};
use crate::util::nearest::nearest;

/// Places the disks of all partitions, whose memory is at `places`; `emulated` and `passthrough`
/// are their devices. The result is empty if no partition has a disk.
///
/// # Errors
///
/// If there is too little memory, if there are no guest addresses, or if `same-as` names no disk
/// that can be shared.
pub(super) fn place<'a>(
    memory: &mut FreeMemory<'a>,
    partitions: &'a [PartitionDescription],
    places: &[GuestMemory],
    emulated: &[Vec<PlannedDevice>],
    passthrough: &[Vec<Device>],
) -> Result<Vec<Vec<PlannedDisk>>> {
    let mut planned = Vec::new();
    if partitions.iter().all(|partition| partition.disks.is_empty()) {
        return Ok(planned);
    }
    // First the memory of all, because `same-as` can name a disk that comes later.
    let mut hosts: Vec<Vec<Option<Region<Pa>>>> = Vec::with_capacity(partitions.len());
    for (number, partition) in partitions.iter().enumerate() {
        let used = layout::used(partition, &emulated[number], &passthrough[number])?;
        let identity = partition.dma_unprotected.then_some(&used[..]);
        let host = |disk: &'a DiskDescription| {
            // The guest has no addresses of one that is a virtio device.
            host(memory, disk, identity.filter(|_| !disk.is_virtio))
        };
        hosts.push(partition.disks.iter().map(host).collect::<Result<_>>()?);
    }
    for (number, partition) in partitions.iter().enumerate() {
        let mut used = layout::used(partition, &emulated[number], &passthrough[number])?;
        used.push((places[number].guest, "the partition's memory"));
        let mut disks = Vec::with_capacity(partition.disks.len());
        let mut next = layout::first_beside(&places[number]);
        for (index, disk) in partition.disks.iter().enumerate() {
            let (same_as, (at, of)) = match &disk.contents {
                DiskContents::SameAs(name) => {
                    let other = find(partitions, &disk.path, name)?;
                    (Some(other), other)
                }
                DiskContents::Image { .. } | DiskContents::Zeros(_) => (None, (number, index)),
            };
            let host = hosts[at][of].unwrap_or(Region::EMPTY);
            let interface = if disk.is_virtio {
                let window_tables = window_tables(&[host]);
                DiskInterface::Virtio(VirtioDisk { interrupt: None, window_tables })
            } else {
                let is_fixed = partition.dma_unprotected;
                let start = if is_fixed { host.start().get() } else { next };
                let guest = layout::beside(&used, start, host.size(), is_fixed, &disk.path)?;
                used.push((guest, &disk.path));
                next = guest.end().get();
                DiskInterface::Memory(guest)
            };
            disks.push(PlannedDisk {
                name: disk.name.clone(),
                interface,
                host,
                is_read_only: same_as.is_some() || is_read_only_image(&disk.contents),
                source: disk.source().map(|image| image.region),
                same_as,
            });
        }
        planned.push(disks);
    }
    Ok(planned)
}

/// Returns the number of disks that are virtio devices, of a partition that has this number of
/// others: its links and its console.
///
/// # Errors
///
/// If it has more than [`MAX_VIRTIO_DEVICES`] with them.
pub(super) fn virtio_devices(partition: &PartitionDescription, others: usize) -> Result<usize> {
    let mut disks = partition.disks.iter().filter(|disk| disk.is_virtio);
    let most = MAX_VIRTIO_DEVICES.saturating_sub(others);
    match disks.nth(most) {
        None => Ok(partition.disks.iter().filter(|disk| disk.is_virtio).count()),
        Some(disk) => {
            let what = "is one device too many: a partition has at most";
            let which = "links and its console among them";
            let path = &disk.path;
            refuse!(path, ": interface = \"virtio\" {what} {MAX_VIRTIO_DEVICES}, {which}")
        }
    }
}

/// Gives each disk of a partition that is a virtio device an SPI that no device of the machine has.
///
/// # Errors
///
/// If too few are left.
pub(super) fn assign_interrupts(
    free: &mut FreeInterrupts,
    partition: &PartitionDescription,
    disks: &mut [PlannedDisk],
) -> Result<()> {
    for (disk, described) in disks.iter_mut().zip(&partition.disks) {
        let DiskInterface::Virtio(device) = &mut disk.interface else { continue };
        let Some(intid) = free.next() else {
            let spis = "SPIs above those of the machine's devices";
            let way = "give \"pmem\"";
            refuse!(described.path, ": interface = \"virtio\", but no {spis} are left: {way}");
        };
        device.interrupt = Some(Interrupt { intid, trigger: Trigger::Edge });
    }
    Ok(())
}

/// Takes memory for a disk, unless it is the same as another.
fn host<'a>(
    memory: &mut FreeMemory<'a>,
    disk: &'a DiskDescription,
    identity: Option<&[Used<'_>]>,
) -> Result<Option<Region<Pa>>> {
    let (size, what): (_, String) = match &disk.contents {
        DiskContents::Image { source, .. } => (source.region.size(), format!("{source}")),
        DiskContents::Zeros(size) => (*size, format!(": size = {}", Cells(&size.to_be_bytes()))),
        DiskContents::SameAs(_) => return Ok(None),
    };
    let rounded = size.checked_next_multiple_of(DISK_ALIGN);
    match rounded.map_or(Err(0), |size| memory.take_beside(size, &disk.path, identity)) {
        Ok(region) => Ok(Some(region)),
        Err(largest) => {
            let largest = Bytes(largest & !(DISK_ALIGN - 1));
            let why = "does not fit beside the partitions: the largest disk that does is";
            refuse!(disk.path, "{what} {why} {largest}")
        }
    }
}

/// Returns the partition and the disk there that `same-as` of the disk at `path` names.
fn find(partitions: &[PartitionDescription], path: &str, name: &str) -> Result<(usize, usize)> {
    for (number, partition) in partitions.iter().enumerate() {
        // Not every disk is looked at for every disk: there can be thousands.
        let begins = |with: &str| name.strip_prefix(with)?.strip_prefix('/');
        let by_path = || begins(&partition.path)?.strip_prefix("disks/");
        let disk = begins(&partition.name).or_else(by_path);
        let Some(disk) = disk else { continue };
        let index = partition.disks.iter().position(|it| it.name == disk);
        let Some(index) = index else { continue };
        if !is_read_only_image(&partition.disks[index].contents) {
            let way = "name one with data and read-only";
            refuse!(path, ": same-as = \"{name}\" is not a disk that can be shared: {way}");
        }
        return Ok((number, index));
    }
    let mut shared = Vec::new();
    for partition in partitions {
        let disks = partition.disks.iter().filter(|disk| is_read_only_image(&disk.contents));
        shared.extend(disks.map(|disk| format!("{}/{}", partition.name, disk.name)));
    }
    match nearest(name.as_bytes(), &mut shared.iter().map(String::as_str)) {
        "" => {
            let why = "is no disk: no partition has one with data and read-only";
            refuse!(path, ": same-as = \"{name}\" {why}");
        }
        nearest => {
            let why = "is no disk; the nearest that can be shared is";
            refuse!(path, ": same-as = \"{name}\" {why} \"{nearest}\"");
        }
    }
}

/// Returns whether a disk is an image that its guest cannot write.
fn is_read_only_image(contents: &DiskContents) -> bool {
    matches!(contents, DiskContents::Image { is_read_only: true, .. })
}
