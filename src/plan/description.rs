//! The system description, read into plain data. What can be told to be wrong without knowing the
//! machine is refused here.

use alloc::string::String;
use alloc::vec::Vec;

use super::error::{PlanError, refuse};
use super::fields::Fields;
use super::image::Image;
use super::source::{ImageDescription, Images, Peek};
use crate::addr::{Ipa, Pa};
use crate::fdt::{Node, Property, Tree};
use crate::machine::Mpidr;

/// What the system description says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// The path of the node `partitions`.
    pub path: String,
    /// The partitions, in the order of the tree; at least one.
    pub partitions: Vec<PartitionDescription>,
}

/// What is said of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionDescription {
    /// The path of its node.
    pub path: String,
    /// The name of its node.
    pub name: String,
    /// `cpus` or `cpu-ids`.
    pub cpus: CpuRequest,
    /// `memory`, in bytes: a multiple of the page size, and not 0.
    pub memory: u64,
    /// `guest-base`, page-aligned.
    pub guest_base: Option<Ipa>,
    /// `host-base`, page-aligned.
    pub host_base: Option<Pa>,
    /// `devices`: paths and aliases.
    pub devices: Vec<String>,
    /// `dma = "unprotected"`.
    pub dma_unprotected: bool,
    /// `bootargs`.
    pub bootargs: String,
    /// `fdt-offset`, page-aligned, in bytes from the start of the guest's memory.
    pub tree_offset: Option<u64>,
    /// `count-hypervisor`.
    pub count_hypervisor: bool,
    /// The node `kernel`.
    pub kernel: KernelDescription,
    /// The node `ramdisk`.
    pub ramdisk: Option<ImageDescription>,
}

/// The CPUs that a partition asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CpuRequest {
    /// So many, at least one.
    Count(u32),
    /// These, at least one.
    Ids(Vec<Mpidr>),
}

/// What is said of a kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelDescription {
    /// Its node.
    pub source: ImageDescription,
    /// What its bytes are.
    pub image: Image,
    /// `load-offset`, page-aligned, in bytes from the start of the guest's memory.
    pub load_offset: Option<u64>,
}

/// The properties of a partition.
const OF_PARTITION: [&str; 10] = [
    "cpus",
    "cpu-ids",
    "memory",
    "guest-base",
    "host-base",
    "devices",
    "dma",
    "bootargs",
    "fdt-offset",
    "count-hypervisor",
];
/// The nodes of a system: its partitions, and what `dtc -@` adds.
const OF_SYSTEM: [&str; 4] = ["partitions", "__symbols__", "__fixups__", "__local_fixups__"];

impl Description {
    /// Reads the description below `system`: the root of `tree`, or the node `/chosen/bulkhead` of
    /// the firmware's tree. `base` is where `tree` lies in memory.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong in it.
    pub fn read<'a>(
        tree: &'a Tree<'a>,
        system: Node<'a, 'a>,
        base: Pa,
        peek: Peek<'a>,
    ) -> Result<Self, PlanError> {
        let system = Fields(system);
        check_compatible(system)?;
        system.check_properties(&["compatible", "model"])?;
        system.check_children(&OF_SYSTEM)?;
        let node = system.child("partitions");
        let path = node.unwrap_or(system).path();
        let mut partitions: Vec<PartitionDescription> = Vec::new();
        if let Some(node) = node {
            node.check_properties(&[])?;
            for node in node.children() {
                let partition = partition(node, &Images { tree, base, peek })?;
                let PartitionDescription { path, name, .. } = &partition;
                if partitions.iter().any(|other| other.name == *name) {
                    return refuse!(
                        path,
                        ": name = \"{name}\" is given to another partition already"
                    );
                }
                partitions.push(partition);
            }
        }
        if partitions.is_empty() {
            return refuse!(
                path,
                " holds no partition: the node partitions must have a node for each"
            );
        }
        Ok(Self { path, partitions })
    }
}

fn check_compatible(system: Fields<'_>) -> Result<(), PlanError> {
    if system.0.is_compatible("bulkhead,system") {
        return Ok(());
    }
    match system.string("compatible")? {
        Some(other) => {
            refuse!(system.path(), ": compatible = \"{other}\" is not \"bulkhead,system\"")
        }
        None => refuse!(system.path(), ": compatible is missing: give \"bulkhead,system\""),
    }
}

