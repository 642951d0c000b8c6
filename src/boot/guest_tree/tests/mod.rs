//! The trees of guests on a test machine.

mod passthrough;

use alloc::string::ToString;
use alloc::vec;

use super::*;
use crate::arch::addr::{Pa, Region};
use crate::arch::intid::Interrupt;
use crate::arch::intid::Trigger;
use crate::boot::machine::{Device, Gic, Pmu, PmuInterrupts, Reach, Seeds, TimerProperty};
use crate::boot::plan::Plan;
use crate::boot::plan::tests::{
    Cells, Nothing, Spec, Text, gic_v2, gic_v3, image, machine, partition, plan_on, system,
};
use crate::devices::planned::{DeviceKind, PlannedDevice};
use crate::mm::tables::Attributes;

/// The tree of a machine with the devices that the tests pass through.
fn machine_tree() -> Spec {
    let uart = Spec::new("serial@b000000")
        .with("compatible", Text(&["test,uart"]))
        .with("reg", Cells(&[0xb00_0000, 0x100]))
        .with("interrupts", Cells(&[28]))
        .with("interrupt-parent", Cells(&[9]))
        .with("clocks", Cells(&[2]))
        .with("clock-names", Text(&["uartclk"]))
        .with("dmas", Cells(&[7, 1]))
        .with("pinctrl-0", Cells(&[8]))
        .with("vdd-supply", Cells(&[8]))
        .with("status", Text(&["okay"]))
        .with("current-speed", Cells(&[115_200]));
    let other = Spec::new("serial@b000100")
        .with("reg", Cells(&[0xb00_0100, 0x100]))
        .with("clocks", Cells(&[3, 1]))
        .with("clock-names", Text(&["uartclk"]));
    let clock = Spec::new("apb-pclk")
        .with("compatible", Text(&["fixed-clock"]))
        .with("#clock-cells", Cells(&[0]))
        .with("clock-frequency", Cells(&[48_000_000]))
        .with("phandle", Cells(&[2]));
    let tree_of_clocks = Spec::new("clocks").with("phandle", Cells(&[3]));
    let gic = Spec::new("intc")
        .with("compatible", Text(&["arm,gic-400"]))
        .with("#interrupt-cells", Cells(&[3]))
        .with("interrupt-controller", Nothing)
        .with("phandle", Cells(&[1]));
    let bus = Spec::new("soc").child(uart).child(other);
    Spec::new("")
        .with("dma-coherent", Nothing)
        .child(bus)
        .child(clock)
        .child(tree_of_clocks)
        .child(gic)
}

fn machine_with_devices(gic: Gic) -> Machine {
    let mut machine = machine(gic);
    let registers = |start| vec![Region::new(Pa::new(start), 0x100).unwrap()];
    let interrupt = Interrupt { intid: Intid::new(60).unwrap(), trigger: Trigger::Edge };
    let device = |path: &str, start, interrupts| Device {
        path: path.to_string(),
        aliases: vec![],
        registers: registers(start),
        interrupts,
        reach: Reach::Memory,
        serves: vec![],
        streams: vec![],
        function: None,
    };
    machine.devices = vec![
        device("/soc/serial@b000000", 0xb00_0000, vec![interrupt]),
        device("/soc/serial@b000100", 0xb00_0100, vec![]),
    ];
    let compatible = b"arm,cortex-a53-pmu\0arm,armv8-pmuv3\0".into();
    let interrupts = PmuInterrupts::Private(Intid::ppi(7).unwrap());
    machine.pmus = vec![Pmu { compatible, interrupts }];
    machine
}

/// A partition with all kinds of devices, a ramdisk and a command line.
fn everything(machine: &Machine) -> Plan {
    let one = partition("one")
        .with("cpus", Cells(&[2]))
        .with("dma", Text(&["unprotected"]))
        .with("devices", Text(&["/soc/serial@b000000", "/soc/serial@b000100"]))
        .with("bootargs", Text(&["console=ttyAMA0 quiet"]))
        .with("watchdog-ms", Cells(&[1001]))
        .with("monitor", Nothing)
        .child(image("ramdisk", &[1; 5]));
    plan_on(machine, &system([one])).unwrap()
}

