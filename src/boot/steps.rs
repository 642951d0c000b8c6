//! The decisions of a boot, in their order: the machine, the description, and the Plan.
//!
//! Each step needs the result of the one before. The EL2 program takes them, with what has to be
//! done to the hardware in between; `make check` takes them on the developer's machine. So both
//! refuse the same, with the same sentences. The partitions' device trees follow from the Plan
//! ([`guest_tree::build`](super::guest_tree::build)).

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use super::description::{Description, PlanError, has_domains, read_domains};
use super::fdt::{Node, Tree};
use super::machine::{ConsoleUart, Machine, MachineError, Open, Without, free_interrupts};
use super::plan::Plan;
use crate::arch::addr::{Pa, Region};
use crate::arch::intid::Intid;
use crate::arch::mpidr::Mpidr;

/// The largest number of CPUs that Bulkhead uses.
pub const MAX_CPUS: usize = 64;

/// The node of the firmware's tree that may hold the description.
pub const FIRMWARE_NODE: &str = "/chosen/bulkhead";

/// Returns the node of the firmware's tree that holds the description, if there is one:
/// [`FIRMWARE_NODE`], or `/chosen` with [domains of Xen's](has_domains).
pub fn firmware_description<'t, 'a>(tree: &'t Tree<'a>) -> Option<Node<'t, 'a>> {
    let own = tree.node(FIRMWARE_NODE);
    own.or_else(|| tree.node("/chosen").filter(|chosen| has_domains(*chosen)))
}

/// What the loader and the hardware determine, and no tree describes.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// The CPU on which the loader entered the image.
    pub boot_cpu: Mpidr,
    /// The memory of Bulkhead's image, including the parts that are not loaded.
    pub image: Region<Pa>,
    /// The memory of the machine's tree.
    pub tree: Region<Pa>,
    /// The last SPI of the interrupt controller.
    pub last_spi: Intid,
    /// Whether interrupts can be delivered directly: Bulkhead owns both interrupt groups of a GICv3.
    pub delivers_directly: bool,
}

/// Why no guest can be started. Displayed as a sentence without a full stop.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal(String);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<MachineError> for Refusal {
    fn from(error: MachineError) -> Self {
        Self(format!("the machine's tree: {error}"))
    }
}

impl From<PlanError> for Refusal {
    fn from(error: PlanError) -> Self {
        Self(error.to_string())
    }
}

/// Reads the machine from its tree, with at most [`MAX_CPUS`] CPUs. `console` is the result of
/// [`ConsoleUart::read`].
///
/// # Errors
///
/// See [`Machine::read`] and [`Without::read`].
pub fn read_machine(
    tree: &Tree<'_>,
    console: Result<Option<ConsoleUart>, String>,
    boot_cpu: Mpidr,
) -> Result<Machine, Refusal> {
    let mut machine = Machine::read(tree, console)?;
    Without::read(&machine.bootargs).map_err(|reason| Refusal(reason.to_string()))?;
    machine.limit_cpus(MAX_CPUS, boot_cpu);
    Ok(machine)
}

/// Returns the index of the boot CPU in [`Machine::cpus`].
///
/// # Errors
///
/// If the machine's tree lacks it.
pub fn find_boot_cpu(machine: &Machine, boot_cpu: Mpidr) -> Result<usize, Refusal> {
    machine.cpus.iter().position(|cpu| cpu.mpidr == boot_cpu).ok_or_else(|| {
        Refusal(format!("the CPU that booted, MPIDR {boot_cpu}, is not in the machine's tree"))
    })
}

/// Checks the place of an initrd, in which the description is: `image` is the memory of Bulkhead,
/// `tree` that of the machine's tree.
///
/// # Errors
///
/// If the initrd overlaps one of them.
pub fn check_initrd(
    initrd: Region<Pa>,
    image: Region<Pa>,
    tree: Region<Pa>,
) -> Result<(), Refusal> {
    for (name, used) in [("Bulkhead", image), ("the tree", tree)] {
        if used.overlaps(&initrd) {
            return Err(Refusal(format!(
                "the initrd at {initrd} overlaps {name} at {used}: have the boot loader put it \
                 elsewhere"
            )));
        }
    }
    Ok(())
}

/// Reads the system description in the node `system` of a tree at `base`. `bytes` returns the bytes
/// of an image that is elsewhere in the machine's memory.
///
/// # Errors
///
/// See [`Description::read`] and [`read_domains`].
pub fn read_description(
    tree: &Tree<'_>,
    system: Node<'_, '_>,
    base: Pa,
    machine: &Machine,
    bytes: &dyn Fn(Region<Pa>) -> &'static [u8],
) -> Result<Description, Refusal> {
    let peek = |region: Region<Pa>| {
        let is_memory = machine.memory.iter().any(|bank| bank.covers(&region));
        is_memory.then(|| bytes(region))
    };
    Ok(match has_domains(system) {
        true => read_domains(system, &peek)?,
        false => Description::read(tree, system, base, &peek)?,
    })
}

/// Finds the PCI Express functions that the description names, if it names some, and those beside
/// them: see [`Machine::find_functions`].
pub fn find_functions(
    tree: &Tree<'_>,
    machine: &mut Machine,
    description: &Description,
    open: Open<'_>,
) {
    let requests = description.partitions.iter().flat_map(|partition| partition.requests());
    let names: Vec<_> = requests.map(|request| request.name).collect();
    machine.find_functions(tree, &names, open);
}

/// Divides the machine, without what Bulkhead itself uses. The description is in the initrd if
/// there is one.
///
/// # Errors
///
/// See [`Plan::new`].
pub fn plan(
    tree: &Tree<'_>,
    machine: &mut Machine,
    description: &Description,
    surroundings: &Surroundings,
) -> Result<Plan, Refusal> {
    let Surroundings { boot_cpu, image, tree: place, last_spi, delivers_directly } = *surroundings;
    if let Some(initrd) = machine.initrd {
        machine.reserve(initrd, "the system description");
    }
    machine.reserve(image, "Bulkhead");
    machine.reserve(place, "the machine's tree");
    if description.names_devices() {
        machine.read_devices(tree, &|device| description.names(device));
        let requests = description.partitions.iter().flat_map(|partition| partition.requests());
        machine.explain_devices(tree, requests.map(|request| request.name));
    }
    machine.delivers_directly = delivers_directly;
    let wants_direct = delivers_directly && description.wants_direct_interrupts();
    if wants_direct || description.has_virtio() {
        machine.free_interrupts = free_interrupts(tree, last_spi);
    }
    let plan = Plan::new(machine, boot_cpu, description)?;
    let own = plan.smmus.iter().map(|smmu| smmu.memory).chain([plan.heap]);
    for own in own.filter(|own| !own.is_empty()) {
        machine.reserve(own, "Bulkhead");
    }
    Ok(plan)
}
