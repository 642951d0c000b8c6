//! The system description, read into plain data. What can be told to be wrong without knowing the
//! machine is refused here.

use alloc::string::String;
use alloc::vec::Vec;

use super::error::{PlanError, Problem, Value};
use super::image::{HEADER_SIZE, Header, Image};
use super::nearest::nearest;
use crate::addr::{Ipa, PAGE_SIZE, Pa, Region};
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

/// Where the bytes of a kernel or ramdisk are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageDescription {
    /// The path of the node.
    pub path: String,
    /// The property that says it: `data` or `reg`.
    pub property: &'static str,
    /// Where they are; not empty.
    pub region: Region<Pa>,
}

/// Reads the first bytes of a region of memory, for an image that is not inside the description:
/// as many as the region has, then zeros. `None` if the region is not all memory.
pub type Peek<'p> = &'p dyn Fn(Region<Pa>) -> Option<[u8; HEADER_SIZE]>;

/// The properties that every node may have, because dtc adds them or because they do no harm.
const EVERYWHERE: [&str; 4] = ["phandle", "linux,phandle", "#address-cells", "#size-cells"];
const OF_SYSTEM: [&str; 2] = ["compatible", "model"];
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
const OF_KERNEL: [&str; 3] = ["data", "reg", "load-offset"];
const OF_RAMDISK: [&str; 2] = ["data", "reg"];
/// The nodes that `dtc -@` adds.
const SYMBOLS: [&str; 3] = ["__symbols__", "__fixups__", "__local_fixups__"];

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
        let compatible = system.property("compatible");
        if !system.is_compatible("bulkhead,system") {
            let value = compatible.and_then(|property| property.as_str());
            let value = value.map_or(Value::Untold, |text| Value::Text(String::from(text)));
            let problem = match compatible {
                Some(_) => Problem::NotASystem,
                None => Problem::Missing("\"bulkhead,system\""),
            };
            return Err(PlanError::new(&system.path(), "compatible", value, problem));
        }
        check_names(system, &OF_SYSTEM, &["partitions"])?;
        let Some(partitions) = child(system, "partitions") else {
            return Err(PlanError::of_node(&system.path(), Problem::NoPartitions));
        };
        check_properties(partitions, &[])?;
        let images = Images { tree, base, peek };
        let read: Result<Vec<_>, _> = children(partitions)
            .map(|node| images.partition(node))
            .collect();
        let description = Self {
            path: partitions.path(),
            partitions: read?,
        };
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

/// Where the images of a description are found.
struct Images<'i, 'a> {
    tree: &'i Tree<'a>,
    base: Pa,
    peek: Peek<'i>,
}

impl Images<'_, '_> {
    fn partition(&self, node: Node<'_, '_>) -> Result<PartitionDescription, PlanError> {
        check_names(node, &OF_PARTITION, &["kernel", "ramdisk"])?;
        let memory = two_cells(node, "memory")?.ok_or_else(|| {
            let like = "the bytes in two cells, as in <0x0 0x1000000>";
            fault(node, "memory", Value::Untold, Problem::Missing(like))
        })?;
        if memory == 0 {
            return Err(fault(node, "memory", Value::Cells(0), Problem::Empty));
        }
        Ok(PartitionDescription {
            path: node.path(),
            name: partition_name(node)?,
            cpus: cpus(node)?,
            memory: page_aligned(node, "memory", Value::Cells, memory)?,
            guest_base: aligned_cells(node, "guest-base")?.map(Ipa::new),
            host_base: aligned_cells(node, "host-base")?.map(Pa::new),
            devices: devices(node)?,
            dma_unprotected: dma_unprotected(node)?,
            bootargs: String::from(string(node, "bootargs")?.unwrap_or_default()),
            tree_offset: offset(node, "fdt-offset")?,
            count_hypervisor: flag(node, "count-hypervisor")?,
            kernel: self.kernel(node)?,
            ramdisk: self.ramdisk(node)?,
        })
    }

    fn kernel(&self, partition: Node<'_, '_>) -> Result<KernelDescription, PlanError> {
        let Some(node) = child(partition, "kernel") else {
            let problem = Problem::Missing("a node with the kernel's bytes in its data");
            return Err(fault(partition, "kernel", Value::Untold, problem));
        };
        check_names(node, &OF_KERNEL, &[])?;
        let found = self.image(node)?;
        let image = Image::of(&found.header)
            .map_err(|problem| fault(node, found.image.property, found.value, problem))?;
        let load_offset = offset(node, "load-offset")?;
        if let (Some(offset), Image::Arm64 { .. }) = (load_offset, image) {
            let value = Value::Cell(offset);
            return Err(fault(node, "load-offset", value, Problem::HasOwnOffset));
        }
        Ok(KernelDescription {
            source: found.image,
            image,
            load_offset,
        })
    }

