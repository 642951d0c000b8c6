//! The steps of a boot: reads the machine and the description, makes the Plan, and reports and
//! audits the result.

pub mod build;
mod console;
pub mod cpus;
mod disks;
mod entropy;
pub mod entry;
pub mod heap;
pub mod its;
mod load;
pub mod mmu;
mod refuse;
mod serror;
pub mod smmu;
mod stage2;

use aarch64_cpu::registers::{ID_AA64MMFR0_EL1, Readable};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use bulkhead::arch::addr::{Pa, Region};
use bulkhead::boot::audit::{self, Descriptors, Finding};
use bulkhead::boot::description::{Description, PlanError};
use bulkhead::boot::fdt::{Node, Tree, TreeError};
use bulkhead::boot::machine::{ConsoleUart, Ends, Machine};
use bulkhead::boot::plan::Plan;
use bulkhead::boot::report;
use bulkhead::boot::steps::{self, Refusal, Surroundings};
use bulkhead::entropy::Pool;
use bulkhead::virtio::link::Kind;
use log::{error, info};

use super::arch::firmware::Firmware;
use super::arch::image::{self, Wings};
use super::cpu;
use super::drivers::gic::Gic;
use super::drivers::power::{self, ExitStatus};
use super::mm::images::Images;
use super::mm::live;
use super::partition::Partition;
use super::pci::Ecam;
use mmu::ExceptionLevel;
use refuse::refuse;

pub use console::go_live;
pub use entropy::collect as collect_entropy;

/// The device tree that firmware or the loader passed.
pub struct FirmwareTree {
    /// The tree.
    pub tree: Tree<'static>,
    /// The memory that it occupies.
    region: Region<Pa>,
    /// The places of the random seeds in it that are used up.
    seeds: Vec<Region<Pa>>,
}

/// Returns the firmware's tree. Stops this CPU if there is none, because no console is known to
/// which a message could be printed.
pub fn firmware_tree(address: Pa) -> FirmwareTree {
    let Some(region) = mmu::tree_region(address) else { power::stop() };
    // SAFETY: `mmu::init` mapped this region, which the loader leaves unchanged (arm64 boot
    // protocol); `plan` reserves it, so no partition owns it; and Bulkhead writes it only in
    // `entropy::wipe_seeds`, whose caller guarantees that nothing reads it afterwards.
    match unsafe { read_tree(region) } {
        Ok(tree) => FirmwareTree { tree, region, seeds: Vec::new() },
        Err(_) => power::stop(),
    }
}

/// Reads the tree at the start of a region.
///
/// # Errors
///
/// See [`Tree::new`].
///
/// # Safety
///
/// As for [`bytes`].
unsafe fn read_tree(region: Region<Pa>) -> Result<Tree<'static>, TreeError> {
    // SAFETY: the caller guarantees what `bytes` requires.
    let bytes = unsafe { bytes(region) };
    // SAFETY: any bytes are a valid `u32`.
    let (before, words, _) = unsafe { bytes.align_to() };
    if before.is_empty() { Tree::of_words(bytes, words) } else { Tree::new(bytes) }
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

/// Reads the machine from its tree, enables all ways of ending it, has its SMMUs abort all accesses,
/// and disables its ITSs.
pub fn read_machine(FirmwareTree { tree, .. }: &FirmwareTree, console: FoundConsole) -> Machine {
    info!("Bulkhead {}", env!("CARGO_PKG_VERSION"));
    let mut machine = match steps::read_machine(tree, console, cpu::current_mpidr()) {
        Ok(machine) => machine,
        Err(refusal) => {
            enable_ends(Ends::read(tree));
            refuse(format_args!("{refusal}"))
        }
    };
    enable_ends(Ends::of(&machine));
    smmu::close_all(&mut machine);
    its::close_all(&mut machine);
    machine.id_aa64mmfr0 = ID_AA64MMFR0_EL1.get();
    for watchdog in &machine.watchdogs {
        let value = mmu::map_device(watchdog.register).read(0);
        machine.remarks.extend(watchdog.remark(value));
    }
    machine
}

/// Enables these ways of ending the machine.
fn enable_ends(ends: Ends) {
    power::init(Firmware::find(ends.psci), ends.watchdog.map(mmu::map_device));
}

/// The embedded system description.
static BUILT_IN: &[u8] = include_bytes!(env!("BULKHEAD_DEFAULT_SYSTEM"));

/// Reads the system description: the loader's initrd, otherwise a node of the firmware's tree,
/// otherwise the embedded one.
pub fn read_description(firmware: &FirmwareTree, machine: &Machine) -> Description {
    let (region, origin) = match machine.initrd {
        Some(region) => {
            or_refuse(steps::check_initrd(region, image::whole(), firmware.region));
            mmu::map_memory(region);
            (region, "initrd")
        }
        None if let Some(node) = steps::firmware_description(&firmware.tree) => {
            info!("description {} in the firmware's tree", node.path());
            return read_partitions(&firmware.tree, node, firmware.region.start(), machine);
        }
        None => {
            let start = Pa::new(BUILT_IN.as_ptr() as u64);
            let region = Region::new(start, BUILT_IN.len() as u64);
            (region.expect("the image does not wrap"), "built in")
        }
    };
    info!("description {origin}, {region}");
    // SAFETY: the region is the loader's initrd, which the code above mapped and `steps::plan`
    // reserves, or the embedded description, which is read-only; nothing writes either.
    let tree = unsafe { read_tree(region) };
    let tree = or_refuse(tree.map_err(PlanError::from));
    read_partitions(&tree, tree.root(), region.start(), machine)
}

