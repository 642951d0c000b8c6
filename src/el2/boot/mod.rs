//! The steps of a boot: reads the machine and the description, makes the Plan, and reports and
//! audits the result.

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
use bulkhead::boot::machine::{ConsoleUart, Machine, Without, free_interrupts};
use bulkhead::boot::plan::Plan;
use bulkhead::boot::report;
use log::{error, info};

use super::arch::firmware::Firmware;
use super::arch::image::{self, MAX_CPUS};
use super::cpu;
use super::drivers::gic::Gic;
use super::drivers::power::{self, ExitStatus};
use super::mm::live;
use super::mm::window::Images;
use super::partition::Partition;
use mmu::ExceptionLevel;
use refuse::refuse;

pub use console::go_live;

/// The device tree that firmware or the loader passed.
pub struct FirmwareTree {
    /// The tree.
    pub tree: Tree<'static>,
    /// The memory that it occupies.
    region: Region<Pa>,
}

/// Returns the firmware's tree. Stops this CPU if there is none, because no console is known to
/// which a message could be printed.
pub fn firmware_tree(address: Pa) -> FirmwareTree {
    let Some(region) = mmu::tree_region(address) else { power::stop() };
    // SAFETY: `mmu::init` mapped this region, which the loader leaves unchanged (arm64 boot
    // protocol); `plan` reserves it, so no partition owns it; and Bulkhead does not write it.
    match Tree::new(unsafe { bytes(region) }) {
        Ok(tree) => FirmwareTree { tree, region },
        Err(_) => power::stop(),
    }
}

/// Returns the bytes of a region.
///
/// # Safety
///
/// The region must be mapped memory that stays mapped, and that nothing writes afterwards.
unsafe fn bytes(region: Region<Pa>) -> &'static [u8] {
    let (start, size) = (region.start().get(), region.size());
    // SAFETY: the caller guarantees that the region is readable and constant; any bytes are valid
    // `u8`.
    unsafe { core::slice::from_raw_parts(start as *const u8, size as usize) }
}

/// The console's UART: `None` if the tree names none, an error if it cannot be used.
type FoundConsole = Result<Option<ConsoleUart>, String>;

/// Opens the console if the machine has a UART for which there is a driver, and reads from the
/// command line how the machine ends.
pub fn open_console(FirmwareTree { tree, .. }: &FirmwareTree) -> FoundConsole {
    let found = ConsoleUart::read(tree);
    if let Ok(Some(machine)) = &found {
        console::open(machine);
    }
    let bootargs = tree.node("/chosen").and_then(|chosen| chosen.property("bootargs")?.as_str());
    power::read_bootargs(bootargs.unwrap_or_default());
    found
}

/// Refuses to boot unless the image was entered at EL2.
pub fn check_level(level: ExceptionLevel) {
    let advice = match level {
        ExceptionLevel::El2 => return,
        ExceptionLevel::El1 => {
            "was entered at EL1: its place is EL2 (QEMU: -M virt,virtualization=on)"
        }
        ExceptionLevel::El2Host => {
            "needs HCR_EL2.E2H = 0, which this CPU does not have (ID_AA64MMFR4_EL1.E2H0): use \
             another CPU"
        }
        ExceptionLevel::El3 => "was entered at EL3: firmware has to enter it at EL2",
    };
    error!("Bulkhead {advice}");
    log::logger().flush();
    // `power::init` was not called, so no SMC is executed, which could be taken to EL3 or be
    // UNDEFINED.
    power::exit(ExitStatus::Refused)
}

/// Reads the machine from its tree, and enables all ways of ending it.
pub fn read_machine(FirmwareTree { tree, .. }: &FirmwareTree, console: FoundConsole) -> Machine {
    info!("Bulkhead {}", env!("CARGO_PKG_VERSION"));
    let mut machine = match Machine::read(tree, console) {
        Ok(machine) => machine,
        Err(error) => refuse(format_args!("the machine's tree: {error}")),
    };
    power::init(Firmware::find(&machine), machine.watchdog.map(mmu::map_device));
    if let Err(reason) = Without::read(&machine.bootargs) {
        refuse(format_args!("{reason}"));
    }
    machine.limit_cpus(MAX_CPUS, cpu::current_mpidr());
    machine
}

