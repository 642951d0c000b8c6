//! Reads a system description into plain data, and refuses what is wrong on every machine.

use alloc::string::String;
use alloc::vec::Vec;

use super::copies::{self, Names};
use super::cpus::{CpuRequest, affinity, cpus};
use super::disks::{DiskDescription, disks};
use super::emulated::{DEVICE_PROPERTIES, optional_devices};
use super::links::{self, LinkDescription};
use super::shared_memory::{SharedMemoryDescription, shared_memory};
use super::source::{IMAGE_PROPERTIES, Images};
use crate::arch::addr::{Ipa, Pa};
use crate::arch::mpidr::Mpidr;
use crate::boot::description::{Image, ImageDescription, Peek, Result, refuse};
use crate::boot::fdt::{Node, Tree};
use crate::boot::machine::Device;
use crate::devices::planned::DeviceKind;
use crate::partition::lifecycle::{OnCrash, Policy};
use crate::vgic::Delivery;

/// A system description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// The path of its own node.
    pub system_path: String,
    /// The path of the node `partitions`.
    pub path: String,
    /// The partitions, in the order of the tree; at least one.
    pub partitions: Vec<PartitionDescription>,
    /// The links between them, in the order of the tree, but for those of memory.
    pub links: Vec<LinkDescription>,
    /// The memory that they share, in the order of the tree.
    pub shared_memory: Vec<SharedMemoryDescription>,
    /// `monitor`: whether the console offers the monitor.
    pub monitor: bool,
    /// `console-cpu`: the CPU that does the work of the console and of the monitor.
    pub console_cpu: Option<Mpidr>,
}

impl Description {
    /// Returns whether there are links.
    #[must_use]
    pub fn uses_links(&self) -> bool {
        !self.links.is_empty() || !self.shared_memory.is_empty()
    }
}

/// The description of a partition: its node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionDescription {
    /// The path of its node, of which other partitions are copies if it has `copies`.
    pub path: String,
    /// The name of its node; of a copy also its number.
    pub name: String,
    /// `cpus` or `cpu-ids`.
    pub cpus: CpuRequest,
    /// `memory` in bytes: a multiple of the page size, not 0.
    pub memory: u64,
    /// `guest-base`, page-aligned.
    pub guest_base: Option<Ipa>,
    /// `host-base`, page-aligned.
    pub host_base: Option<Pa>,
    /// `devices`: paths and aliases.
    pub devices: Vec<String>,
    /// `trusted-devices`: paths and aliases of further devices.
    pub trusted_devices: Vec<String>,
    /// `dma = "unprotected"`.
    pub dma_unprotected: bool,
    /// `bootargs`.
    pub bootargs: String,
    /// `fdt-offset`, page-aligned, in bytes from the start of the guest's memory.
    pub tree_offset: Option<u64>,
    /// `interrupts`.
    pub interrupts: Option<Delivery>,
    /// `count-hypervisor`.
    pub count_hypervisor: bool,
    /// `console = "virtio"`.
    pub virtio_console: bool,
    /// `on-crash` and `max-restarts`.
    pub policy: Policy,
    /// The emulated devices that the partition has by [`DEVICE_PROPERTIES`].
    pub optional_devices: Vec<DeviceKind>,
    /// The node `kernel`.
    pub kernel: KernelDescription,
    /// The node `ramdisk`.
    pub ramdisk: Option<ImageDescription>,
    /// The child nodes of the node `disks`.
    pub disks: Vec<DiskDescription>,
}

impl PartitionDescription {
    /// Returns whether a disk of the partition is a virtio device.
    pub fn has_virtio_disks(&self) -> bool {
        self.disks.iter().any(|disk| disk.is_virtio)
    }

    /// Returns the images of the partition.
    pub fn images(&self) -> impl Iterator<Item = &ImageDescription> {
        let disks = self.disks.iter().filter_map(DiskDescription::source);
        self.ramdisk.iter().chain([&self.kernel.source]).chain(disks)
    }

    /// Returns the devices that the partition requests.
    pub fn requests(&self) -> impl Iterator<Item = DeviceRequest<'_>> {
        let request = |is_trusted| move |name| DeviceRequest { name, is_trusted };
        let devices = self.devices.iter().map(String::as_str).map(request(false));
        devices.chain(self.trusted_devices.iter().map(String::as_str).map(request(true)))
    }
}

/// A device that a partition requests.
#[derive(Clone, Copy, Debug)]
pub struct DeviceRequest<'a> {
    /// Its path or alias.
    pub name: &'a str,
    /// Whether the description trusts the partition with it (`trusted-devices`).
    pub is_trusted: bool,
}

impl DeviceRequest<'_> {
    /// Returns the name of the property that has the request.
    pub fn property(self) -> &'static str {
        if self.is_trusted { "trusted-devices" } else { "devices" }
    }
}

