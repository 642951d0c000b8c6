//! The Plan as plain data.

use alloc::string::String;
use alloc::vec::Vec;

use super::dma_plan::SmmuPlan;
use super::message_plan::{ItsPlan, MessagePlan};
use crate::arch::addr::{Ipa, Pa, Region};
use crate::arch::intid::Interrupt;
use crate::boot::machine::Device;
use crate::boot::pci::BusWindow;
use crate::devices::planned::{DeviceKind, PlannedDevice};
use crate::mm::tables::Attributes;
use crate::partition::lifecycle::Policy;
use crate::pci::{Address, ResetMethod, View};
use crate::vgic::Delivery;
use crate::virtio::link::Kind;
use crate::virtio::personality::Personality;

/// What each partition owns. No two partitions share anything but the links that the description
/// gives them, of which some are memory ([`SharedMemoryPlan`]), and the one copy of a read-only disk
/// if it says so ([`PlannedDisk::same_as`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The partitions, in the order of the description.
    pub partitions: Vec<PartitionPlan>,
    /// The links between them, in the order of the description, but for those of memory.
    pub links: Vec<LinkPlan>,
    /// The memory that they share, in the order of the description.
    pub shared_memory: Vec<SharedMemoryPlan>,
    /// The SMMUs that have streams of partitions, in the order of the machine.
    pub smmus: Vec<SmmuPlan>,
    /// The ITS that takes messages of partitions' functions, if one does.
    pub its: Option<ItsPlan>,
    /// Memory for translation tables, in whole pages: first the stage-2 tables of all partitions,
    /// enough for all of their [`mappings`](PartitionPlan::mappings) with the largest leaves that
    /// alignment allows; then, in the same order, their tables for
    /// [devices](PartitionPlan::dma_mappings), and the tables for EL2's windows onto each
    /// partition's memory and onto its disks by virtio; then those for its window onto the
    /// [`images`](Self::images).
    pub table_memory: Region<Pa>,
    /// Memory for the state of partitions that the heap of the image has no room for, or none.
    pub heap: Region<Pa>,
    /// The pages of the partitions' images that nothing else needs once the partitions are built:
    /// the loader's initrd, and images that are alone in memory. What is in Bulkhead's own image or
    /// in the machine's tree is not among them.
    pub images: Vec<Region<Pa>>,
    /// The number of tables for a window onto the images.
    pub image_tables: usize,
    /// Whether the console offers the monitor.
    pub console_monitor: bool,
    /// The CPU that does the work of the console and of the monitor, as an index into
    /// [`Machine::cpus`](crate::boot::machine::Machine::cpus): the one that the description names
    /// by `console-cpu`, otherwise the first one that no partition owns and that Bulkhead can
    /// start. `None` if there is no such CPU: then that work is done on the CPUs of the partitions.
    pub console_cpu: Option<usize>,
}

impl Plan {
    /// Returns whether the console or a partition uses the monitor.
    pub fn uses_monitor(&self) -> bool {
        let uses = |partition: &PartitionPlan| partition.device(DeviceKind::MonitorPl011).is_some();
        self.console_monitor || self.partitions.iter().any(uses)
    }

    /// Returns whether a partition has a PCI Express function.
    pub fn uses_pcie(&self) -> bool {
        self.partitions.iter().any(|partition| partition.pci.is_some())
    }

    /// Returns whether a partition has a virtio device: an end of a link, a disk or a console.
    pub fn uses_virtio(&self) -> bool {
        let has_virtio = |it: &PartitionPlan| it.device(DeviceKind::Virtio).is_some();
        self.partitions.iter().any(has_virtio)
    }
}