    fn ramdisk(&self, partition: Node<'_, '_>) -> Result<Option<ImageDescription>, PlanError> {
        let Some(node) = child(partition, "ramdisk") else {
            return Ok(None);
        };
        check_names(node, &OF_RAMDISK, &[])?;
        self.image(node).map(|found| Some(found.image))
    }

    fn image(&self, node: Node<'_, '_>) -> Result<Found, PlanError> {
        match (self.inside(node)?, self.in_memory(node)?) {
            (Some(found), None) | (None, Some(found)) => Ok(found),
            (Some(_), Some(_)) => Err(fault(node, "data", Value::Untold, Problem::Beside("reg"))),
            (None, None) => {
                let problem = Problem::Missing("/incbin/(\"file\")");
                Err(fault(node, "data", Value::Untold, problem))
            }
        }
    }

    /// An image inside the description.
    fn inside(&self, node: Node<'_, '_>) -> Result<Option<Found>, PlanError> {
        let Some(Property { value: bytes, .. }) = node.property("data") else {
            return Ok(None);
        };
        let offset = self.tree.offset_of(bytes).unwrap_or_default() as u64;
        let start = self.base.checked_add(offset);
        let region = start.and_then(|start| Region::new(start, bytes.len() as u64));
        let value = Value::Bytes(bytes.len() as u64);
        let Some(region) = region.filter(|region| !region.is_empty()) else {
            return Err(fault(node, "data", value, Problem::Empty));
        };
        let mut header = [0; HEADER_SIZE];
        for (to, from) in header.iter_mut().zip(bytes) {
            *to = *from;
        }
        Ok(Some(Found::new(node, "data", region, header, value)))
    }

    /// An image that is in memory already: `reg = <hi lo hi lo>`.
    fn in_memory(&self, node: Node<'_, '_>) -> Result<Option<Found>, PlanError> {
        let like = "an address in two cells and a size in two cells";
        let Some(region) = read(node, "reg", like, region)? else {
            return Ok(None);
        };
        let value = Value::Region(region);
        if region.is_empty() {
            return Err(fault(node, "reg", value, Problem::Empty));
        }
        match (self.peek)(region) {
            Some(header) => Ok(Some(Found::new(node, "reg", region, header, value))),
            None => Err(fault(node, "reg", value, Problem::NotMemory(region))),
        }
    }
}

/// An image that has been found.
struct Found {
    image: ImageDescription,
    /// The first of its bytes.
    header: Header,
    /// The value of the property that says where they are, for messages.
    value: Value,
}

impl Found {
    fn new(
        node: Node<'_, '_>,
        property: &'static str,
        region: Region<Pa>,
        header: Header,
        value: Value,
    ) -> Self {
        let path = node.path();
        let image = ImageDescription {
            path,
            property,
            region,
        };
        Self {
            image,
            header,
            value,
        }
    }
}

fn region(reg: &Property<'_>) -> Option<Region<Pa>> {
    match reg.value.as_chunks() {
        ([start, size], []) => Region::new(
            Pa::new(u64::from_be_bytes(*start)),
            u64::from_be_bytes(*size),
        ),
        _ => None,
    }
}

fn fault(node: Node<'_, '_>, property: &'static str, value: Value, problem: Problem) -> PlanError {
    PlanError::new(&node.path(), property, value, problem)
}

/// The property of this name, as `read` reads it; a value of another type is refused as not `like`.
fn read<'a, T>(
    node: Node<'_, 'a>,
    name: &'static str,
    like: &'static str,
    read: impl Fn(&Property<'a>) -> Option<T>,
) -> Result<Option<T>, PlanError> {
    let read = |property: Property<'a>| {
        let value = Value::Bytes(property.value.len() as u64);
        read(&property).ok_or_else(|| fault(node, name, value, Problem::WrongType(like)))
    };
    node.property(name).map(read).transpose()
}

/// A node's name without its unit address.
fn base_name<'a>(node: Node<'_, 'a>) -> &'a str {
    let name = node.name();
    name.split_once('@').map_or(name, |(base, _)| base)
}

/// The children but for those that dtc has added.
fn children<'t, 'a>(node: Node<'t, 'a>) -> impl Iterator<Item = Node<'t, 'a>> {
    node.children()
        .filter(|child| !SYMBOLS.contains(&child.name()))
}

fn child<'t, 'a>(node: Node<'t, 'a>, name: &str) -> Option<Node<'t, 'a>> {
    children(node).find(|child| base_name(*child) == name)
}

