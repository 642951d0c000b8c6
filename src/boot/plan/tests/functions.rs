//! PCI Express functions of partitions.

use super::dma::machine_with_smmu;
use super::*;
use crate::boot::fdt::Node;
use crate::boot::guest_tree;
use crate::boot::machine::Open;
use crate::boot::machine::Stream;
use crate::boot::pci::tests::{bridge, nvme, tree_with_one_stream, tree_with_smmu};
use crate::boot::pci::{self, BusWindow, HostBridge};
use crate::boot::report::report;
use crate::pci::registers::{BAR, HEADER, HEADER_MULTIPLE, INTERRUPT};
use crate::pci::tests::{Buses, Model};
use crate::pci::{Address, BarRule, ResetMethod};

const ROOT: &str = "/pcie@10000000/";

/// A network card without a reset, with memory of 128 KiB and 16 KiB, at pin `pin`.
fn card(device: u8, pin: u32) -> Model {
    Model::new(device, 0, 0x10d3_8086)
        .with(INTERRUPT, pin << 8)
        .writable(BAR, 0xffff_c000)
        .writable(BAR + 4, 0xfffe_0000)
        .with(BAR + 8, 1)
        .writable(BAR + 8, 0xffff_ffe0)
}

/// A machine with these functions below this host bridge. The last slot, 31, has interrupts.
fn machine_with(host: HostBridge, functions: Vec<Model>) -> Machine {
    let mut machine = machine(gic_v3());
    let buses = Buses::new(functions);
    for (path, function) in pci::functions(&host, 0, &buses) {
        let interrupts = host.interrupt_of(&function).into_iter().collect();
        let function = Some(Box::new(function));
        let reach = Reach::Memory;
        let registers = vec![];
        let device =
            Device { interrupts, function, reach, registers, ..device(&path, (0, 0), None) };
        machine.devices.push(device);
    }
    machine.host_bridges.push(host);
    machine
}

/// Slot 0 has an NVMe controller at INTA, slot 1 a network card at INTA, slot 2 one of two
/// functions, slot 3 a bridge with a controller behind it, slot 4 a card with the interrupt of slot
/// 0.
fn standard() -> Machine {
    let both = card(2, 0).with(HEADER, HEADER_MULTIPLE);
    let other = Model { function: 1, ..card(2, 0) };
    let functions =
        vec![nvme(0), card(1, 1), both, other, Model::bridge(3), nvme(0).behind(4), card(4, 1)];
    machine_with(bridge(), functions)
}