/// Builds the tree of the only partition and passes it to a test.
fn with_tree(gic: Gic, test: impl FnOnce(&PartitionPlan, &Tree<'_>, &[String])) {
    let machine = machine_with_devices(gic);
    let bytes = machine_tree().tree();
    let tree = Tree::new(&bytes).unwrap();
    let one = &everything(&machine).partitions[0];
    let built = build(one, &machine, &tree).unwrap_or_else(|error| panic!("{error}"));
    let guest = Tree::new(&built.bytes).unwrap();
    test(one, &guest, &built.remarks);
}

fn cells(tree: &Tree<'_>, node: &str, property: &str) -> Vec<u32> {
    let node = tree.node(node).unwrap();
    node.property(property).unwrap().cells().unwrap().collect()
}

fn text<'a>(tree: &Tree<'a>, node: &str, property: &str) -> &'a str {
    let property = tree.node(node).unwrap().property(property);
    property.unwrap().strings().unwrap().next().unwrap()
}

#[test]
fn disks_are_volatile_regions_of_persistent_memory() {
    let machine = machine_with_devices(gic_v2());
    let root = image("root", &[1]).with("read-only", Nothing);
    let scratch = Spec::new("scratch").with("size", Cells(&[0, 0x800_0000]));
    let disks = Spec { children: vec![root, scratch], ..Spec::new("disks") };
    let plan = plan_on(&machine, &system([partition("one").child(disks)])).unwrap();
    let bytes = machine_tree().tree();
    let built = build(&plan.partitions[0], &machine, &Tree::new(&bytes).unwrap());
    let built = built.unwrap_or_else(|error| panic!("{error}"));
    let tree = Tree::new(&built.bytes).unwrap();
    for (node, reg, label, is_read_only) in [
        ("/pmem@80000000", [0, 0x8000_0000, 0, 0x20_0000], "root", true),
        ("/pmem@80200000", [0, 0x8020_0000, 0, 0x800_0000], "scratch", false),
    ] {
        assert_eq!(text(&tree, node, "compatible"), "pmem-region");
        assert_eq!(cells(&tree, node, "reg"), reg);
        assert_eq!(text(&tree, node, "label"), label);
        assert!(tree.node(node).unwrap().property("volatile").unwrap().value.is_empty());
        assert_eq!(tree.node(node).unwrap().property("read-only").is_some(), is_read_only);
    }
}

#[test]
fn registers_and_memory_are_those_of_the_plan() {
    for gic in [gic_v2(), gic_v3()] {
        with_tree(gic, |one, tree, _| {
            let mut described: Vec<(u64, u64)> = Vec::new();
            for node in tree.root().children() {
                for region in node.regions().unwrap() {
                    let region = region.page_aligned().unwrap();
                    described.push((region.start().get(), region.end().get()));
                }
            }
            let mappings = one.mappings.clone().into_iter().map(|mapping| {
                assert!(mapping.attributes == Attributes::GUEST_DEVICE || mapping.size == 16 << 20);
                (mapping.ipa.get(), mapping.ipa.get() + mapping.size)
            });
            let trapped = one.devices.iter().map(PlannedDevice::trapped);
            let trapped = trapped.map(|region| (region.start().get(), region.end().get()));
            let mut planned: Vec<_> = mappings.chain(trapped).collect();
            // Parts of one device that follow each other count as one.
            for regions in [&mut planned, &mut described] {
                regions.sort_unstable();
                regions.dedup();
                regions.dedup_by(|next, last| {
                    let follows = next.0 == last.1;
                    last.1 = if follows { next.1 } else { last.1 };
                    follows
                });
            }
            assert_eq!(described, planned);
        });
    }
}

#[test]
fn cpus_the_ramdisk_and_the_console_are_described() {
    with_tree(gic_v3(), |one, tree, _| {
        let cpus = tree.node("/cpus").unwrap();
        let cpus: Vec<_> = cpus.children().map(|cpu| cpu.name()).collect();
        assert_eq!(cpus, ["cpu@0", "cpu@1"]);
        assert_eq!(cells(tree, "/cpus/cpu@1", "reg"), [1]);
        assert_eq!(text(tree, "/cpus/cpu@1", "compatible"), "arm,cortex-a53");
        assert_eq!(text(tree, "/cpus/cpu@1", "enable-method"), "psci");
        assert_eq!(text(tree, "/psci", "method"), "hvc");
        assert_eq!(text(tree, "/chosen", "bootargs"), "console=ttyAMA0 quiet");
        let console = tree.node(text(tree, "/chosen", "stdout-path")).unwrap();
        assert!(console.is_compatible("arm,pl011"));
        let chosen = tree.node("/chosen").unwrap();
        let number = |name| chosen.property(name).unwrap().u64().unwrap();
        let ramdisk = one.ramdisk.unwrap().load;
        assert_eq!(number("linux,initrd-start"), ramdisk.start().get());
        assert_eq!(number("linux,initrd-end"), ramdisk.end().get());
        assert_eq!(text(tree, "/hypervisor", "label"), "one");
    });
}

