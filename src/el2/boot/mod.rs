//! The steps of booting, up to the CPUs: what there is, who gets what, and saying so.

use alloc::string::String;
use alloc::vec::Vec;
use bulkhead::arch::addr::{Pa, Region};
use bulkhead::arch::intid::Intid;
use bulkhead::boot::audit::{self, Descriptors};
use bulkhead::boot::description::{Description, PlanError};
use bulkhead::boot::fdt::{Node, Tree};
use bulkhead::boot::machine::{Console, Machine, free_interrupts};
use bulkhead::boot::plan::Plan;
use bulkhead::boot::report;
use core::fmt;
use log::{error, info};

use super::arch::image::{self, MAX_CPUS};
use super::drivers::power::{self, Status};
use super::mm::mmu::{self, Level};
use super::partition::Partition;
use super::{console, cpu};

pub mod build;
pub mod cpus;
mod entry;
mod load;

/// The tree that firmware or the loader passed.
pub struct FirmwareTree {
    /// What it says.
    pub tree: Tree<'static>,
    /// Where it is.
    region: Region<Pa>,
}

/// Refuses to run anything: says why, and ends the machine.
pub fn refuse(why: fmt::Arguments<'_>) -> ! {
    error!("refused: {why}");
    info!("no guest was started; the machine powers off");
    console::flush();
    power::exit(Status::Refused)
}

/// The firmware's tree. Without one there is nothing to talk through, and nothing to be done.
pub fn firmware_tree(address: Pa) -> FirmwareTree {
    let Some(region) = mmu::tree_region(address) else { power::stop() };
    // SAFETY: `mmu::init` mapped this region, the loader left it to the image (arm64 boot
    // protocol), and nothing writes it.
    match Tree::new(unsafe { bytes(region) }) {
        Ok(tree) => FirmwareTree { tree, region },
        Err(_) => power::stop(),
    }
}

/// The bytes of a region.
///
/// # Safety
///
/// The region must be mapped memory, which nothing writes for as long as Bulkhead runs.
unsafe fn bytes(region: Region<Pa>) -> &'static [u8] {
    let (start, size) = (region.start().get(), region.size());
    // SAFETY: the caller vouches for the region; any bytes are valid `u8`.
    unsafe { core::slice::from_raw_parts(start as *const u8, size as usize) }
}

/// What is known of the UART: nothing if the tree names none, or why it cannot be used.
type FoundConsole = Result<Option<Console>, String>;

/// Finds the UART. Without one Bulkhead runs in silence.
pub fn open_console(FirmwareTree { tree, .. }: &FirmwareTree) -> FoundConsole {
    let found = Console::read(tree);
    if let Ok(Some(machine)) = &found {
        console::init(machine);
    }
    let bootargs = tree.node("/chosen").and_then(|chosen| chosen.property("bootargs")?.as_str());
    power::init(bootargs.unwrap_or_default());
    found
}

/// Only EL2 has what a hypervisor needs.
pub fn check_level(level: Level) {
    let advice = match level {
        Level::El2 => return,
        Level::El1 => "was entered at EL1: its place is EL2 (QEMU: -M virt,virtualization=on)",
        Level::El3 => "was entered at EL3: firmware has to enter it at EL2",
    };
    error!("Bulkhead {advice}");
    console::flush();
    power::exit_without_firmware(Status::Refused)
}

/// Reads the machine from the tree.
pub fn read_machine(FirmwareTree { tree, .. }: &FirmwareTree, console: FoundConsole) -> Machine {
    info!("Bulkhead {}", env!("CARGO_PKG_VERSION"));
    let mut machine = match Machine::read(tree, console) {
        Ok(machine) => machine,
        Err(error) => refuse(format_args!("the machine's tree: {error}")),
    };
    power::find_watchdog(&machine);
    machine.cpus.truncate(MAX_CPUS);
    machine
}

/// The description that is built in: two guests of this project.
static BUILT_IN: &[u8] = include_bytes!(env!("BULKHEAD_DEFAULT_SYSTEM"));

