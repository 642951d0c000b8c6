//! The Plan as plain data.

use alloc::string::String;
use alloc::vec::Vec;

use crate::arch::addr::{Ipa, Pa, Region};
use crate::arch::intid::Interrupt;
use crate::boot::machine::Device;
use crate::devices::planned::{DeviceKind, PlannedDevice};
use crate::mm::tables::Memory;
use crate::partition::lifecycle::Policy;
use crate::vgic::Delivery;

/// What every partition gets. No two of them share anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The partitions, in the order of the description.
    pub partitions: Vec<PartitionPlan>,
    /// Memory for the stage-2 tables of all partitions, in whole pages: enough for the
    /// [`mappings`](PartitionPlan::mappings) of all of them with the largest leaves that alignment allows.
    pub table_memory: Region<Pa>,
}

/// What one partition gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionPlan {
    /// The path of its node in the description, for messages.
    pub path: String,
    /// Its name, as people see it.
    pub name: String,
    /// The VMID of its stage 2, from 1 on.
    pub vmid: u8,
    /// Its CPUs, as indices into [`Machine::cpus`]. The first one runs vCPU 0, which boots.
    pub cpus: Vec<usize>,
    /// Its memory.
    pub memory: GuestMemory,
    /// The devices that Bulkhead emulates for it, each kind at most once. Their INTIDs are SPIs
    /// that none of its passed-through devices has, and with direct interrupts none that a device
    /// of the machine or of another partition has.
    pub devices: Vec<PlannedDevice>,
    /// The devices of the machine that are passed through to it, each at its physical address.
    pub passthrough: Vec<Device>,
    /// The physical SPIs that are its own, by ascending INTID, each once.
    pub interrupts: Vec<Interrupt>,
    /// All that stage 2 maps, by ascending IPA and without overlaps; in whole pages.
    pub mappings: Vec<Mapping>,
    /// How many tables those take. In [`Plan::table_memory`] they follow those of the partitions
    /// before.
    pub tables: usize,
    /// How interrupts reach it.
    pub delivery: Delivery,
    /// What follows when it crashes or resets itself.
    pub policy: Policy,
    /// Its kernel.
    pub kernel: LoadedImage,
    /// Its initial ramdisk.
    pub ramdisk: Option<LoadedImage>,
    /// Where its device tree goes, and how large it may be.
    pub tree: Region<Ipa>,
    /// Its kernel's command line.
    pub bootargs: String,
    /// Whether its PMU may count what EL2 does on its CPUs (MDCR_EL2.HPMD = 0).
    pub count_hypervisor: bool,
    /// Whether it has devices whose DMA no stage 2 stops. Its memory is then identity-mapped.
    pub dma_unprotected: bool,
}

impl PartitionPlan {
    /// Returns the emulated device of this kind, if the partition has one.
    #[must_use]
    pub fn device(&self, kind: DeviceKind) -> Option<&PlannedDevice> {
        self.devices.iter().find(|device| device.kind == kind)
    }

    /// Returns the time in milliseconds that the partition may leave its watchdog unrefreshed when
    /// it starts, if it has a watchdog.
    #[must_use]
    pub fn watchdog_milliseconds(&self) -> Option<u32> {
        self.devices.iter().find_map(|device| match device.kind {
            DeviceKind::Watchdog { milliseconds } => Some(milliseconds),
            _ => None,
        })
    }
}

/// A partition's memory: `guest` and `host` have the same size, a multiple of the page size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuestMemory {
    /// Where the guest sees it.
    pub guest: Region<Ipa>,
    /// Where it is.
    pub host: Region<Pa>,
}

/// Where the bytes of a kernel or ramdisk are, and where they go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadedImage {
    /// The pristine bytes, which stay where they are.
    pub source: Region<Pa>,
    /// The memory it needs, at least as many bytes: the first byte goes to the start. A kernel is
    /// entered there.
    pub load: Region<Ipa>,
}

/// A run of pages that stage 2 maps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mapping {
    /// Where the guest sees it.
    pub ipa: Ipa,
    /// Where it is.
    pub pa: Pa,
    /// Bytes, in whole pages.
    pub size: u64,
    /// How it behaves.
    pub memory: Memory,
}