#[test]
fn interrupts_are_those_of_the_plan() {
    for (gic, timer_flags) in [(gic_v2(), 0x308), (gic_v3(), 8)] {
        with_tree(gic, |one, tree, _| {
            let timer = cells(tree, "/timer", "interrupts");
            let expected = [13, 14, 11, 10].map(|ppi| [1, ppi, timer_flags]);
            assert_eq!(timer, expected.as_flattened());
            let pmu = tree.node("/pmu").unwrap();
            assert_eq!(pmu.interrupts().unwrap()[0].intid, Intid::ppi(7).unwrap());
            assert!(
                pmu.is_compatible("arm,cortex-a53-pmu") && pmu.is_compatible("arm,armv8-pmuv3")
            );
            let uart = tree.node("/serial@b000000").unwrap().interrupts().unwrap();
            assert_eq!(uart, one.interrupts);
            let watchdog = DeviceKind::Watchdog { milliseconds: 1001 };
            for (path, kind) in [
                ("serial0", DeviceKind::Pl011),
                ("serial1", DeviceKind::MonitorPl011),
                ("/watchdog@90f0000", watchdog),
            ] {
                let interrupts = tree.node(path).unwrap().interrupts().unwrap();
                let intid = one.device(kind).unwrap().intid.unwrap();
                assert_eq!(interrupts, [Interrupt { intid, trigger: Trigger::Level }]);
            }
        });
    }
}

#[test]
fn each_guest_has_the_spis_of_its_own_cpus_pmus() {
    let mut machine = machine(gic_v2());
    let spi = |number| Interrupt { intid: Intid::spi(number).unwrap(), trigger: Trigger::Level };
    let shared = (0..4).map(|cpu| (Mpidr::new(cpu), spi(16 + cpu as u32))).collect();
    let interrupts = PmuInterrupts::Shared(shared);
    machine.pmus = vec![Pmu { compatible: b"arm,cortex-a72-pmu\0".into(), interrupts }];
    let one = partition("one").with("cpus", Cells(&[2]));
    let two = partition("two").without("cpus").with("cpu-ids", Cells(&[3, 0]));
    let plan = plan_on(&machine, &system([one, two])).unwrap();
    let bytes = machine_tree().tree();
    let firmware = Tree::new(&bytes).unwrap();
    // CPUs 1 and 2, because `cpu-ids` are assigned first.
    for (partition, spis) in plan.partitions.iter().zip([[17, 18], [19, 16]]) {
        let built = build(partition, &machine, &firmware).ok().unwrap();
        let tree = Tree::new(&built.bytes).unwrap();
        let expected = spis.map(spi);
        assert_eq!(tree.node("/pmu").unwrap().interrupts().unwrap(), expected);
        let mut owned = expected;
        owned.sort_by_key(|interrupt| interrupt.intid);
        assert_eq!(partition.interrupts, owned);
        for (cpu, phandle) in cells(&tree, "/pmu", "interrupt-affinity").into_iter().enumerate() {
            assert_eq!(tree.by_phandle(phandle).unwrap().name(), ["cpu@0", "cpu@1"][cpu]);
        }
    }
}

#[test]
fn the_timer_keeps_what_the_machines_tree_says_about_it() {
    let mut machine = machine(gic_v3());
    let property =
        |name: &str, value: &[u8]| TimerProperty { name: name.to_string(), value: value.to_vec() };
    machine.timer.properties = vec![
        property("clock-frequency", &50_000_000_u32.to_be_bytes()),
        property("fsl,erratum-a008585", &[]),
    ];
    let plan = plan_on(&machine, &system([partition("one")])).unwrap();
    let bytes = machine_tree().tree();
    let built = build(&plan.partitions[0], &machine, &Tree::new(&bytes).unwrap()).ok().unwrap();
    let tree = Tree::new(&built.bytes).unwrap();
    assert_eq!(cells(&tree, "/timer", "clock-frequency"), [50_000_000]);
    assert!(tree.node("/timer").unwrap().property("fsl,erratum-a008585").is_some());
}

#[test]
fn a_watchdog_follows_its_binding() {
    with_tree(gic_v2(), |_, tree, _| {
        let node = tree.node("/watchdog@90f0000").unwrap();
        assert!(node.is_compatible("arm,sbsa-gwdt"));
        let frames = node.regions().unwrap();
        let starts: Vec<_> = frames.iter().map(|frame| frame.start().get()).collect();
        assert_eq!(starts, [0x90f_0000, 0x90f_1000]);
        // 1001 ms, in whole seconds.
        assert_eq!(cells(tree, "/watchdog@90f0000", "timeout-sec"), [2]);
    });
}

