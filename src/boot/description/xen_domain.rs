//! Reads the domains that a machine's tree describes for Xen's dom0less boot, as partitions.
//!
//! Each node below `/chosen` that is compatible with `xen,domain` is a partition
//! (Xen, docs/misc/arm/device-tree/booting.txt and docs/misc/arm/passthrough.txt):
//!
//! | of a domain | the partition has |
//! |---|---|
//! | `cpus`, `memory` in KiB | as many CPUs of its own, as much memory |
//! | `vpl011`, `nr_spis` | a PL011 and the SPIs that it needs, with or without these |
//! | `xen,static-mem` | its memory at this physical address |
//! | `direct-map` | its memory at the same guest address |
//! | a module `multiboot,kernel` with `bootargs` | this kernel, and these arguments |
//! | a module `multiboot,ramdisk` | this ramdisk |
//! | a module `multiboot,device-tree` | the devices that `xen,path` names (`passthrough`) |
//!
//! Everything else is refused by its name: it has no counterpart here, or another meaning.

use alloc::string::String;
use alloc::vec::Vec;

use super::bulkhead::{Description, KernelDescription, PartitionDescription};
use super::cpus::CpuRequest;
use super::fields::EVERYWHERE;
use super::image::Image;
use super::passthrough::{Passthrough, passthrough};
use super::source::{ImageDescription, Peek, whole_memory};
use super::{Cells, Result, refuse};
use crate::arch::addr::{Ipa, PAGE_SIZE, Pa, Region};
use crate::boot::fdt::Node;
use crate::partition::lifecycle::Policy;

/// What the node of a domain is compatible with.
const DOMAIN: &str = "xen,domain";
/// What every module is compatible with.
const MODULE: &str = "multiboot,module";
/// The properties of a domain.
const DOMAIN_PROPERTIES: [&str; 9] = [
    "compatible",
    "memory",
    "cpus",
    "vpl011",
    "nr_spis",
    "direct-map",
    "xen,static-mem",
    "#xen,static-mem-address-cells",
    "#xen,static-mem-size-cells",
];

/// A kind of module.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Module {
    Kernel,
    Ramdisk,
    DeviceTree,
}

/// The kinds of modules, by what their nodes are compatible with.
const MODULES: [(&str, Module); 3] = [
    ("multiboot,kernel", Module::Kernel),
    ("multiboot,ramdisk", Module::Ramdisk),
    ("multiboot,device-tree", Module::DeviceTree),
];

/// Returns whether a node has domains.
pub fn has_domains(node: Node<'_, '_>) -> bool {
    node.children().any(|child| child.is_compatible(DOMAIN))
}

/// Reads the domains below the node `chosen` of the firmware's tree, of which there is at least one.
///
/// # Errors
///
/// The first error, or the first thing that has no counterpart.
pub fn read<'a>(chosen: Node<'a, 'a>, peek: Peek<'a>) -> Result<Description> {
    let mut partitions = Vec::new();
    for node in chosen.children() {
        if node.is_compatible(DOMAIN) {
            partitions.push(domain(node, peek)?);
        } else if node.is_compatible(MODULE) {
            refuse!(node.path(), " is a module of dom0, which does not exist: give it to a domain");
        }
    }
    Ok(Description {
        system_path: chosen.path(),
        path: chosen.path(),
        partitions,
        links: Vec::new(),
        shared_memory: Vec::new(),
        monitor: false,
        console_cpu: None,
    })
}

/// The modules of a domain.
#[derive(Default)]
struct Modules<'a> {
    kernel: Option<(KernelDescription, &'a str)>,
    ramdisk: Option<ImageDescription>,
    passthrough: Passthrough,
}

/// Reads a domain.
fn domain<'a>(node: Node<'a, 'a>, peek: Peek<'a>) -> Result<PartitionDescription> {
    let (path, name) = (node.path(), node.plain_name()?);
    check(node, &DOMAIN_PROPERTIES)?;
    let memory = memory(node)?;
    let static_memory = static_memory(node, memory)?;
    let is_direct = node.flag("direct-map")?;
    if is_direct && static_memory.is_none() {
        refuse!(path, ": direct-map is present, but not xen,static-mem: give both");
    }
    let cpus = match node.cell("cpus")? {
        None => refuse!(path, ": cpus is missing: give how many, as in <1>"),
        Some(0) => refuse!(path, ": cpus = <0> is empty: give at least one"),
        Some(count) => CpuRequest::Count(count),
    };
    let modules = modules(node, peek)?;
    let Some((kernel, bootargs)) = modules.kernel else {
        refuse!(path, " has no module that is compatible with \"multiboot,kernel\"");
    };
    Ok(PartitionDescription {
        path,
        name: String::from(name),
        cpus,
        memory,
        guest_base: static_memory.filter(|_| is_direct).map(|base| Ipa::new(base.get())),
        host_base: static_memory,
        devices: Vec::new(),
        trusted_devices: modules.passthrough.devices,
        dma_unprotected: modules.passthrough.is_unprotected,
        bootargs: String::from(bootargs),
        tree_offset: None,
        interrupts: None,
        count_hypervisor: false,
        virtio_console: false,
        policy: Policy::default(),
        optional_devices: Vec::new(),
        kernel,
        ramdisk: modules.ramdisk,
        disks: Vec::new(),
    })
}