/// What one partition owns, and how it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionPlan {
    /// The path of its node in the description, for messages.
    pub path: String,
    /// Its name: 1 to 15 letters, digits, hyphens and underscores.
    pub name: String,
    /// The VMID of its stage 2, 1 or more.
    pub vmid: u8,
    /// Its CPUs, as indices into [`Machine::cpus`](crate::boot::machine::Machine::cpus). The first
    /// one runs vCPU 0, the boot CPU of the guest.
    pub cpus: Vec<usize>,
    /// Its memory.
    pub memory: GuestMemory,
    /// The devices that Bulkhead emulates for it, each kind at most once. Their INTIDs are SPIs
    /// that none of its passed-through devices has, and with direct interrupts none that a device
    /// of the machine or of another partition has.
    pub devices: Vec<PlannedDevice>,
    /// The devices of the machine that are passed through to it, each at its physical address.
    pub passthrough: Vec<Device>,
    /// The PCI Express functions among them.
    pub pci: Option<PlannedBus>,
    /// The messages by which those interrupt, if some can.
    pub messages: Option<MessagePlan>,
    /// Its ends of links. The registers of each are a page of [`DeviceKind::Virtio`], in the same
    /// order; those of its disks by virtio and of its
    /// virtio console follow.
    pub links: Vec<LinkPort>,
    /// If it has a console by virtio beside its PL011: the interrupt of that device, an SPI as those
    /// of links. Its registers are the last page of [`DeviceKind::Virtio`].
    pub virtio_console: Option<Interrupt>,
    /// The memory that it shares with others. The registers of each doorbell are a page of
    /// [`DeviceKind::Doorbells`], in the same order.
    pub shared_memory: Vec<SharedMemoryPort>,
    /// The SPIs of its passed-through devices, of its CPUs' PMUs, of its virtio devices and of its
    /// doorbells, by ascending INTID, each once.
    pub interrupts: Vec<Interrupt>,
    /// Everything that stage 2 maps, by ascending IPA, without overlaps, in whole pages.
    pub mappings: Vec<Mapping>,
    /// The number of tables for those mappings. In [`Plan::table_memory`] they follow the tables of
    /// the partitions before.
    pub tables: usize,
    /// Everything that its devices behind SMMUs may reach, in the same form: its memory, its disks,
    /// the memory that it shares, and the page to which they send messages. Empty, if it has no such
    /// device.
    pub dma_mappings: Vec<Mapping>,
    /// The number of tables for those mappings.
    pub dma_tables: usize,
    /// The number of tables for a window onto its memory.
    pub window_tables: usize,
    /// How interrupts are delivered to it.
    pub delivery: Delivery,
    /// What happens when it crashes or resets itself.
    pub policy: Policy,
    /// Its kernel.
    pub kernel: LoadedImage,
    /// Its initial ramdisk.
    pub ramdisk: Option<LoadedImage>,
    /// Its disks, in the order of the description.
    pub disks: Vec<PlannedDisk>,
    /// The guest addresses for its device tree, which may be smaller.
    pub tree: Region<Ipa>,
    /// The command line of its kernel.
    pub bootargs: String,
    /// Whether its PMU counts events at EL2 (MDCR_EL2.HPMD = 0).
    pub count_hypervisor: bool,
    /// Whether it may own devices whose DMA no stage 2 restricts. Its memory is then
    /// identity-mapped.
    pub dma_unprotected: bool,
}

impl PartitionPlan {
    /// Returns the emulated device of this kind, if the partition has one.
    #[must_use]
    pub fn device(&self, kind: DeviceKind) -> Option<&PlannedDevice> {
        self.devices.iter().find(|device| device.kind == kind)
    }

    /// Returns the bytes of its images.
    pub fn sources(&self) -> impl Iterator<Item = Region<Pa>> {
        let images = self.ramdisk.iter().chain([&self.kernel]).map(|image| image.source);
        images.chain(self.disks.iter().filter_map(|disk| disk.source))
    }

    /// Returns its disks by virtio, in the order of the description.
    pub fn virtio_disks(&self) -> impl Iterator<Item = (&PlannedDisk, &VirtioDisk)> {
        self.disks.iter().filter_map(|disk| Some((disk, disk.device()?)))
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

/// A link between partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkPlan {
    /// Its name: 1 to 15 letters, digits, hyphens and underscores.
    pub name: String,
    /// What it connects.
    pub kind: Kind,
    /// For each of its ports the partition, as an index into [`Plan::partitions`].
    pub partitions: Vec<usize>,
}

/// A partition's end of a link: a virtio device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkPort {
    /// The link, as an index into [`Plan::links`].
    pub link: usize,
    /// The number of the port in the link.
    pub port: u8,
    /// The name of the link.
    pub name: String,
    /// What the device is.
    pub personality: Personality,
    /// Its interrupt: an SPI that no device raises, edge-triggered. `None` until it is assigned.
    pub interrupt: Option<Interrupt>,
}

/// A partition's PCI Express functions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedBus {
    /// The configuration space of the host bridge that they are below, from that of
    /// [`first_bus`](Self::first_bus) on.
    pub configuration: Region<Pa>,
    /// The number of the host bridge's own bus.
    pub first_bus: u8,
    /// The bridges that lead to them, which forward the window and nothing else.
    pub ports: Vec<Address>,
    /// Where their memory is, which nothing else has. The guest sees it at its physical addresses.
    pub window: BusWindow,
    /// Whether their accesses see the caches.
    pub is_coherent: bool,
    /// The functions. The guest sees each as function 0 of the device on bus 0 with its index.
    pub functions: Vec<PlannedFunction>,
}

