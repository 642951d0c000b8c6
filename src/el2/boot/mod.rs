//! The steps of booting: what there is, what each partition gets, and the report of both.

pub mod build;
mod console;
pub mod cpus;
pub mod entry;
pub mod heap;
mod load;
pub mod mmu;
mod refuse;
mod stage2;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use bulkhead::arch::addr::{Pa, Region};
use bulkhead::arch::intid::Intid;
use bulkhead::boot::audit::{self, Descriptors};
use bulkhead::boot::description::{Description, PlanError};
use bulkhead::boot::fdt::{Node, Tree};
use bulkhead::boot::machine::{ConsoleUart, Machine, free_interrupts};
use bulkhead::boot::plan::Plan;
use bulkhead::boot::report;
use log::{error, info};

use super::arch::firmware::Firmware;
use super::arch::image::{self, MAX_CPUS};
use super::cpu;
use super::drivers::gic::Gic;
use super::drivers::power::{self, ExitStatus};
use super::mm::live;
use super::partition::Partition;
use mmu::ExceptionLevel;
use refuse::refuse;

pub use console::go_live;

/// The tree that firmware or the loader passed.
pub struct FirmwareTree {
    /// The tree.
    pub tree: Tree<'static>,
    /// Its bytes.
    region: Region<Pa>,
}

/// Returns the firmware's tree. Without one there is no console to print to, so that this CPU stops.
pub fn firmware_tree(address: Pa) -> FirmwareTree {
    let Some(region) = mmu::tree_region(address) else { power::stop() };
    // SAFETY: `mmu::init` mapped this region, which the loader left to the image (arm64 boot
    // protocol), and nothing writes it.
    match Tree::new(unsafe { bytes(region) }) {
        Ok(tree) => FirmwareTree { tree, region },
        Err(_) => power::stop(),
    }
}

/// Returns the bytes of a region.
///
/// # Safety
///
/// The region must be mapped memory that nothing writes from now on.
unsafe fn bytes(region: Region<Pa>) -> &'static [u8] {
    let (start, size) = (region.start().get(), region.size());
    // SAFETY: the caller vouches for the region; any bytes are valid `u8`.
    unsafe { core::slice::from_raw_parts(start as *const u8, size as usize) }
}

/// The UART: `None` if the tree names none, an error if it cannot be used.
type FoundConsole = Result<Option<ConsoleUart>, String>;

/// Opens the console, if the machine has a UART with a driver.
pub fn open_console(FirmwareTree { tree, .. }: &FirmwareTree) -> FoundConsole {
    let found = ConsoleUart::read(tree);
    if let Ok(Some(machine)) = &found {
        console::open(machine);
    }
    let bootargs = tree.node("/chosen").and_then(|chosen| chosen.property("bootargs")?.as_str());
    power::read_bootargs(bootargs.unwrap_or_default());
    found
}

/// Ends the machine unless the image was entered at EL2.
pub fn check_level(level: ExceptionLevel) {
    let advice = match level {
        ExceptionLevel::El2 => return,
        ExceptionLevel::El1 => {
            "was entered at EL1: its place is EL2 (QEMU: -M virt,virtualization=on)"
        }
        ExceptionLevel::El3 => "was entered at EL3: firmware has to enter it at EL2",
    };
    error!("Bulkhead {advice}");
    log::logger().flush();
    // Firmware is not known yet, so that it is not called, which may not be above this code.
    power::exit(ExitStatus::Refused)
}

/// Reads the machine from its tree.
pub fn read_machine(FirmwareTree { tree, .. }: &FirmwareTree, console: FoundConsole) -> Machine {
    info!("Bulkhead {}", env!("CARGO_PKG_VERSION"));
    let mut machine = match Machine::read(tree, console) {
        Ok(machine) => machine,
        Err(error) => refuse(format_args!("the machine's tree: {error}")),
    };
    power::init(Firmware::find(&machine), machine.watchdog.map(mmu::map_device));
    machine.cpus.truncate(MAX_CPUS);
    machine
}

/// The embedded system description: two guests of this project.
static BUILT_IN: &[u8] = include_bytes!(env!("BULKHEAD_DEFAULT_SYSTEM"));

/// The node of the firmware's tree that may hold the description.
const FIRMWARE_NODE: &str = "/chosen/bulkhead";

/// Reads the system description: the loader's initrd, else a node of the firmware's tree, else the
/// embedded one. Its images are copied from where they are, so that its memory is reserved.
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
    // SAFETY: the region is the loader's initrd, which was passed to Bulkhead and is mapped, or the
    // embedded description; nothing writes either.
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
            // SAFETY: the line above mapped the region, which is memory; nothing writes the images.
            unsafe { bytes(region) }
        })
    };
    match Description::read(tree, system, base, &peek) {
        Ok(description) => description,
        Err(error) => refuse(format_args!("{error}")),
    }
}

/// Divides the machine, less what Bulkhead itself takes. `last_direct_spi` is that of the GIC.
pub fn plan(
    firmware: &FirmwareTree,
    machine: &mut Machine,
    description: &Description,
    last_direct_spi: Option<Intid>,
) -> Plan {
    machine.reserve(image::whole(), "Bulkhead");
    machine.reserve(firmware.region, "the machine's tree");
    if description.names_devices() {
        machine.read_devices(&firmware.tree);
    }
    if let Some(last) = last_direct_spi.filter(|_| description.wants_direct_interrupts()) {
        machine.free_interrupts = free_interrupts(&firmware.tree, last);
    }
    match Plan::new(machine, cpu::current_mpidr(), description) {
        Ok(plan) => plan,
        Err(error) => refuse(format_args!("{error}")),
    }
}

/// Unmaps the parts of the code that the description does not use, before the audit: from now on
/// nothing can run them.
pub fn unmap_unused_code(plan: &Plan) {
    let uses_monitor = plan.uses_monitor();
    let mut left_out = Vec::new();
    if !uses_monitor {
        // SAFETY: no other CPU runs yet, and nothing calls the monitor before `Work` sets it up, which
        // it does only if the Plan uses it.
        unsafe { live::unmap(&[image::monitor_code()]) };
        left_out.push("monitor");
    }
    info!("{}", report::code(image::code_size(uses_monitor), &left_out));
}

/// Prints the machine, and what each partition gets.
pub fn report(machine: &Machine, plan: &Plan) {
    for line in report::report(machine, plan).lines() {
        info!("{line}");
    }
}

/// Walks the finished tables as the hardware will, and refuses to start guests if one reaches memory
/// that it must not. `tables` is the memory of the stage-2 tables.
pub fn audit(machine: &Machine, partitions: &[Partition], tables: Region<Pa>, uses_monitor: bool) {
    let read = |table: Pa| {
        // SAFETY: the audit reads only pages of `tables`, which `stage2` mapped, and which are
        // finished.
        unsafe { &*(table.get() as *const Descriptors) }
    };
    let roots: Vec<_> = partitions.iter().map(|it| (&it.plan, it.stage2.root())).collect();
    let closed: Vec<_> = partitions.iter().map(|it| it.plan.memory.host).collect();
    let audited = mmu::audit(&closed, uses_monitor)
        .and_then(|()| audit::stage_2(machine, &roots, tables, &read));
    match audited {
        Ok(summary) => info!("audit       {summary}"),
        Err(finding) => refuse(format_args!("the audit of the translation tables, {finding}")),
    }
}

/// Maps and takes over the interrupt controller, whose state stays as it is for now.
pub fn take_gic(machine: &Machine) -> &'static Gic {
    Box::leak(Box::new(Gic::new(&machine.gic, &mmu::map_device)))
}
