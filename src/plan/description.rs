//! The system description, read into plain data. What can be told to be wrong without knowing the
//! machine is refused here.

use alloc::string::String;
use alloc::vec::Vec;

use super::error::{PlanError, Problem, Value};
use super::fields::Fields;
use super::image::Image;
use super::source::{ImageDescription, Images, Peek};
use crate::addr::{Ipa, Pa};
use crate::fdt::{Node, Tree};
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
impl Description {
    /// Reads the description below `system`: the root of `tree`, or the node `/chosen/bulkhead` of
    /// the firmware's tree. `base` is where `tree` lies in memory.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong in it.
    pub fn read(
        tree: &Tree<'_>,
        system: Node<'_, '_>,
        base: Pa,
        peek: Peek<'_>,
    ) -> Result<Self, PlanError> {
        let system = Fields(system);
        check_compatible(system)?;
        system.check_properties(&["compatible", "model"])?;
        system.check_children(&["partitions"])?;
        let Some(partitions) = system.child("partitions") else {
            return Err(PlanError::of_node(&system.0.path(), Problem::NoPartitions));
        };
        partitions.check_properties(&[])?;
        let images = Images { tree, base, peek };
        let nodes = partitions.children();
        let read: Result<Vec<_>, _> = nodes.map(|node| partition(node, &images)).collect();
        let description = Self { path: partitions.0.path(), partitions: read? };
        description.check_partitions()?;
        Ok(description)
    }

    /// Checks that there are partitions and that each has a name of its own.
    fn check_partitions(&self) -> Result<(), PlanError> {
        if self.partitions.is_empty() {
            return Err(PlanError::of_node(&self.path, Problem::NoPartitions));
        }
        for (index, partition) in self.partitions.iter().enumerate() {
            let mut others = self.partitions.iter().take(index);
            if others.any(|other| other.name == partition.name) {
                let problem = Problem::Owned(String::from("another partition"));
                return Err(partition.error("name", Value::Text(partition.name.clone()), problem));
            }
        }
        Ok(())
    }
}

impl PartitionDescription {
    /// The error of a property of this partition.
    pub(super) fn error(
        &self,
        property: &'static str,
        value: Value,
        problem: Problem,
    ) -> PlanError {
        PlanError::new(&self.path, property, value, problem)
    }
}

fn check_compatible(system: Fields<'_, '_>) -> Result<(), PlanError> {
    const COMPATIBLE: &str = "bulkhead,system";
    if system.0.is_compatible(COMPATIBLE) {
        return Ok(());
    }
    let value = system.string("compatible")?;
    let value = value.ok_or_else(|| system.missing("compatible", "\"bulkhead,system\""))?;
    let value = Value::Text(String::from(value));
    Err(system.fault("compatible", value, Problem::NotASystem))
}

fn partition(
    node: Fields<'_, '_>,
    images: &Images<'_, '_>,
) -> Result<PartitionDescription, PlanError> {
    node.check_properties(&OF_PARTITION)?;
    node.check_children(&["kernel", "ramdisk"])?;
    let devices = node.read("devices", "a list of strings", |list| {
        Some(list.strings()?.map(String::from).collect())
    });
    Ok(PartitionDescription {
        path: node.0.path(),
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
fn name(node: Fields<'_, '_>) -> Result<String, PlanError> {
    let name = String::from(node.0.name());
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if (1..=15).contains(&name.len()) && name.bytes().all(is_plain) {
        Ok(name)
    } else {
        Err(node.fault("name", Value::Text(name), Problem::BadName))
    }
}

fn memory(node: Fields<'_, '_>) -> Result<u64, PlanError> {
    match node.address("memory")? {
        Some(0) => Err(node.fault("memory", Value::Cells(0), Problem::Empty)),
        Some(size) => Ok(size),
        None => Err(node.missing("memory", "the bytes in two cells, as in <0x0 0x1000000>")),
    }
}

fn cpus(node: Fields<'_, '_>) -> Result<CpuRequest, PlanError> {
    let like = "one cell for each CPU, Aff2 to Aff0, as in <0x0 0x1>";
    let ids = node.read("cpu-ids", like, |ids| {
        let id = |cell: u32| (cell >> 24 == 0).then_some(Mpidr::new(u64::from(cell)));
        ids.cells()?.map(id).collect::<Option<Vec<_>>>()
    })?;
    let like = "how many, as in <1>, or cpu-ids, as in <0x0 0x1>";
    match (node.cell("cpus")?, ids) {
        (Some(_), Some(_)) => Err(node.fault("cpus", Value::Untold, Problem::Beside("cpu-ids"))),
        (None, None) => Err(node.missing("cpus", like)),
        (Some(0), None) => Err(node.fault("cpus", Value::Count(0), Problem::Empty)),
        (Some(count), None) => Ok(CpuRequest::Count(count)),
        (None, Some(ids)) if ids.is_empty() => {
            Err(node.fault("cpu-ids", Value::Untold, Problem::Empty))
        }
        (None, Some(ids)) => Ok(CpuRequest::Ids(ids)),
    }
}

fn dma_unprotected(node: Fields<'_, '_>) -> Result<bool, PlanError> {
    match node.string("dma")? {
        None => Ok(false),
        Some("unprotected") => Ok(true),
        Some(other) => {
            let problem = Problem::WrongType("\"unprotected\", which is all that it can say");
            Err(node.fault("dma", Value::Text(String::from(other)), problem))
        }
    }
}

fn kernel(
    partition: Fields<'_, '_>,
    images: &Images<'_, '_>,
) -> Result<KernelDescription, PlanError> {
    let node = partition.child("kernel");
    let like = "a node with the kernel's bytes in its data";
    let node = node.ok_or_else(|| partition.missing("kernel", like))?;
    node.check_properties(&["data", "reg", "load-offset"])?;
    node.check_children(&[])?;
    let (source, header) = images.find(node)?;
    let image = Image::of(&header).map_err(|problem| source.error(problem))?;
    let load_offset = node.offset("load-offset")?;
    if let (Some(offset), Image::Arm64 { .. }) = (load_offset, image) {
        return Err(node.fault("load-offset", Value::Cell(offset), Problem::HasOwnOffset));
    }
    Ok(KernelDescription { source, image, load_offset })
}

fn ramdisk(
    partition: Fields<'_, '_>,
    images: &Images<'_, '_>,
) -> Result<Option<ImageDescription>, PlanError> {
    let Some(node) = partition.child("ramdisk") else {
        return Ok(None);
    };
    node.check_properties(&["data", "reg"])?;
    node.check_children(&[])?;
    images.find(node).map(|(source, _)| Some(source))
}