/// Checks that a node has no other properties than these and those that every node may have.
fn check(node: Node<'_, '_>, properties: &[&str]) -> Result<()> {
    let known = |name: &str| properties.contains(&name) || EVERYWHERE.contains(&name);
    match node.properties().find(|property| !known(property.name)) {
        Some(property) => {
            refuse!(node.path(), ": {} has no counterpart: leave it out", property.name)
        }
        None => Ok(()),
    }
}

/// Returns the size of a domain's memory in bytes.
fn memory(node: Node<'_, '_>) -> Result<u64> {
    let like = "the KiB in two cells, as in <0x0 0x20000>";
    let Some(kib) = node.read("memory", like, |it| it.number())? else {
        refuse!(node.path(), ": memory is missing: give {like}");
    };
    match kib.checked_mul(1024) {
        Some(bytes @ PAGE_SIZE..) if bytes.is_multiple_of(PAGE_SIZE) => Ok(bytes),
        _ => {
            let why = "is not a multiple of 4 from 4 on";
            refuse!(node.path(), ": memory = {} {why}, in KiB", Cells(&kib.to_be_bytes()))
        }
    }
}

/// Returns the start of the physical memory that a domain requests, of `size` bytes.
fn static_memory(node: Node<'_, '_>, size: u64) -> Result<Option<Pa>> {
    const NAME: &str = "xen,static-mem";
    let Some(property) = node.property(NAME) else { return Ok(None) };
    let cells = |name| -> Result<u32> { Ok(node.cell(name)?.unwrap_or(0)) };
    let lengths = [cells("#xen,static-mem-address-cells")?, cells("#xen,static-mem-size-cells")?];
    let regions = regions(property.value, lengths);
    match regions.as_deref() {
        Some([region]) if region.size() == size && region.start().get() % PAGE_SIZE == 0 => {
            Ok(Some(region.start()))
        }
        Some([region]) => {
            let like = "is not a region of whole pages that is as large as memory";
            refuse!(node.path(), ": {NAME} = {region} {like}")
        }
        Some(regions) => {
            let way = "give one, of all memory";
            refuse!(node.path(), ": {NAME} has {} regions: {way}", regions.len())
        }
        None => {
            let like =
                "regions with as many cells as #xen,static-mem-address-cells and -size-cells";
            refuse!(node.path(), ": {NAME} ({} bytes) is not {like}", property.value.len())
        }
    }
}

/// Returns the regions that the bytes of a property describe, with an address and a size of this
/// number of cells, 1 or 2, each.
pub(super) fn regions(value: &[u8], cells: [u32; 2]) -> Option<Vec<Region<Pa>>> {
    let [address, size] = cells.map(|cells| match cells {
        1 | 2 => Some(cells as usize * 4),
        _ => None,
    });
    let (address, size) = (address?, size?);
    let number = |bytes: &[u8]| bytes.iter().fold(0, |all, byte| all << 8 | u64::from(*byte));
    let entries = value.chunks(address + size);
    let entries = entries.map(|entry| {
        let (start, size) = entry.split_at_checked(address).filter(|it| it.1.len() == size)?;
        Region::new(Pa::new(number(start)), number(size))
    });
    entries.collect()
}

/// Reads the modules of a domain.
fn modules<'a>(node: Node<'a, 'a>, peek: Peek<'a>) -> Result<Modules<'a>> {
    let mut found = Modules::default();
    let mut kinds = Vec::new();
    for child in node.children() {
        let path = child.path();
        let kind = MODULES.into_iter().find(|(name, _)| child.is_compatible(name));
        let Some((name, kind)) = kind.filter(|_| child.is_compatible(MODULE)) else {
            let is = child.compatible().next().unwrap_or_default();
            let why = "which has no counterpart: leave it out";
            refuse!(path, " is compatible with \"{is}\", {why}");
        };
        if kinds.contains(&kind) {
            refuse!(path, " is the second module that is compatible with \"{name}\"");
        }
        kinds.push(kind);
        check(child, &["compatible", "reg", "bootargs"])?;
        let (source, bytes) = image(node, child, peek)?;
        match kind {
            Module::Kernel => {
                let image = match Image::of(bytes) {
                    Ok(image) => image,
                    Err(problem) => refuse!(path, "{source} {problem}"),
                };
                let kernel = KernelDescription { source, image, load_offset: None };
                found.kernel = Some((kernel, child.text("bootargs")?.unwrap_or_default()));
            }
            Module::Ramdisk => found.ramdisk = Some(source),
            Module::DeviceTree => found.passthrough = passthrough(&path, bytes)?,
        }
    }
    Ok(found)
}

/// Returns the image of a module of `domain`.
fn image<'a>(
    domain: Node<'a, 'a>,
    module: Node<'a, 'a>,
    peek: Peek<'a>,
) -> Result<(ImageDescription, &'a [u8])> {
    let path = module.path();
    // The defaults of the specification (Devicetree Specification, 2.3.5).
    let cells =
        [domain.cell("#address-cells")?.unwrap_or(2), domain.cell("#size-cells")?.unwrap_or(1)];
    let Some(reg) = module.property("reg") else {
        refuse!(path, ": reg is missing: give the address and the size of its bytes");
    };
    let Some([region]) =
        regions(reg.value, cells).as_deref().and_then(|it| it.first_chunk()).copied()
    else {
        let [address, size] = cells;
        refuse!(
            path,
            ": reg ({} bytes) is not an address of {address} cells and a size of {size}",
            reg.value.len()
        );
    };
    let bytes = whole_memory(&path, reg.value, region, peek)?;
    Ok((ImageDescription { path, property: "reg", region }, bytes))
}