/// Checks that `node` has no properties but these, and no children but `nodes`.
fn check_names(
    node: Node<'_, '_>,
    properties: &[&'static str],
    nodes: &[&'static str],
) -> Result<(), PlanError> {
    check_properties(node, properties)?;
    let unknown = children(node).find(|child| !nodes.contains(&base_name(*child)));
    unknown.map_or(Ok(()), |child| {
        let known = nearest(base_name(child), nodes.iter().copied());
        Err(PlanError::of_node(
            &child.path(),
            Problem::UnknownNode(known),
        ))
    })
}

fn check_properties(node: Node<'_, '_>, known: &[&'static str]) -> Result<(), PlanError> {
    let is_known = |name| known.contains(&name) || EVERYWHERE.contains(&name);
    let unknown = node.properties().find(|property| !is_known(property.name));
    unknown.map_or(Ok(()), |property| {
        let names = known.iter().chain(&EVERYWHERE).copied();
        let problem = Problem::UnknownProperty {
            name: String::from(property.name),
            nearest: nearest(property.name, names).unwrap_or_default(),
        };
        Err(PlanError::of_node(&node.path(), problem))
    })
}

/// A partition's name: what fits in front of its lines on the console.
fn partition_name(node: Node<'_, '_>) -> Result<String, PlanError> {
    let name = node.name();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if (1..=15).contains(&name.len()) && name.bytes().all(is_plain) {
        Ok(String::from(name))
    } else {
        let value = Value::Text(String::from(name));
        Err(fault(node, "name", value, Problem::BadName))
    }
}

fn cpus(node: Node<'_, '_>) -> Result<CpuRequest, PlanError> {
    let ids = read(
        node,
        "cpu-ids",
        "one cell for each CPU, as in <0x0 0x1>",
        |ids| {
            let ids = ids.cells()?.map(|id| Mpidr::new(u64::from(id)));
            Some(ids.collect::<Vec<_>>())
        },
    )?;
    match (cell(node, "cpus")?, ids) {
        (Some(_), Some(_)) => Err(fault(
            node,
            "cpus",
            Value::Untold,
            Problem::Beside("cpu-ids"),
        )),
        (None, None) => {
            let like = "how many, as in <1>, or cpu-ids, as in <0x0 0x1>";
            Err(fault(node, "cpus", Value::Untold, Problem::Missing(like)))
        }
        (Some(0), None) => Err(fault(node, "cpus", Value::Count(0), Problem::Empty)),
        (Some(count), None) => Ok(CpuRequest::Count(count)),
        (None, Some(ids)) if ids.is_empty() => {
            Err(fault(node, "cpu-ids", Value::Untold, Problem::Empty))
        }
        (None, Some(ids)) => Ok(CpuRequest::Ids(ids)),
    }
}

fn devices(node: Node<'_, '_>) -> Result<Vec<String>, PlanError> {
    let like = "a list of strings, as in \"/pl031@9010000\", \"rtc0\"";
    let names = read(node, "devices", like, |list| {
        Some(list.strings()?.map(String::from).collect())
    })?;
    Ok(names.unwrap_or_default())
}

fn dma_unprotected(node: Node<'_, '_>) -> Result<bool, PlanError> {
    match string(node, "dma")? {
        None => Ok(false),
        Some("unprotected") => Ok(true),
        Some(other) => {
            let problem = Problem::WrongType("\"unprotected\", which is all it can say");
            let value = Value::Text(String::from(other));
            Err(fault(node, "dma", value, problem))
        }
    }
}

fn string<'a>(node: Node<'_, 'a>, name: &'static str) -> Result<Option<&'a str>, PlanError> {
    read(node, name, "a string", Property::as_str)
}

fn flag(node: Node<'_, '_>, name: &'static str) -> Result<bool, PlanError> {
    let flag = read(node, name, "a property without a value", |property| {
        property.value.is_empty().then_some(())
    });
    Ok(flag?.is_some())
}

fn cell(node: Node<'_, '_>, name: &'static str) -> Result<Option<u32>, PlanError> {
    read(node, name, "one cell, as in <1>", Property::u32)
}

fn two_cells(node: Node<'_, '_>, name: &'static str) -> Result<Option<u64>, PlanError> {
    read(
        node,
        name,
        "two cells, as in <0x0 0x40000000>",
        Property::u64,
    )
}

fn aligned_cells(node: Node<'_, '_>, name: &'static str) -> Result<Option<u64>, PlanError> {
    let number = two_cells(node, name)?;
    number
        .map(|number| page_aligned(node, name, Value::Cells, number))
        .transpose()
}

/// An offset of one cell.
fn offset(node: Node<'_, '_>, name: &'static str) -> Result<Option<u64>, PlanError> {
    let number = cell(node, name)?.map(u64::from);
    number
        .map(|number| page_aligned(node, name, Value::Cell, number))
        .transpose()
}

fn page_aligned(
    node: Node<'_, '_>,
    name: &'static str,
    value: fn(u64) -> Value,
    number: u64,
) -> Result<u64, PlanError> {
    if number.is_multiple_of(PAGE_SIZE) {
        Ok(number)
    } else {
        Err(fault(node, name, value(number), Problem::NotPageAligned))
    }
}