/// A PCI Express function that is given to a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedFunction {
    /// Its path in the description.
    pub path: String,
    /// Its address below the host bridge.
    pub address: Address,
    /// What the guest sees of its configuration space.
    pub view: View,
    /// Its interrupt pin, 1 (INTA) to 4; 0 if it has none.
    pub pin: u8,
    /// The interrupt of that pin.
    pub interrupt: Option<Interrupt>,
    /// If it can send messages, the number by which what takes them knows it.
    pub source: Option<u32>,
    /// How it is reset.
    pub reset: ResetMethod,
}

/// Memory that partitions share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedMemoryPlan {
    /// The name of the link: 1 to 15 letters, digits, hyphens and underscores.
    pub name: String,
    /// For each of its ports the partition, as an index into [`Plan::partitions`].
    pub partitions: Vec<usize>,
    /// The physical addresses, in whole pages.
    pub host: Region<Pa>,
}

/// Memory that a partition shares with others, as the partition has it, and its doorbell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedMemoryPort {
    /// The memory, as an index into [`Plan::shared_memory`].
    pub memory: usize,
    /// The number of the partition's port.
    pub port: u8,
    /// The number of ports, each of another partition.
    pub ports: u8,
    /// The name of the link.
    pub name: String,
    /// The guest and the physical addresses, outside the partition's own memory.
    pub place: GuestMemory,
    /// The interrupt of its doorbell: an SPI that no device raises, edge-triggered. `None` until it
    /// is assigned.
    pub interrupt: Option<Interrupt>,
}

impl SharedMemoryPort {
    /// Returns the memory that the partition has to fill with zeros: none if that is the task of
    /// another one, that of port 0.
    #[must_use]
    pub fn own_memory(&self) -> Option<Region<Pa>> {
        (self.port == 0).then_some(self.place.host)
    }
}

/// A partition's memory: `guest` and `host` have the same size, a multiple of the page size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuestMemory {
    /// The guest addresses.
    pub guest: Region<Ipa>,
    /// The physical addresses.
    pub host: Region<Pa>,
}

/// A disk: memory beside a partition's own, which its restarts leave as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedDisk {
    /// Its name.
    pub name: String,
    /// How the guest accesses it.
    pub interface: DiskInterface,
    /// The physical addresses; their size is a multiple of 2 MiB.
    pub host: Region<Pa>,
    /// Whether the guest cannot write it.
    pub is_read_only: bool,
    /// The bytes that it begins with. The rest of it is zeros at first.
    pub source: Option<Region<Pa>>,
    /// If it is the only copy of a read-only disk that has another owner: the index of that
    /// partition, and of the disk there, which has no `same_as` itself.
    pub same_as: Option<(usize, usize)>,
}

/// How a guest accesses a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskInterface {
    /// As memory, at these guest addresses outside the partition's memory, of the size of
    /// [`PlannedDisk::host`].
    Memory(Region<Ipa>),
    /// By a block device. Stage 2 does not map the disk's memory.
    Virtio(VirtioDisk),
}

/// The device by which a guest accesses a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VirtioDisk {
    /// Its interrupt: an SPI that no device raises, edge-triggered. `None` until it is assigned.
    pub interrupt: Option<Interrupt>,
    /// The number of tables for a window onto the disk.
    pub window_tables: usize,
}

impl PlannedDisk {
    /// Returns the guest addresses, if the guest accesses it as memory.
    #[must_use]
    pub fn guest(&self) -> Option<Region<Ipa>> {
        match self.interface {
            DiskInterface::Memory(guest) => Some(guest),
            DiskInterface::Virtio(_) => None,
        }
    }

    /// Returns its device, if the guest accesses it by virtio.
    #[must_use]
    pub fn device(&self) -> Option<&VirtioDisk> {
        match &self.interface {
            DiskInterface::Memory(_) => None,
            DiskInterface::Virtio(device) => Some(device),
        }
    }

    /// Returns the memory that the partition has to fill with the first contents: none if the
    /// disk is another's.
    #[must_use]
    pub fn own_memory(&self) -> Option<Region<Pa>> {
        self.same_as.is_none().then_some(self.host)
    }
}

/// The source and the destination of a kernel or ramdisk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadedImage {
    /// The bytes of the image, which are never modified: a restart copies them again.
    pub source: Region<Pa>,
    /// The memory that it needs, at least the size of `source`. Its first byte is copied to the
    /// start, where a kernel is entered.
    pub load: Region<Ipa>,
}

/// A range of pages that stage 2 maps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mapping {
    /// The guest address.
    pub ipa: Ipa,
    /// The physical address.
    pub pa: Pa,
    /// The size in bytes, a multiple of the page size.
    pub size: u64,
    /// Its memory attributes.
    pub attributes: Attributes,
}
