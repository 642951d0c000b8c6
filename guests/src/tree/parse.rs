//! Finds in a device tree what the guests use of it.

use fdt::Fdt;
use fdt::node::FdtNode;

use super::{
    Conduit, Disk, Gic, Link, MAX_LINKS, Machine, Memory, MessageFrame, Pci, RealTimeClock,
    SharedMemory, Watchdog,
};
use crate::cpu::MAX_CPUS;

/// The first INTID of private and of shared peripheral interrupts.
const FIRST_PPI: u32 = 16;
const FIRST_SPI: u32 = 32;

/// Returns what a tree says about the machine.
pub(super) fn machine(tree: &Fdt<'static>) -> Machine {
    let mut memory = [Memory::default(); 4];
    let regions = tree
        .all_nodes()
        .filter(|node| text(*node, "device_type") == Some("memory"))
        .filter_map(|node| node.reg())
        .flatten();
    let mut memory_count = 0;
    for (slot, region) in memory.iter_mut().zip(regions) {
        let size = region.size.unwrap_or(0) as u64;
        *slot = Memory { base: region.starting_address as u64, size };
        memory_count += 1;
    }

    let mut disks = [Disk::default(); 4];
    let mut disk_count = 0;
    let is_disk = |node: &FdtNode<'_, 'static>| text(*node, "compatible") == Some("pmem-region");
    for (slot, node) in disks.iter_mut().zip(tree.all_nodes().filter(is_disk)) {
        let region = node.reg().and_then(|mut regions| regions.next());
        let (base, size) = region.map_or((0, None), |it| (register(node, 0), it.size));
        let memory = Memory { base, size: size.unwrap_or(0) as u64 };
        *slot = Disk { name: text(node, "label").unwrap_or_default(), memory };
        disk_count += 1;
    }

    let mut cpus = [0; MAX_CPUS];
    let mut cpu_count = 0;
    for (slot, cpu) in cpus.iter_mut().zip(tree.cpus()) {
        *slot = cpu.ids().first() as u64;
        cpu_count += 1;
    }

    let chosen = tree.find_node("/chosen");
    let output = chosen.and_then(|node| text(node, "stdout-path")).expect("no stdout-path");
    let output = output.split(':').next().unwrap_or(output);
    let uart = tree.find_node(output).expect("stdout-path names no node");
    let timer = tree.find_compatible(&["arm,armv8-timer"]).expect("no timer");
    let psci = tree.find_compatible(&["arm,psci-1.0", "arm,psci-0.2"]).expect("no PSCI");
    let pmu = tree.find_compatible(&["arm,armv8-pmuv3", "arm,cortex-a53-pmu"]);
    let partition = tree.find_compatible(&["bulkhead,partition"]);
    Machine {
        partition: partition.and_then(|node| text(node, "label")),
        arguments: chosen.and_then(|node| text(node, "bootargs")).unwrap_or(""),
        gic: gic(tree),
        virtual_timer: interrupt(timer, 2).expect("no virtual timer interrupt"),
        physical_timer: interrupt(timer, 1).expect("no physical timer interrupt"),
        uart: register(uart, 0),
        uart_interrupt: interrupt(uart, 0).expect("no UART interrupt"),
        monitor: monitor(tree),
        pmu_interrupt: pmu.and_then(|node| interrupt(node, 0)),
        watchdog: tree.find_compatible(&["arm,sbsa-gwdt"]).map(watchdog),
        real_time_clock: tree.find_compatible(&["arm,pl031"]).map(real_time_clock),
        pci: tree.find_compatible(&["pci-host-ecam-generic"]).and_then(pci),
        message_frame: tree.find_compatible(&["arm,gic-v2m-frame"]).map(message_frame),
        seeds: ["kaslr-seed", "rng-seed"].map(|name| {
            let seed = chosen.and_then(|node| node.property(name));
            seed.map_or(&[][..], |seed| seed.value)
        }),
        psci: if text(psci, "method") == Some("smc") { Conduit::Smc } else { Conduit::Hvc },
        cpus,
        cpu_count,
        memory,
        memory_count,
        links: links(tree),
        shared_memory: shared_memory(tree),
        disks,
        disk_count,
    }
}

fn gic(tree: &Fdt<'static>) -> Gic {
    if let Some(node) = tree.find_compatible(&["arm,gic-v3"]) {
        return Gic::V3 { distributor: register(node, 0), redistributors: register(node, 1) };
    }
    let node = tree
        .find_compatible(&["arm,cortex-a15-gic", "arm,gic-400"])
        .expect("no interrupt controller");
    Gic::V2 { distributor: register(node, 0), cpu_interface: register(node, 1) }
}