/// The node of the firmware's tree that can hold the description.
const FIRMWARE_NODE: &str = "/chosen/bulkhead";

/// Reads the system description: what the loader passed as the initrd, else a node of the
/// firmware's tree, else the one that is built in. Its images stay where they are, so that its
/// memory is spoken for.
pub fn read_description(firmware: &FirmwareTree, machine: &mut Machine) -> Description {
    let (region, origin) = match machine.initrd {
        Some(region) => {
            mmu::map_memory(region);
            (region, "initrd")
        }
        None if let Some(node) = firmware.tree.node(FIRMWARE_NODE) => {
            info!("description {FIRMWARE_NODE} in the firmware's tree");
            return read_partitions(&firmware.tree, node, firmware.region.start(), machine);
        }
        None => {
            let start = Pa::new(BUILT_IN.as_ptr() as u64);
            let region = Region::new(start, BUILT_IN.len() as u64);
            (region.expect("the image does not wrap"), "built in")
        }
    };
    info!("description {origin}, {region}");
    // SAFETY: the region is the loader's initrd, which is there for Bulkhead and is mapped, or the
    // built-in description; nothing writes it.
    let tree = match Tree::new(unsafe { bytes(region) }) {
        Ok(tree) => tree,
        Err(error) => refuse(format_args!("{}", PlanError::from(error))),
    };
    let description = read_partitions(&tree, tree.root(), region.start(), machine);
    if machine.initrd.is_some() {
        machine.reserve(region, "the system description");
    }
    description
}

fn read_partitions(
    tree: &Tree<'_>,
    system: Node<'_, '_>,
    base: Pa,
    machine: &Machine,
) -> Description {
    let peek = |region: Region<Pa>| {
        let is_memory = machine.memory.iter().any(|bank| bank.covers(&region));
        is_memory.then(|| {
            mmu::map_memory(region);
            // SAFETY: the region is memory, which has just been mapped.
            unsafe { bytes(region) }
        })
    };
    match Description::read(tree, system, base, &peek) {
        Ok(description) => description,
        Err(error) => refuse(format_args!("{error}")),
    }
}

/// Divides the machine, less what Bulkhead itself takes. `last` is the last SPI that there is, where
/// interrupts can go to guests with no exit.
pub fn plan(
    firmware: &FirmwareTree,
    machine: &mut Machine,
    description: &Description,
    last: Option<Intid>,
) -> Plan {
    machine.reserve(image::whole(), "Bulkhead");
    machine.reserve(firmware.region, "the machine's tree");
    if description.names_devices() {
        machine.read_devices(&firmware.tree);
    }
    if let Some(last) = last.filter(|_| description.wants_direct_interrupts()) {
        machine.free_interrupts = free_interrupts(&firmware.tree, last);
    }
    match Plan::new(machine, cpu::current_mpidr(), description) {
        Ok(plan) => plan,
        Err(error) => refuse(format_args!("{error}")),
    }
}

/// Says what there is and who gets what.
pub fn report(machine: &Machine, plan: &Plan) {
    for line in report::report(machine, plan).lines() {
        info!("{line}");
    }
}

/// Walks the finished tables as the hardware will, and starts no guest if one reaches what it must
/// not. `tables` is the memory of the stage-2 tables.
pub fn audit(machine: &Machine, partitions: &[Partition], tables: Region<Pa>) {
    let read = |table: Pa| {
        // SAFETY: the audit reads only pages of `tables`, which `stage2` mapped and wrote for the
        // last time.
        unsafe { &*(table.get() as *const Descriptors) }
    };
    let roots: Vec<_> = partitions.iter().map(|it| (&it.plan, it.stage2)).collect();
    let closed: Vec<_> = partitions.iter().map(|it| it.plan.memory.host).collect();
    let audited = mmu::audit(&closed).and_then(|()| audit::stage_2(machine, &roots, tables, &read));
    match audited {
        Ok(summary) => info!("audit       {summary}"),
        Err(finding) => refuse(format_args!("the audit of the translation tables, {finding}")),
    }
}