fn given(name: &'static str, functions: &'static [&'static str]) -> Spec {
    partition(name).with("devices", Text(functions)).with("dma", Text(&["unprotected"]))
}

fn refusal(machine: &Machine, partitions: impl IntoIterator<Item = Spec>) -> String {
    plan_on(machine, &system(partitions)).unwrap_err().to_string()
}

/// The addresses that a function's registers have at first.
fn starts(function: &PlannedFunction) -> Vec<(u8, u32)> {
    let bars = (0..).zip(&function.view.bars);
    let implemented = bars.filter(|(_, bar)| bar.size > 0);
    implemented.map(|(number, BarRule { start, .. })| (number, *start)).collect()
}

#[test]
fn each_partition_has_a_window_of_its_own() {
    let one = given("one", &["/pcie@10000000/pci@0,0", "/pcie@10000000/pci@1,0"]);
    let two = given("two", &["/pcie@10000000/pci@2,0", "/pcie@10000000/pci@2,1"]);
    let plan = plan_on(&standard(), &system([one, two, partition("three")])).unwrap();
    let [one, two, three] = &plan.partitions[..] else { panic!() };
    assert!(plan.uses_pcie() && three.pci.is_none());
    let bus = one.pci.as_ref().unwrap();
    // The machine's redistributors are at 0x10000000, but not the guest's.
    let window = BusWindow { bus: 0x1000_0000, region: region(0x1000_0000, 0x2_8000) };
    assert_eq!(bus.window, window);
    let [disk, card] = &bus.functions[..] else { panic!() };
    assert_eq!(starts(disk), [(0, 0x1002_0004)]);
    assert_eq!(starts(card), [(0, 0x1002_4000), (1, 0x1000_0000)]);
    assert_eq!((disk.address, disk.pin), (Address::new(0, 0, 0), 1));
    assert_eq!((disk.reset, card.reset), (ResetMethod::Express(0x80), ResetMethod::None));
    assert_eq!(disk.interrupt.unwrap().intid, Intid::spi(3).unwrap());
    let next = two.pci.as_ref().unwrap();
    assert_eq!(next.window.region, region(0x1004_0000, 0x4_8000));
    for (partition, bus) in [(one, bus), (two, next)] {
        let window = bus.window.region;
        let is_it = |it: &&Mapping| it.pa == window.start();
        let mapping = partition.mappings.iter().find(is_it).unwrap();
        assert_eq!((mapping.ipa.get(), mapping.size), (window.start().get(), window.size()));
        assert!(partition.device(DeviceKind::PciConfiguration).is_some());
        for device in &partition.passthrough {
            assert_eq!(device.registers, [window]);
        }
    }
    let spis: Vec<_> = one.interrupts.iter().map(|it| it.intid.get()).collect();
    assert_eq!(spis, [35, 36]);
}

/// A bridge forwards whole MiB.
#[test]
fn functions_behind_a_port_have_a_window_that_the_port_can_forward() {
    let functions = vec![nvme(0), Model::bridge(5), card(0, 1).behind(1)];
    let machine = machine_with(bridge(), functions);
    let two = given("two", &["/pcie@10000000/pci@5,0/pci@0,0"]);
    let system = system([given("one", &["/pcie@10000000/pci@0,0"]), two]);
    let plan = plan_on(&machine, &system).unwrap();
    let bus = plan.partitions[1].pci.as_ref().unwrap();
    assert_eq!(bus.window.region, region(0x1010_0000, 0x10_0000));
    assert_eq!(bus.ports, [Address::new(0, 5, 0)]);
    assert_eq!(bus.functions[0].address, Address::new(1, 0, 0));
    assert_eq!(bus.functions[0].reset, ResetMethod::Bus(Address::new(0, 5, 0)));
    assert_eq!(starts(&bus.functions[0]), [(0, 0x1012_0000), (1, 0x1010_0000)]);
}

#[test]
fn windows_avoid_what_a_guest_has_at_these_addresses() {
    let mut host = bridge();
    let start = DISTRIBUTOR - 0x1_0000;
    host.windows[0] = BusWindow { bus: 0x7000_0000, region: region(start, 0x1000_0000) };
    let machine = machine_with(host, vec![card(1, 1)]);
    let plan = plan_on(&machine, &system([given("one", &["/pcie@10000000/pci@1,0"])])).unwrap();
    let bus = plan.partitions[0].pci.as_ref().unwrap();
    // Behind the distributor, at an address on the bus that is a multiple of 128 KiB.
    let start = bus.window.region.start().get();
    assert_eq!(start, 0x801_0000);
    assert_eq!(bus.window.bus, 0x7000_0000 + start - (DISTRIBUTOR - 0x1_0000));
    assert_eq!(bus.window.bus % 0x2_0000, 0);
    assert_eq!(starts(&bus.functions[0])[1], (1, bus.window.bus as u32));
}

/// The distributor, the first of a guest's emulated devices.
const DISTRIBUTOR: u64 = 0x800_0000;

#[test]
fn a_guests_tree_has_its_functions_on_one_bus() {
    let machine = standard();
    let one = given("one", &["/pcie@10000000/pci@1,0", "/pcie@10000000/pci@0,0"]);
    let plan = plan_on(&machine, &system([one])).unwrap();
    let bytes = Spec::new("").tree();
    let tree = Tree::new(&bytes).unwrap();
    let guest = guest_tree::build(&plan.partitions[0], &machine, &tree).unwrap();
    let tree = Tree::new(&guest.bytes).unwrap();
    let node = tree.node("/pcie@3f000000").unwrap();
    let cells = |name| node.property(name).unwrap().cells().unwrap().collect::<Vec<_>>();
    assert!(node.is_compatible("pci-host-ecam-generic"));
    assert_eq!(node.string("device_type"), Some("pci"));
    assert_eq!(cells("reg"), [0, 0x3f00_0000, 0, 0x10_0000]);
    assert_eq!(cells("bus-range"), [0, 0]);
    assert_eq!(cells("ranges"), [0x200_0000, 0, 0x1000_0000, 0, 0x1000_0000, 0, 0x2_8000]);
    assert!(node.property("dma-coherent").is_some());
    let gic = tree.node("/interrupt-controller@8000000").and_then(Node::phandle).unwrap();
    let map = [[0, 0, 0, 1, gic, 0, 4, 1], [0x800, 0, 0, 1, gic, 0, 3, 4]];
    assert_eq!(cells("interrupt-map"), map.as_flattened());
    // What this project reads of it is what was planned.
    let read = HostBridge::read(node).unwrap();
    let bus = plan.partitions[0].pci.as_ref().unwrap();
    assert_eq!(read.windows, [bus.window]);
    assert_eq!(read.interrupt(Address::new(0, 1, 0), 1), bus.functions[1].interrupt);
}

#[test]
fn the_report_has_the_window_and_says_what_cannot_be_reset() {
    let machine = standard();
    let one = given("one", &["/pcie@10000000/pci@1,0", "/pcie@10000000/pci@0,0"]);
    let plan = plan_on(&machine, &system([one])).unwrap();
    let text = report(&machine, &plan);
    let lines: Vec<_> = text.lines().filter(|line| line.starts_with("pcie ")).collect();
    assert_eq!(
        lines,
        [
            "pcie        one: memory of its functions at 0x10000000-0x10027fff",
            "pcie        one: /pcie@10000000/pci@1,0 cannot be reset: a restart leaves it switched \
             off",
        ]
    );
}

#[test]
fn functions_that_cannot_be_given_are_refused() {
    for (functions, expected) in [
        (
            &["/pcie@10000000/pci@3,0"][..],
            "\"/pcie@10000000/pci@3,0\" is a bridge, which stays Bulkhead's: give a function \
             behind it",
        ),
        (
            &["/pcie@10000000/pci@1,0", "/pcie@10000000/pci@3,0/pci@0,0"],
            "\"/pcie@10000000/pci@3,0/pci@0,0\" is not behind the same port of the host bridge as \
             /pcie@10000000/pci@1,0: give one of them to another partition",
        ),
        (
            &["/pcie@10000000/pci@1,1"],
            "\"/pcie@10000000/pci@1,1\" is not a device that can be passed through; the nearest \
             name is \"/pcie@10000000/pci@1,0\"",
        ),
        (
            &["/pcie@10000000/pci@1,0", "/pcie@10000000/pci@1,0"],
            "\"/pcie@10000000/pci@1,0\" is already given to /partitions/one",
        ),
        (
            &["/pcie@10000000/pci@1,0", "/pcie@10000000"],
            "\"/pcie@10000000\" is used by Bulkhead and cannot be passed through",
        ),
    ] {
        let mut machine = standard();
        machine.devices.push(device("/pcie@10000000", (0x40_1000_0000, 0x1000_0000), None));
        let text = refusal(&machine, [given("one", functions)]);
        assert_eq!(text, std::format!("/partitions/one: devices = {expected}"));
    }
    let without = partition("one").with("devices", Text(&["/pcie@10000000/pci@1,0"]));
    assert_eq!(
        refusal(&standard(), [without]),
        "/partitions/one: devices = \"/pcie@10000000/pci@1,0\" can write to all memory by DMA: \
         give dma = \"unprotected\" to allow this"
    );
    let broken = machine_with(bridge(), vec![card(1, 1).writable(BAR, 0x00ff_0000)]);
    assert_eq!(
        refusal(&broken, [given("one", &["/pcie@10000000/pci@1,0"])]),
        "/partitions/one: devices = \"/pcie@10000000/pci@1,0\" has a base address register that \
         tells no size, so that it cannot be passed through"
    );
}

#[test]
fn functions_that_partitions_would_share_are_refused() {
    let two = |name| [given("one", &["/pcie@10000000/pci@0,0"]), given("two", name)];
    assert_eq!(
        refusal(&standard(), two(&["/pcie@10000000/pci@4,0"])),
        "/partitions/one: devices = \"/pcie@10000000/pci@0,0\" raises interrupt 35, which \
         /pcie@10000000/pci@4,0 of /partitions/two raises too: give both to one partition"
    );
    let few = machine_with(bridge(), vec![nvme(0), card(4, 1)]);
    assert_eq!(
        refusal(&few, two(&["/pcie@10000000/pci@4,0"])),
        "/partitions/one: devices = \"/pcie@10000000/pci@0,0\" raises interrupt 35, which \
         /pcie@10000000/pci@4,0 of /partitions/two raises too: put one of them into another slot, \
         such as pci@1,0"
    );
    let parts =
        [given("one", &["/pcie@10000000/pci@2,0"]), given("two", &["/pcie@10000000/pci@2,1"])];
    assert_eq!(
        refusal(&standard(), parts),
        "/partitions/one: devices = \"/pcie@10000000/pci@2,0\" is in the same device or behind the \
         same port as /pcie@10000000/pci@2,1 of /partitions/two: give both to one partition"
    );
    let switch = || vec![Model::bridge(5), nvme(0).behind(0), Model::bridge(1).behind(0)];
    let mut behind = switch();
    behind.push(card(0, 0).behind(2));
    let machine = machine_with(bridge(), behind);
    const FAR: &str = "/pcie@10000000/pci@5,0/pci@1,0/pci@0,0";
    let parts = [given("one", &["/pcie@10000000/pci@5,0/pci@0,0"]), given("two", &[FAR])];
    let text = refusal(&machine, parts);
    let both = [" or behind the same port as ", FAR, " of /partitions/two"].concat();
    assert!(text.contains(&both), "{text}");
}

/// A port that lets functions access each other, or take each other's IDs, is no wall.
#[test]
fn functions_that_a_port_does_not_keep_apart_are_refused() {
    let acs =
        |port: Model| port.with(0x100, 0x1_000d).with(0x104, 0x1d).writable(0x104, 0x1d << 16);
    let machine = |port| {
        let functions = vec![nvme(0), port, card(0, 1).behind(1)];
        let mut machine = machine_with(bridge(), functions);
        let functions = machine.devices.iter_mut().filter(|it| it.function.is_some());
        functions.for_each(|it| it.reach = Reach::Partition);
        machine
    };
    let owner = |name, function| partition(name).with("devices", Text(function));
    const BEHIND: &[&str] = &["/pcie@10000000/pci@5,0/pci@0,0"];
    const ROOT: &[&str] = &["/pcie@10000000/pci@0,0"];
    let both = || [owner("one", BEHIND), owner("two", ROOT)];
    assert!(plan_on(&machine(acs(Model::bridge(5))), &system(both())).is_ok());
    let without = machine(Model::bridge(5));
    assert_eq!(
        refusal(&without, both()),
        "/partitions/one: devices = \"/pcie@10000000/pci@5,0/pci@0,0\" is behind a port without \
         ACS, which does not keep it away from /pcie@10000000/pci@0,0 of /partitions/two: give \
         both to one partition, or choose another port"
    );
    // Alone below the host bridge, and where nothing is promised.
    assert!(plan_on(&without, &system([owner("one", BEHIND), partition("two")])).is_ok());
    assert!(plan_on(&without, &system([given("one", BEHIND), owner("two", ROOT)])).is_ok());
}

#[test]
fn memory_that_does_not_fit_is_refused() {
    let mut host = bridge();
    host.windows[0].region = region(0x1000_0000, 0x2_7fff);
    let machine = machine_with(host, vec![card(1, 1), nvme(0)]);
    let functions = &["/pcie@10000000/pci@0,0", "/pcie@10000000/pci@1,0"];
    assert_eq!(
        refusal(&machine, [given("one", functions)]),
        "/partitions/one needs a window of 160 KiB for the memory of its PCIe functions: the \
         largest that is free below /pcie@10000000 has 156 KiB"
    );
    let huge = Model::new(1, 0, 1).with(BAR, 4).writable(BAR + 4, 1 << 31);
    let machine = machine_with(bridge(), vec![huge]);
    let text = refusal(&machine, [given("one", &["/pcie@10000000/pci@1,0"])]);
    assert!(text.contains("needs a window of"), "{text}");
}

/// A machine's tree in which the host bridge is, and a description that names a function below it:
/// only then is the bus looked at.
#[test]
fn a_host_bridge_is_looked_at_if_one_of_its_functions_is_named() {
    let bytes = crate::boot::pci::tests::tree();
    let tree = Tree::new(&bytes).unwrap();
    let found = |name: &str| {
        let mut machine = machine(gic_v3());
        machine.devices.clear();
        let mut opened = 0;
        let open: Open<'_> = &mut |bridge: &HostBridge| {
            opened += 1;
            assert_eq!(bridge.path, "/pcie@10000000");
            Box::new(Buses::new(vec![nvme(0), card(1, 1)]))
        };
        machine.find_functions(&tree, &["/pl011@9000000", name], open);
        machine.read_devices(&tree, &|_| false);
        machine.explain_devices(&tree, [name].into_iter());
        (opened, machine)
    };
    let (opened, machine) = found(&[ROOT, "pci@9,0"].concat());
    assert_eq!((opened, machine.host_bridges.len()), (1, 1));
    let functions = machine.devices.iter().filter(|it| it.function.is_some());
    let all: Vec<_> = functions.map(|it| (&*it.path, it.interrupts[0].intid.get())).collect();
    assert_eq!(all, [("/pcie@10000000/pci@0,0", 35), ("/pcie@10000000/pci@1,0", 36)]);
    for name in ["/pcie@10000000", "/pcie@20000000/pci@1,0", "/pcie@10000000/usb@1,0"] {
        assert_eq!(found(name).0, 0, "{name}");
    }
    // Whoever cannot look says so.
    let mut machine = super::machine(gic_v3());
    machine.explain_devices(&tree, ["/pcie@10000000/pci@1,0"].into_iter());
    assert_eq!(machine.not_devices[0].why, "is a PCIe function, which only booting finds");
}

