//! The devices that are emulated for a partition, and their interrupts.

use alloc::vec::Vec;
use core::ops::Range;

use crate::arch::intid::{Interrupt, Intid, Trigger};
use crate::boot::description::PartitionDescription;
use crate::boot::description::{Result, refuse};
use crate::boot::machine::{Device, Gic, Machine};
use crate::devices::planned::{DeviceKind, PlannedDevice};
use crate::vgic::Delivery;

/// Returns the emulated devices of a partition with these numbers of vCPUs, and of virtio devices and
/// of doorbells, to which these devices are passed through. Their INTIDs are still to be assigned.
pub(super) fn devices(
    partition: &PartitionDescription,
    gic: &Gic,
    vcpus: usize,
    [virtio, doorbells]: [usize; 2],
    passthrough: &[Device],
) -> Vec<PlannedDevice> {
    let of_cpus = match gic {
        Gic::V2 { .. } => DeviceKind::CpuInterface,
        Gic::V3 { .. } => DeviceKind::Redistributors,
    };
    let mut kinds = Vec::from([DeviceKind::Distributor, of_cpus, DeviceKind::Pl011]);
    kinds.extend(&partition.optional_devices);
    if virtio > 0 {
        kinds.push(DeviceKind::Virtio);
    }
    if passthrough.iter().any(|device| device.function.is_some()) {
        kinds.push(DeviceKind::PciConfiguration);
    }
    if doorbells > 0 {
        kinds.push(DeviceKind::Doorbells);
    }
    let new = |kind| {
        let ends = if kind == DeviceKind::Doorbells { doorbells } else { virtio };
        PlannedDevice::new(kind, vcpus, ends)
    };
    kinds.into_iter().map(new).collect()
}

/// The SPIs that are left for emulated devices, among them virtio devices.
pub(super) struct FreeInterrupts {
    /// The INTIDs that nothing has so far: no device of the machine, no virtio device, and no other
    /// emulated device of a partition with direct interrupts.
    free: Range<u32>,
    /// Whether the machine can deliver interrupts directly.
    delivers_directly: bool,
}

impl FreeInterrupts {
    /// All SPIs from `first` on that no device of the machine has.
    pub fn new(machine: &Machine, first: u32) -> Self {
        let Machine { free_interrupts: Range { start, end }, delivers_directly, .. } = machine;
        Self { free: first.max(*start)..*end, delivers_directly: *delivers_directly }
    }

    /// Takes the next one.
    pub fn next(&mut self) -> Option<Intid> {
        self.free.next().and_then(Intid::new)
    }

    /// Takes the next one as an edge-triggered interrupt. No device of the machine has it, so that any
    /// CPU can make it pending.
    pub fn next_edge(&mut self) -> Option<Interrupt> {
        self.next().map(|intid| Interrupt { intid, trigger: Trigger::Edge })
    }

    /// Takes the next one, edge-triggered, for an end of the link with this name, of the partition at
    /// this path: whoever sends to the end makes it pending.
    ///
    /// # Errors
    ///
    /// If none is left.
    pub fn next_for_link(&mut self, path: &str, name: &str) -> Result<Interrupt> {
        let Some(interrupt) = self.next_edge() else {
            let spis = "SPIs above those of the machine's devices";
            refuse!(path, " has the link {name}, but no {spis} are left: give fewer links");
        };
        Ok(interrupt)
    }

    /// Assigns an SPI to each emulated device of a partition that raises one, in the order of the
    /// devices, and returns how interrupts are delivered to the partition: as `wanted`, but trapped
    /// if the machine cannot deliver them directly and the partition does not request it. `owned`
    /// are the interrupts that the partition has already.
    ///
    /// # Errors
    ///
    /// If the machine cannot deliver interrupts as the partition requests, or if the passed-through
    /// devices have all SPIs.
    pub fn assign(
        &mut self,
        partition: &PartitionDescription,
        wanted: Delivery,
        devices: &mut [PlannedDevice],
        owned: &[Interrupt],
    ) -> Result<Delivery> {
        let raising = devices.iter_mut().filter(|it| it.kind.facts().has_interrupt);
        let raising: Vec<_> = raising.collect();
        let count = raising.len();
        let left = self.free.len();
        let is_direct = wanted == Delivery::Direct && self.delivers_directly;
        let direct = if is_direct { self.direct(count) } else { None };
        let (delivery, intids) = match direct {
            Some(intids) => (Delivery::Direct, intids),
            None if partition.interrupts == Some(Delivery::Direct) => {
                let (what, way) = (": interrupts = \"direct\" needs", "give \"trapped\"");
                if !self.delivers_directly {
                    let gic = "a GICv3 with one Security state and no firmware at EL3";
                    refuse!(partition.path, "{what} {gic}: {way}");
                }
                let spis = "SPIs above those of the machine's devices";
                refuse!(partition.path, "{what} {count} {spis}, and {left} are left: {way}")
            }
            None => (Delivery::Trapped, trapped(&partition.path, count, owned)?),
        };
        for (device, intid) in raising.into_iter().zip(intids) {
            device.intid = Some(intid);
        }
        Ok(delivery)
    }

    /// Takes `count` SPIs, in ascending order, for a partition with direct interrupts. They are the
    /// first ones above those of all devices: the GICD registers of a guest reach up to its last
    /// SPI, which should be low.
    fn direct(&mut self, count: usize) -> Option<Vec<Intid>> {
        let free: Vec<_> = self.free.by_ref().take(count).filter_map(Intid::new).collect();
        (free.len() == count).then_some(free)
    }
}

/// Returns `count` SPIs, in ascending order, for a partition whose interrupts are trapped: the
/// lowest that none of its devices has, from SPI 1 on, which is the PL011's on QEMU `virt`.
///
/// # Errors
///
/// If the devices have all of them.
fn trapped(path: &str, count: usize, owned: &[Interrupt]) -> Result<Vec<Intid>> {
    let spis = (1..).map_while(Intid::spi);
    let is_free = |spi: &Intid| owned.iter().all(|it| it.intid != *spi);
    let free: Vec<_> = spis.filter(is_free).take(count).collect();
    if free.len() < count {
        refuse!(path, ": devices have all SPIs: none is left for the emulated devices");
    }
    Ok(free)
}