/// Reads the system description in the node `system` of a tree at `base`. Maps images that are in
/// memory.
fn read_partitions(
    tree: &Tree<'_>,
    system: Node<'_, '_>,
    base: Pa,
    machine: &Machine,
) -> Description {
    let image = |region: Region<Pa>| {
        mmu::map_memory(region);
        // SAFETY: the line above mapped the region, which is memory (`steps::read_description`);
        // the Plan keeps images out of partitions' memory, and Bulkhead does not write them.
        unsafe { bytes(region) }
    };
    or_refuse(steps::read_description(tree, system, base, machine, &image))
}

/// Divides the machine, without what Bulkhead itself uses.
pub fn plan(
    firmware: &FirmwareTree,
    machine: &mut Machine,
    description: &Description,
    gic: &Gic,
) -> Plan {
    let surroundings = Surroundings {
        boot_cpu: cpu::current_mpidr(),
        image: image::whole(),
        tree: firmware.region,
        last_spi: gic.last_spi(),
        delivers_directly: gic.delivers_directly(),
    };
    steps::find_functions(&firmware.tree, machine, description, &mut |bridge| {
        let registers = mmu::map_device(bridge.configuration);
        Box::new(Ecam::new(registers, bridge.configuration, bridge.first_bus))
    });
    let plan = or_refuse(steps::plan(&firmware.tree, machine, description, &surroundings));
    heap::extend(plan.heap);
    plan
}

/// Returns the value, or refuses to boot.
fn or_refuse<T>(result: Result<T, impl Into<Refusal>>) -> T {
    result.unwrap_or_else(|error| refuse(format_args!("{}", error.into())))
}

/// Returns which wings a Plan uses. `has_entropy` says that the machine has some.
pub fn wings(machine: &Machine, plan: &Plan, has_entropy: bool) -> Wings {
    let partitions = &plan.partitions;
    let console = machine.console.as_ref();
    Wings {
        monitor: plan.uses_monitor(),
        entropy: has_entropy,
        streams: plan.links.iter().any(|link| link.kind != Kind::Network),
        disks: partitions.iter().any(|it| it.virtio_disks().next().is_some()),
        terminal: partitions.iter().any(|it| it.virtio_console.is_some()),
        memory: !plan.shared_memory.is_empty(),
        links: !plan.links.is_empty(),
        virtio: plan.uses_virtio(),
        pcie: plan.uses_pcie(),
        dma: !plan.smmus.is_empty(),
        uart: console.is_some_and(|uart| !uart.kind.model().is_plain()),
    }
}

/// Unmaps the wings that no description asks for, before the audit, so that nothing can run them.
pub fn unmap_unused_code(wings: Wings) {
    let mut unmapped = Vec::new();
    for wing in wings.all().into_iter().filter(|wing| !wing.is_used) {
        // SAFETY: only the boot CPU runs; nothing calls the monitor unless `Work::new` makes one,
        // which it does only if the Plan uses it, nor the code of random numbers unless
        // `Work::build` makes a partition's `Streams`, which it does only if there is a pool, nor
        // that of virtio devices, links, doorbells, PCI Express and SMMUs unless `Work` and
        // `smmu::set_up` make their objects, which they do only if the Plan has some, nor that of
        // UARTs unless `uart::open` has made a `MachineUart::Other`, which it does only of a model
        // that is not plain.
        unsafe { live::unmap(&[wing.pages()]) };
        unmapped.extend(match wing.name {
            // These are left out with what virtio devices have in common.
            "streams" | "disks" | "terminal" | "links" if !wings.virtio => None,
            "memory" if !wings.virtio => None,
            "virtio" if !wings.memory => Some("links"),
            name => Some(name),
        });
    }
    info!("{}", report::code(wings.code_size(), &unmapped));
}

/// Prints the machine, what each partition owns, and the sources of entropy.
pub fn report(machine: &Machine, plan: &Plan, pool: Option<&Pool>) {
    for line in report::report(machine, plan).lines() {
        info!("{line}");
    }
    info!("{}", report::entropy(pool));
}

/// Walks the finished tables as the hardware does, and refuses to start guests if a table maps what
/// its owner must not access, or if EL2's map more than they should. `tables` is the memory of the
/// stage-2 tables and of the tables for EL2's windows.
pub fn audit(
    machine: &Machine,
    partitions: &[Partition],
    tables: Region<Pa>,
    images: &Images,
    wings: Wings,
) {
    let read = |table: Pa| {
        // SAFETY: the audit calls this only for pages of `tables`, which `stage2::divide` mapped
        // and which nothing writes until a guest runs.
        unsafe { &*(table.get() as *const Descriptors) }
    };
    let roots: Vec<_> = partitions.iter().map(|it| (&it.plan, it.stage2.root())).collect();
    let hosts = partitions.iter().map(|it| it.plan.memory.host);
    let mut closed: Vec<_> = hosts.chain(images.regions().iter().copied()).collect();
    for partition in partitions {
        closed.extend(partition.plan.disks.iter().map(|disk| disk.host));
        closed.extend(partition.plan.shared_memory.iter().map(|port| port.place.host));
    }
    let audited =
        mmu::audit(&closed, wings).and_then(|()| audit::stage_2(machine, &roots, tables, &read));
    match audited {
        Ok(summary) => info!("audit       {summary}"),
        Err(finding) => refuse_finding(&finding),
    }
}

/// Refuses to start guests because of what the audit found.
#[cold]
fn refuse_finding(finding: &Finding) -> ! {
    refuse(format_args!("the audit of the translation tables, {finding}"))
}

/// Maps the interrupt controller, without changing its state.
pub fn take_gic(machine: &Machine) -> &'static Gic {
    Box::leak(Box::new(Gic::new(&machine.gic, &mmu::map_device)))
}