/// Returns the address of the second serial port, which in a partition is the monitor's.
fn monitor(tree: &Fdt<'static>) -> Option<u64> {
    let path = text(tree.find_node("/aliases")?, "serial1")?;
    Some(register(tree.find_node(path)?, 0))
}

/// Returns the ends of links.
fn links(tree: &Fdt<'static>) -> [Option<Link>; MAX_LINKS] {
    let mut links = [None; MAX_LINKS];
    let is_link = |node: &FdtNode<'_, 'static>| text(*node, "compatible") == Some("virtio,mmio");
    let nodes = tree.all_nodes().filter(is_link);
    let named = nodes.filter_map(|node| Some((node, text(node, "label")?)));
    for (slot, (node, name)) in links.iter_mut().zip(named) {
        let interrupt = interrupt(node, 0).unwrap_or(0);
        *slot = Some(Link { name, registers: register(node, 0), interrupt });
    }
    links
}

/// Returns the memory that is shared with other partitions.
fn shared_memory(tree: &Fdt<'static>) -> [Option<SharedMemory>; MAX_LINKS] {
    let mut all = [None; MAX_LINKS];
    let is_bell =
        |node: &FdtNode<'_, 'static>| text(*node, "compatible") == Some("bulkhead,doorbell");
    for (slot, node) in all.iter_mut().zip(tree.all_nodes().filter(is_bell)) {
        let cell = |name| node.property(name).and_then(|it| it.as_usize()).unwrap_or(0) as u32;
        let region = tree.find_phandle(cell("memory-region")).expect("a doorbell without memory");
        let region = region.reg().and_then(|mut regions| regions.next());
        let region = region.expect("shared memory without an address");
        let memory =
            Memory { base: region.starting_address as u64, size: region.size.unwrap_or(0) as u64 };
        *slot = Some(SharedMemory {
            name: text(node, "label").unwrap_or_default(),
            memory,
            registers: register(node, 0),
            interrupt: interrupt(node, 0).unwrap_or(0),
            port: cell("bulkhead,port"),
            ports: cell("bulkhead,ports"),
        });
    }
    all
}

fn watchdog(node: FdtNode<'_, 'static>) -> Watchdog {
    let interrupt = interrupt(node, 0).expect("no watchdog interrupt");
    Watchdog { control: register(node, 0), refresh: register(node, 1), interrupt }
}

fn real_time_clock(node: FdtNode<'_, 'static>) -> RealTimeClock {
    let interrupt = interrupt(node, 0).expect("no real-time clock interrupt");
    RealTimeClock { registers: register(node, 0), interrupt }
}

fn message_frame(node: FdtNode<'_, 'static>) -> MessageFrame {
    let cell = |name| node.property(name).and_then(|it| it.as_usize()).unwrap_or(0) as u32;
    let (first, count) = (cell("arm,msi-base-spi"), cell("arm,msi-num-spis"));
    MessageFrame { registers: register(node, 0), first, count }
}

fn pci(node: FdtNode<'_, 'static>) -> Option<Pci> {
    const MEMORY_32: u32 = 2;
    const ENTRY: usize = 7;
    let cells = node.property("ranges")?.value.chunks_exact(4);
    let mut entry = [0_u32; ENTRY];
    for (index, cell) in cells.enumerate() {
        entry[index % ENTRY] = cell.try_into().map(u32::from_be_bytes).ok()?;
        if index % ENTRY == ENTRY - 1 && entry[0] >> 24 & 3 == MEMORY_32 {
            let number = |high: usize| u64::from(entry[high]) << 32 | u64::from(entry[high + 1]);
            let window = Memory { base: number(3), size: number(5) };
            return Some(Pci { configuration: register(node, 0), window });
        }
    }
    None
}

fn text(node: FdtNode<'_, 'static>, property: &str) -> Option<&'static str> {
    node.property(property)?.as_str()
}

fn register(node: FdtNode<'_, 'static>, index: usize) -> u64 {
    let region = node.reg().and_then(|mut regions| regions.nth(index));
    region.expect("a device without registers").starting_address as u64
}

/// Returns the INTID of a node's interrupt with this index (binding arm,gic: type, number, flags).
fn interrupt(node: FdtNode<'_, 'static>, index: usize) -> Option<u32> {
    let value = node.property("interrupts")?.value;
    let cells = value.chunks_exact(12).nth(index)?;
    let cell = |n: usize| cells[4 * n..4 * n + 4].try_into().map(u32::from_be_bytes).ok();
    Some(cell(1)? + if cell(0)? == 0 { FIRST_SPI } else { FIRST_PPI })
}