/// The description of a kernel: its node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelDescription {
    /// Its bytes.
    pub source: ImageDescription,
    /// The format of its bytes.
    pub image: Image,
    /// `load-offset`, page-aligned, in bytes from the start of the guest's memory.
    pub load_offset: Option<u64>,
}

/// The properties of a partition, besides [`DEVICE_PROPERTIES`].
#[rustfmt::skip]
const PARTITION_PROPERTIES: [&str; 16] = [
    "cpus", "cpu-ids", "memory", "guest-base", "host-base", "devices", "trusted-devices", "dma",
    "bootargs", "fdt-offset", "count-hypervisor", "on-crash", "max-restarts", "interrupts",
    "console", "copies",
];
/// The properties of a description.
const SYSTEM_PROPERTIES: [&str; 4] = ["compatible", "model", "monitor", "console-cpu"];
/// The child nodes of a description: its partitions, links and images, and those that `dtc -@` adds.
const SYSTEM_NODES: [&str; 6] =
    ["partitions", "links", "images", "__symbols__", "__fixups__", "__local_fixups__"];

impl Description {
    /// Returns whether a partition requests a device.
    pub fn names_devices(&self) -> bool {
        self.partitions.iter().any(|partition| partition.requests().next().is_some())
    }

    /// Returns whether a partition requests this device.
    pub fn names(&self, device: &Device) -> bool {
        let mut requests = self.partitions.iter().flat_map(PartitionDescription::requests);
        requests.any(|request| device.is_called(request.name))
    }

    /// Returns how interrupts are delivered to a partition, if the machine can do that: as it
    /// requests, otherwise trapped, but directly to one that is alone. A guest with direct
    /// interrupts can disturb the interrupts of other partitions, and without others nobody.
    pub fn delivery(&self, partition: &PartitionDescription) -> Delivery {
        let alone = self.partitions.len() == 1;
        let default = if alone { Delivery::Direct } else { Delivery::Trapped };
        partition.interrupts.unwrap_or(default)
    }

    /// Returns whether a partition has virtio devices or doorbells, whose interrupts are SPIs that no
    /// device of the machine has.
    pub fn has_virtio(&self) -> bool {
        let has_own = |it: &PartitionDescription| it.virtio_console || it.has_virtio_disks();
        self.uses_links() || self.partitions.iter().any(has_own)
    }

    /// Returns whether a partition is to have direct interrupts.
    pub fn wants_direct_interrupts(&self) -> bool {
        self.partitions.iter().any(|it| self.delivery(it) == Delivery::Direct)
    }

    /// Reads the description below `system`: the root of `tree`, or the node `/chosen/bulkhead` of
    /// the firmware's tree. `base` is the physical address of `tree`.
    ///
    /// # Errors
    ///
    /// The first error in the description.
    pub fn read<'a>(
        tree: &'a Tree<'a>,
        system: Node<'a, 'a>,
        base: Pa,
        peek: Peek<'a>,
    ) -> Result<Self> {
        let mut path = system.path();
        if !system.is_compatible("bulkhead,system") {
            match system.text("compatible")? {
                Some(is) => refuse!(path, ": compatible = \"{is}\" is not \"bulkhead,system\""),
                None => refuse!(path, ": compatible is missing: give \"bulkhead,system\""),
            }
        }
        system.check(&SYSTEM_PROPERTIES, Some(&SYSTEM_NODES))?;
        let monitor = system.flag("monitor")?;
        let like = "one cell, Aff2 to Aff0, as in <0x3>";
        let console_cpu = system.read("console-cpu", like, |id| affinity(id.u32()?))?;
        let system_path = system.path();
        let images = Images::read(tree, system, base, peek)?;
        let mut partitions: Vec<PartitionDescription> = Vec::new();
        if let Some(node) = system.first_child("partitions") {
            path = node.path();
            node.check(&[], None)?;
            let mut names = Names::default();
            for node in node.children() {
                let names = copies::read(node, &mut names)?;
                let one = partition(node, &images)?;
                let copy = |name| PartitionDescription { name, ..one.clone() };
                partitions.extend(names.into_iter().map(copy));
            }
        }
        if partitions.is_empty() {
            let way = "give each one a node below the node partitions";
            refuse!(path, " has no partition: {way}");
        }
        let names: Vec<_> = partitions.iter().map(|it| it.name.as_str()).collect();
        let links = links::links(system, &names)?;
        let shared_memory = shared_memory(system, &names)?;
        Ok(Self { system_path, path, partitions, links, shared_memory, monitor, console_cpu })
    }
}