/// The embedded system description.
static BUILT_IN: &[u8] = include_bytes!(env!("BULKHEAD_DEFAULT_SYSTEM"));

/// The node of the firmware's tree that may hold the description.
const FIRMWARE_NODE: &str = "/chosen/bulkhead";

/// Reads the system description: the loader's initrd, otherwise a node of the firmware's tree,
/// otherwise the embedded one. Reserves the initrd's memory, because images are copied from it
/// later.
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
    // SAFETY: the region is the loader's initrd, which the code above mapped and the code below
    // reserves, or the embedded description, which is read-only; nothing writes either.
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

/// Reads the system description in the node `system` of a tree at `base`. Maps images that are in
/// memory.
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
            // SAFETY: the line above mapped the region, which is memory; the Plan keeps images out
            // of partitions' memory, and Bulkhead does not write them.
            unsafe { bytes(region) }
        })
    };
    match Description::read(tree, system, base, &peek) {
        Ok(description) => description,
        Err(error) => refuse(format_args!("{error}")),
    }
}

/// Divides the machine, without what Bulkhead itself uses. `last_direct_spi` is that of the GIC.
pub fn plan(
    firmware: &FirmwareTree,
    machine: &mut Machine,
    description: &Description,
    last_direct_spi: Option<Intid>,
) -> Plan {
    machine.reserve(image::whole(), "Bulkhead");
    machine.reserve(firmware.region, "the machine's tree");
    if description.names_devices() {
        machine.read_devices(&firmware.tree, &|device| description.names(device));
    }
    if let Some(last) = last_direct_spi.filter(|_| description.wants_direct_interrupts()) {
        machine.free_interrupts = free_interrupts(&firmware.tree, last);
    }
    match Plan::new(machine, cpu::current_mpidr(), description) {
        Ok(plan) => plan,
        Err(error) => refuse(format_args!("{error}")),
    }
}

/// Unmaps the wings that no description asks for, before the audit, so that nothing can run them.
pub fn unmap_unused_code(plan: &Plan) {
    let uses_monitor = plan.uses_monitor();
    let mut unmapped = Vec::new();
    if !uses_monitor {
        // SAFETY: only the boot CPU runs, and nothing calls the monitor unless `Work::new` makes
        // one, which it does only if the Plan uses it.
        unsafe { live::unmap(&[image::monitor_code()]) };
        unmapped.push("monitor");
    }
    info!("{}", report::code(image::code_size(uses_monitor), &unmapped));
}

/// Prints the machine and what each partition owns.
pub fn report(machine: &Machine, plan: &Plan) {
    for line in report::report(machine, plan).lines() {
        info!("{line}");
    }
}

/// Walks the finished tables as the hardware does, and refuses to start guests if a table maps what
/// its owner must not access. `tables` is the memory of the stage-2 tables.
pub fn audit(
    machine: &Machine,
    partitions: &[Partition],
    tables: Region<Pa>,
    images: &Images,
    uses_monitor: bool,
) {
    let read = |table: Pa| {
        // SAFETY: the audit calls this only for pages of `tables`, which `stage2::divide` mapped
        // and which nothing writes until a guest runs.
        unsafe { &*(table.get() as *const Descriptors) }
    };
    let roots: Vec<_> = partitions.iter().map(|it| (&it.plan, it.stage2.root())).collect();
    let hosts = partitions.iter().map(|it| it.plan.memory.host);
    let closed: Vec<_> = hosts.chain(images.regions().iter().copied()).collect();
    let audited = mmu::audit(&closed, uses_monitor)
        .and_then(|()| audit::stage_2(machine, &roots, tables, &read));
    match audited {
        Ok(summary) => info!("audit       {summary}"),
        Err(finding) => refuse(format_args!("the audit of the translation tables, {finding}")),
    }
}

/// Maps the interrupt controller, without changing its state.
pub fn take_gic(machine: &Machine) -> &'static Gic {
    Box::leak(Box::new(Gic::new(&machine.gic, &mmu::map_device)))
}