#[test]
fn a_plain_partition_has_one_uart_and_no_watchdog() {
    let machine = machine_with_devices(gic_v2());
    let plan = plan_on(&machine, &system([partition("plain")])).unwrap();
    let bytes = machine_tree().tree();
    let built = build(&plan.partitions[0], &machine, &Tree::new(&bytes).unwrap()).ok().unwrap();
    let tree = Tree::new(&built.bytes).unwrap();
    let uarts = tree.nodes().filter(|node| node.is_compatible("arm,pl011"));
    assert_eq!(uarts.count(), 1);
    assert!(tree.node("serial1").is_none());
    assert!(tree.nodes().all(|node| !node.is_compatible("arm,sbsa-gwdt")));
}

/// The places of the seeds are those of the properties, whose values are zeros; a tree without them
/// has no such property.
#[test]
fn seeds_are_zeros_until_a_start_fills_them() {
    let mut machine = machine_with_devices(gic_v2());
    let plan = plan_on(&machine, &system([partition("one")])).unwrap();
    let bytes = machine_tree().tree();
    let tree = Tree::new(&bytes).unwrap();
    let cases: [(_, &[(&str, usize)]); 3] = [
        (Seeds::None, &[]),
        (Seeds::Kaslr, &[("kaslr-seed", 8)]),
        (Seeds::All, &[("kaslr-seed", 8), ("rng-seed", 64)]),
    ];
    for (seeds, expected) in cases {
        machine.seeds = seeds;
        let built = build(&plan.partitions[0], &machine, &tree).ok().unwrap();
        let guest = Tree::new(&built.bytes).unwrap();
        let found = guest.node("/chosen").unwrap().properties();
        let found: Vec<_> = found.filter(|property| property.name.ends_with("-seed")).collect();
        let sizes: Vec<_> = found.iter().map(|it| (it.name, it.value.len())).collect();
        assert_eq!(sizes, expected);
        assert!(found.iter().all(|property| property.value.iter().all(|byte| *byte == 0)));
        let places = found.iter().map(|property| guest.offset_of(property.value).unwrap());
        let starts: Vec<_> = built.seeds.iter().map(|place| place.start).collect();
        assert_eq!(places.collect::<Vec<_>>(), starts);
        let lengths: Vec<_> = built.seeds.iter().map(Range::len).collect();
        assert_eq!(lengths, expected.iter().map(|it| it.1).collect::<Vec<_>>());
    }
}

#[test]
fn devices_keep_fixed_clocks_and_lose_references_to_other_nodes() {
    with_tree(gic_v2(), |_, tree, remarks| {
        let uart = tree.node("/serial@b000000").unwrap();
        let names: Vec<_> = uart.properties().map(|property| property.name).collect();
        assert_eq!(
            names,
            [
                "compatible",
                "clocks",
                "clock-names",
                "current-speed",
                "reg",
                "interrupts",
                "dma-coherent"
            ]
        );
        let clock = uart.property("clocks").unwrap().u32().unwrap();
        let clock = tree.by_phandle(clock).unwrap();
        assert_eq!(clock.property("clock-frequency").unwrap().u32(), Some(48_000_000));
        let other = tree.node("/serial@b000100").unwrap();
        assert!(other.property("clocks").is_none() && other.property("clock-names").is_none());
        assert_eq!(
            remarks,
            [
                "/soc/serial@b000000 is passed through without its dmas, whose references are not \
                 known",
                "/soc/serial@b000000 is passed through without its pinctrl-0, whose references \
                 are not known",
                "/soc/serial@b000000 is passed through without its vdd-supply, whose references \
                 are not known",
                "/soc/serial@b000100 is passed through without its clocks, whose references are \
                 not known",
            ]
        );
        // Every phandle is unique: devices keep theirs, so the others are new.
        let mut phandles: Vec<_> = tree.nodes().filter_map(|node| node.phandle()).collect();
        let count = phandles.len();
        phandles.sort_unstable();
        phandles.dedup();
        assert_eq!(phandles.len(), count);
    });
}

#[test]
fn a_tree_that_is_too_large_is_refused() {
    let machine = machine_with_devices(gic_v2());
    let mut plan = everything(&machine);
    let one = &mut plan.partitions[0];
    one.tree = Region::new(one.tree.start(), 0x100).unwrap();
    let bytes = machine_tree().tree();
    let error = build(one, &machine, &Tree::new(&bytes).unwrap()).err();
    let sentence = error.unwrap().to_string();
    assert!(
        sentence.starts_with("/partitions/one: devices (")
            && sentence
                .ends_with("make the guest's device tree larger than 256 B: give fewer devices"),
        "{sentence}"
    );
}