/// Reads the node of a partition.
fn partition<'a>(node: Node<'a, 'a>, images: &Images<'a>) -> Result<PartitionDescription> {
    let mut properties = Vec::from(PARTITION_PROPERTIES);
    properties.extend(DEVICE_PROPERTIES.map(|property| property.name));
    const NODES: [&str; 3] = ["kernel", "ramdisk", "disks"];
    node.check(&properties, Some(&NODES))?;
    let [kernel_node, ramdisk_node, disks_node] = node.first_children(NODES);
    let (path, name) = (node.path(), node.name());
    let cpus = cpus(node)?;
    let memory = match node.pages("memory", 2)? {
        Some(0) => refuse!(path, ": memory = <0x0 0x0> is empty: give at least one page"),
        Some(size) => size,
        None => {
            let like = "the bytes in two cells, as in <0x0 0x1000000>";
            refuse!(path, ": memory is missing: give {like}")
        }
    };
    let dma_unprotected = match node.text("dma")? {
        None => false,
        Some("unprotected") => true,
        Some(dma) => {
            let like = "\"unprotected\", the only value";
            refuse!(path, ": dma = \"{dma}\" is not {like}")
        }
    };
    let virtio_console = match node.text("console")? {
        None => false,
        Some("virtio") => true,
        Some(console) => {
            let like = "\"virtio\", the only value: leave it out for the PL011 alone";
            refuse!(path, ": console = \"{console}\" is not {like}")
        }
    };
    let interrupts = match node.text("interrupts")? {
        None => None,
        Some("trapped") => Some(Delivery::Trapped),
        Some("direct") => Some(Delivery::Direct),
        Some(other) => {
            refuse!(path, ": interrupts = \"{other}\" is neither \"trapped\" nor \"direct\"")
        }
    };
    let devices = |name| {
        let list = node
            .read(name, "a list of strings", |it| Some(it.strings()?.map(String::from).collect()));
        list.map(Option::unwrap_or_default)
    };
    Ok(PartitionDescription {
        name: String::from(name),
        cpus,
        memory,
        guest_base: node.pages("guest-base", 2)?.map(Ipa::new),
        host_base: node.pages("host-base", 2)?.map(Pa::new),
        devices: devices("devices")?,
        trusted_devices: devices("trusted-devices")?,
        dma_unprotected,
        bootargs: String::from(node.text("bootargs")?.unwrap_or_default()),
        tree_offset: node.pages("fdt-offset", 1)?,
        interrupts,
        count_hypervisor: node.flag("count-hypervisor")?,
        virtio_console,
        policy: policy(node)?,
        optional_devices: optional_devices(node)?,
        kernel: kernel(&path, kernel_node, images)?,
        ramdisk: ramdisk(ramdisk_node, images)?,
        disks: disks(disks_node, images)?,
        path,
    })
}

/// Reads `on-crash` and `max-restarts`.
fn policy(node: Node<'_, '_>) -> Result<Policy> {
    let on_crash = match node.text("on-crash")? {
        None | Some("stop") => OnCrash::Stop,
        Some("restart") => OnCrash::Restart,
        Some(other) => {
            refuse!(node.path(), ": on-crash = \"{other}\" is neither \"restart\" nor \"stop\"")
        }
    };
    Ok(Policy { on_crash, max_restarts: node.cell("max-restarts")? })
}

/// Reads the node `kernel` of the partition at `path`.
fn kernel<'a>(
    path: &str,
    node: Option<Node<'a, 'a>>,
    images: &Images<'a>,
) -> Result<KernelDescription> {
    let Some(node) = node else {
        let like = "a node with the kernel's bytes in its data";
        refuse!(path, ": kernel is missing: give {like}");
    };
    node.check(&["data", "reg", "image", "load-offset", "flat"], Some(&[]))?;
    let (source, bytes) = images.find(node)?;
    let load_offset = node.pages("load-offset", 1)?;
    match (Image::of(bytes), load_offset) {
        (Err(problem), _) => refuse!(source.path, "{source} {problem}"),
        (Ok(_), _) if node.flag("flat")? => {
            Ok(KernelDescription { source, image: Image::Flat, load_offset })
        }
        (Ok(Image::Arm64 { .. }), Some(offset)) => {
            let why = "is only for flat binaries: an arm64 Image has its offset in its header";
            let way = "say flat; as well if the header is wrong";
            refuse!(source.path, ": load-offset = <{offset:#x}> {why}; {way}")
        }
        (Ok(image), load_offset) => Ok(KernelDescription { source, image, load_offset }),
    }
}

/// Reads the node `ramdisk`, if there is one.
fn ramdisk<'a>(
    node: Option<Node<'a, 'a>>,
    images: &Images<'a>,
) -> Result<Option<ImageDescription>> {
    let Some(node) = node else { return Ok(None) };
    node.check(&IMAGE_PROPERTIES, Some(&[]))?;
    Ok(Some(images.find(node)?.0))
}