fn partition<'a>(node: Fields<'a>, images: &Images<'a>) -> Result<PartitionDescription, PlanError> {
    node.check_properties(&OF_PARTITION)?;
    node.check_children(&["kernel", "ramdisk"])?;
    let devices = node.read("devices", "a list of strings", |list| {
        Some(list.strings()?.map(String::from).collect())
    });
    Ok(PartitionDescription {
        path: node.path(),
        name: name(node)?,
        cpus: cpus(node)?,
        memory: memory(node)?,
        guest_base: node.address("guest-base")?.map(Ipa::new),
        host_base: node.address("host-base")?.map(Pa::new),
        devices: devices?.unwrap_or_default(),
        dma_unprotected: dma_unprotected(node)?,
        bootargs: String::from(node.string("bootargs")?.unwrap_or_default()),
        tree_offset: node.offset("fdt-offset")?,
        count_hypervisor: node.flag("count-hypervisor")?,
        kernel: kernel(node, images)?,
        ramdisk: ramdisk(node, images)?,
    })
}

/// A partition's name: what fits in front of its lines on the console.
fn name(node: Fields<'_>) -> Result<String, PlanError> {
    let name = node.0.name();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if (1..=15).contains(&name.len()) && name.bytes().all(is_plain) {
        return Ok(String::from(name));
    }
    refuse!(
        node.path(),
        ": name = \"{name}\" is not 1 to 15 letters, digits, hyphens and underscores"
    )
}

fn memory(node: Fields<'_>) -> Result<u64, PlanError> {
    match node.address("memory")? {
        Some(0) => refuse!(node.path(), ": memory = <0x0 0x0> is empty: give at least one"),
        Some(size) => Ok(size),
        None => refuse!(
            node.path(),
            ": memory is missing: give the bytes in two cells, as in <0x0 0x1000000>"
        ),
    }
}

fn cpus(node: Fields<'_>) -> Result<CpuRequest, PlanError> {
    let ids = node.read("cpu-ids", "one cell for each CPU, Aff2 to Aff0, as in <0x0 0x1>", ids)?;
    let why = match (node.cell("cpus")?, ids) {
        (None, Some(ids)) if !ids.is_empty() => return Ok(CpuRequest::Ids(ids)),
        (Some(count @ 1..), None) => return Ok(CpuRequest::Count(count)),
        (Some(0), None) => ": cpus = <0> is empty: give at least one",
        (None, Some(_)) => ": cpu-ids is empty: give at least one",
        (Some(_), Some(_)) => ": cpus stands beside cpu-ids: give only one of them",
        (None, None) => ": cpus is missing: give how many, as in <1>, or cpu-ids, as in <0x0 0x1>",
    };
    refuse!(node.path(), "{why}")
}

fn ids(ids: &Property<'_>) -> Option<Vec<Mpidr>> {
    let mut list = Vec::new();
    for id in ids.cells()? {
        // Aff3 has no place in a cell.
        if id >> 24 != 0 {
            return None;
        }
        list.push(Mpidr::new(u64::from(id)));
    }
    Some(list)
}

fn dma_unprotected(node: Fields<'_>) -> Result<bool, PlanError> {
    match node.string("dma")? {
        None => Ok(false),
        Some("unprotected") => Ok(true),
        Some(other) => refuse!(
            node.path(),
            ": dma = \"{other}\" is not \"unprotected\", which is all that it can say"
        ),
    }
}

fn kernel<'a>(partition: Fields<'a>, images: &Images<'a>) -> Result<KernelDescription, PlanError> {
    let Some(node) = partition.child("kernel") else {
        return refuse!(
            partition.path(),
            ": kernel is missing: give a node with the kernel's bytes in its data"
        );
    };
    node.check_properties(&["data", "reg", "load-offset"])?;
    node.check_children(&[])?;
    let (source, bytes) = images.find(node)?;
    let image = match Image::of(bytes) {
        Ok(image) => image,
        Err(problem) => return refuse!(source.path, "{source} {problem}"),
    };
    let load_offset = node.offset("load-offset")?;
    if let (Some(offset), Image::Arm64 { .. }) = (load_offset, image) {
        return refuse!(
            source.path,
            ": load-offset = <{offset:#x}> is only for flat binaries: an arm64 Image says where it \
             goes"
        );
    }
    Ok(KernelDescription { source, image, load_offset })
}

fn ramdisk<'a>(
    partition: Fields<'a>,
    images: &Images<'a>,
) -> Result<Option<ImageDescription>, PlanError> {
    let Some(node) = partition.child("ramdisk") else {
        return Ok(None);
    };
    node.check_properties(&["data", "reg"])?;
    node.check_children(&[])?;
    Ok(Some(images.find(node)?.0))
}
