//! The memory for the state of many partitions, for which the heap in Bulkhead's image is too small.
//!
//! The Plan does not know the sizes of the EL2 program's types, so the bytes for each part of a
//! partition are more than it needs.

use super::memory::FreeMemory;
use super::types::PartitionPlan;
use crate::arch::addr::{Pa, Region};
use crate::boot::description::Result;
use crate::devices::planned::DeviceKind;

/// The bytes of the image's heap that are left for partitions once the Plan is made.
const OWN: u64 = 1 << 20;
/// The bytes that each partition needs, without what follows.
const PARTITION: u64 = 24 << 10;
/// The bytes that each vCPU needs.
const VCPU: u64 = 8 << 10;
/// The bytes that each virtio device, doorbell or second UART needs.
const DEVICE: u64 = 32 << 10;
/// The unit of this memory, which a leaf of EL2's tables maps.
const BLOCK: u64 = 2 << 20;

/// Returns the bytes of memory that the partitions need.
fn needed(partitions: &[PartitionPlan]) -> u64 {
    let of = |it: &PartitionPlan| {
        let monitors = usize::from(it.device(DeviceKind::MonitorPl011).is_some());
        let virtio = it.virtio_disks().count() + usize::from(it.virtio_console.is_some());
        let devices = monitors + virtio + it.links.len() + it.shared_memory.len();
        PARTITION + VCPU * it.cpus.len() as u64 + DEVICE * devices as u64
    };
    partitions.iter().map(of).sum()
}

/// Takes the memory that the partitions need beside the heap of the image: none, if that is enough.
///
/// # Errors
///
/// If there is too little memory. The error begins with the path `node`.
pub(super) fn take(
    memory: &mut FreeMemory<'_>,
    node: &str,
    partitions: &[PartitionPlan],
) -> Result<Region<Pa>> {
    match needed(partitions).saturating_sub(OWN).next_multiple_of(BLOCK) {
        0 => Ok(Region::EMPTY),
        size => memory.take_own(node, "state of the partitions", size, BLOCK),
    }
}