/// A host bridge that tells its functions apart for no SMMU.
#[test]
fn functions_that_share_a_stream_have_one_owner() {
    let bytes = tree_with_one_stream();
    let tree = Tree::new(&bytes).unwrap();
    let mut machine = machine_with_smmu(&[]);
    let open: Open<'_> = &mut |_: &HostBridge| Box::new(Buses::new(vec![nvme(0), card(1, 1)]));
    machine.find_functions(&tree, &["/pcie@10000000/pci@0,0"], open);
    machine.read_devices(&tree, &|_| true);
    const BOTH: &[&str] = &["/pcie@10000000/pci@0,0", "/pcie@10000000/pci@1,0"];
    let one = |functions| partition("one").with("devices", Text(functions));
    let two = partition("two").with("devices", Text(&BOTH[1..]));
    assert_eq!(
        refusal(&machine, [one(&BOTH[..1]), two]),
        "/partitions/two: devices = \"/pcie@10000000/pci@1,0\" has the stream 0x100 of \
         /pcie@10000000/pci@0,0, which /partitions/one owns: give both to the same partition"
    );
    let plan = plan_on(&machine, &system([one(BOTH), partition("two")])).unwrap();
    assert_eq!(plan.smmus[0].streams.len(), 1);
}

/// Slot 0 is behind the SMMU, slot 1 is not.
#[test]
fn functions_behind_an_smmu_reach_the_memory_of_their_partition() {
    let bytes = tree_with_smmu();
    let tree = Tree::new(&bytes).unwrap();
    let mut machine = machine_with_smmu(&[]);
    let open: Open<'_> = &mut |_: &HostBridge| Box::new(Buses::new(vec![nvme(0), card(1, 1)]));
    machine.find_functions(&tree, &["/pcie@10000000/pci@0,0"], open);
    machine.read_devices(&tree, &|_| true);
    let one = partition("one").with("devices", Text(&["/pcie@10000000/pci@0,0"]));
    let plan = plan_on(&machine, &system([one, partition("two")])).unwrap();
    let [one, two] = &plan.partitions[..] else { panic!() };
    assert_eq!(one.passthrough[0].streams, [Stream { smmu: 0, id: 0x100 }]);
    let streams: Vec<_> = plan.smmus[0].streams.iter().map(|it| (it.id, it.partition)).collect();
    assert_eq!(streams, [(0x100, 0)]);
    // Its memory, but not the window of the function itself.
    let [memory] = one.dma_mappings[..] else { panic!() };
    assert_eq!((memory.pa, memory.size), (one.memory.host.start(), one.memory.host.size()));
    assert!(!one.dma_unprotected && one.pci.is_some() && two.dma_mappings.is_empty());
    let one = partition("one").with("devices", Text(&["/pcie@10000000/pci@1,0"]));
    assert_eq!(
        refusal(&machine, [one]),
        "/partitions/one: devices = \"/pcie@10000000/pci@1,0\" can write to all memory by DMA: \
         give dma = \"unprotected\" to allow this"
    );
}
