//! The tree of the Raspberry Pi 4: Linux's own, with the memory that firmware would add, and with
//! the changes that QEMU makes.

use std::fs;

use bulkhead::arch::addr::Pa;
use bulkhead::arch::intid::Intid;
use bulkhead::boot::fdt::Tree;
use bulkhead::boot::machine::{ConsoleKind, CpuStart, Gic, Machine, Reach};
use bulkhead::boot::plan::Plan;
use common::{board_tree, qemu_tree};

use super::region;

/// Runs dtc without its warnings, of which Linux's tree has many.
fn dtc(arguments: &[&str], input: &[u8]) -> Vec<u8> {
    common::dtc(&[&["-q"], arguments].concat(), input)
}

fn read(tree: &[u8]) -> Machine {
    super::read(&Tree::new(tree).unwrap())
}

/// Returns the tree of a board with 8 GiB, with `more` added to its source.
fn board(more: &str) -> Vec<u8> {
    const MEMORY: &str = "/ { memory@0 { reg = <0x0 0x0 0x3b400000  0x0 0x40000000 0xbc000000
        0x1 0x0 0x80000000  0x1 0x80000000 0x80000000>; }; };";
    let mut source = dtc(&["-I", "dtb", "-O", "dts"], &fs::read(board_tree()).unwrap());
    source.extend(MEMORY.bytes().chain(more.bytes()));
    dtc(&["-I", "dts", "-O", "dtb"], &source)
}

/// Checks what both trees have.
fn check(machine: &Machine) {
    assert_eq!(machine.model, "Raspberry Pi 4 Model B");
    let cpus = machine.cpus.iter().map(|cpu| (cpu.mpidr.get(), cpu.start));
    let slots = [0xd8, 0xe0, 0xe8, 0xf0].map(Pa::new).map(CpuStart::SpinTable);
    assert!(cpus.eq((0..).zip(slots)));
    assert_eq!(
        machine.gic,
        Gic::V2 {
            distributor: region(0xff84_1000, 0x1000),
            cpu_interface: region(0xff84_2000, 0x2000),
            hypervisor: region(0xff84_4000, 0x2000),
            virtual_cpu_interface: region(0xff84_6000, 0x2000),
            maintenance: Intid::ppi(9).unwrap(),
        }
    );
    let timer = &machine.timer;
    assert_eq!([timer.physical, timer.virtual_, timer.hypervisor].map(Intid::get), [30, 27, 26]);
    assert_eq!(machine.psci, None);
    assert_eq!(machine.watchdog, Some(region(0xfe10_0000, 0x114)));
    let console = machine.console.as_ref().unwrap();
    assert_eq!((&*console.path, console.kind), ("/soc/serial@7e215040", ConsoleKind::MiniUart));
    assert_eq!(console.registers, region(0xfe21_5040, 0x40));
    assert_eq!(console.interrupt.map(Intid::get), Some(125));
    assert_eq!(console.settings, []);
    assert_eq!(machine.remarks, [""; 0]);
    assert!(machine.devices.iter().any(|device| device.aliases == ["serial0"]));
}

/// Returns the paths of the devices with such a reach.
fn devices(machine: &Machine, is_such: fn(Reach) -> bool) -> Vec<&str> {
    let devices = machine.devices.iter().filter(|device| is_such(device.reach));
    devices.map(|device| &*device.path).collect()
}

fn is_bus_master(reach: Reach) -> bool {
    reach == Reach::Memory
}

fn is_machine_wide(reach: Reach) -> bool {
    matches!(reach, Reach::Machine(_))
}

fn is_harmless(reach: Reach) -> bool {
    reach == Reach::Partition
}

#[rustfmt::skip]
const BUS_MASTERS: [&str; 11] = [
    "/soc/txp@7e004000", "/soc/mailbox@7e00b880", "/soc/mmc@7e300000", "/soc/hvs@7e400000",
    "/soc/usb@7e980000", "/soc/dma@7e007000",
    "/soc/mailbox@7e00b840", "/emmc2bus/mmc@7e340000", "/scb/pcie@7d500000",
    "/scb/ethernet@7d580000", "/scb/gpu@7ec00000",
];
const WHOLE_MACHINE: [&str; 7] = [
    "/soc/cprman@7e101000",
    "/soc/gpio@7e200000",
    "/soc/local_intc@40000000",
    "/soc/avs-monitor@7d5d2000",
    "/soc/watchdog@7e100000",
    "/soc/clock@7ef00000",
    "/soc/interrupt-controller@7ef00100",
];
/// The other devices are unknown, or they request transfers of the DMA controller.
#[rustfmt::skip]
const HARMLESS: [&str; 10] = [
    "/soc/serial@7e201000", "/soc/i2c@7e205000", "/soc/aux@7e215000", "/soc/serial@7e215040",
    "/soc/i2c@7e804000", "/soc/rng@7e104000", "/soc/pwm@7e20c800", "/soc/i2c@7ef04500",
    "/soc/i2c@7ef09500", "/arm-pmu",
];

#[test]
fn tree_of_linux() {
    let machine = read(&board(""));
    check(&machine);
    let banks =
        [(0, 0x3b40_0000), (0x4000_0000, 0xbc00_0000), (1 << 32, 2 << 30), (6 << 30, 2 << 30)];
    assert_eq!(machine.memory, banks.map(|(start, size)| region(start, size)));
    assert_eq!(devices(&machine, is_bus_master), BUS_MASTERS);
    assert_eq!(devices(&machine, is_machine_wide), WHOLE_MACHINE);
    assert_eq!(devices(&machine, is_harmless), HARMLESS);
}

#[test]
fn tree_of_qemu_has_nops() {
    let file = board_tree();
    let tree = qemu_tree("raspi4b", &["-dtb", file.to_str().unwrap()]);
    let nops = tree.chunks_exact(4).filter(|token| *token == [0, 0, 0, 4]).count();
    assert!(nops > 100, "QEMU writes no NOPs into the tree");
    let machine = read(&tree);
    check(&machine);
    assert_eq!(machine.memory, [region(0, 0x3c00_0000)]);
    assert!(devices(&machine, is_bus_master).iter().all(|path| BUS_MASTERS.contains(path)));
    assert_eq!(devices(&machine, is_machine_wide), WHOLE_MACHINE);
}

/// The PL011 is disabled, connected to its pins, and enabled with 8 bits at 115200 baud.
#[test]
fn pl011_as_the_console() {
    let settings = |stdout: &str| {
        let machine = read(&board(&format!("/ {{ chosen {{ stdout-path = \"{stdout}\"; }}; }};")));
        let console = machine.console.unwrap();
        assert_eq!(console.registers.start(), Pa::new(0xfe20_1000));
        let settings = console.settings.into_iter();
        settings.map(|it| (it.register.start().get(), it.mask, it.value)).collect::<Vec<_>>()
    };
    let expected = |integer, fraction| {
        [
            (0xfe20_1030, u32::MAX, 0),
            (0xfe20_0004, 0x3_f000, 0x2_4000),
            (0xfe20_102c, u32::MAX, 0),
            (0xfe20_1024, u32::MAX, integer),
            (0xfe20_1028, u32::MAX, fraction),
            (0xfe20_102c, u32::MAX, 0x70),
            (0xfe20_1030, u32::MAX, 0x301),
        ]
    };
    for stdout in ["serial0", "serial0:115200n8", "/soc/serial@7e201000:x", "serial0:99999999"] {
        assert_eq!(settings(stdout), expected(26, 3), "{stdout}");
    }
    assert_eq!(settings("serial0:9600n8"), expected(312, 32));
}

/// Makes the Plan for partitions with these devices on the machine of this tree.
fn plan(tree: &[u8], partitions: &[(&str, &str)]) -> Result<Plan, String> {
    let nodes = partitions.iter().map(|(name, devices)| {
        format!(
            "{name} {{ cpus = <1>; memory = <0x0 0x1000000>; {devices} \
             kernel {{ data = [00]; }}; }};"
        )
    });
    let nodes: String = nodes.collect();
    let text =
        format!("/dts-v1/; / {{ compatible = \"bulkhead,system\"; partitions {{ {nodes} }}; }};");
    let description = dtc(&["-O", "dtb"], text.as_bytes());
    super::plan(&read(tree), &description, 0x800_0000)
}

/// Enables devices that Linux's tree disables, as an overlay of the firmware does.
const UARTS_ON: &str = "/ {
    soc { serial@7e201400 { status = \"okay\"; }; serial@7e201600 { status = \"okay\"; };
    spi@7e215080 { status = \"okay\"; }; }; chosen { stdout-path = \"serial0\"; }; };";

#[test]
fn devices_are_given_together_or_refused() {
    let uarts_on = board(UARTS_ON);
    for (devices, what) in [
        ("\"serial1\"", "devices = \"serial1\" shares a page with /soc/aux@7e215000, at "),
        (
            "\"serial1\", \"/soc/aux@7e215000\"",
            "devices = \"serial1\" shares a page with /soc/spi@7e215080, at ",
        ),
        ("\"/soc/serial@7e201400\"", "is used by Bulkhead and cannot be passed through"),
        ("\"/soc/watchdog@7e100000\"", "is used by Bulkhead and cannot be passed through"),
        ("\"/soc/i2c@7ef04500\"", "shares a page with /soc/hdmi@7ef00700, at "),
    ] {
        let refusal = plan(&uarts_on, &[("a", &format!("devices = {devices};"))]).unwrap_err();
        assert!(refusal.starts_with("/partitions/a: ") && refusal.contains(what), "{refusal}");
    }
    let all = "devices = \"serial1\", \"/soc/aux@7e215000\", \"/soc/spi@7e215080\";";
    plan(&uarts_on, &[("a", all)]).unwrap();

    let console_elsewhere = board(&UARTS_ON.replace("serial0", "serial1"));
    let [uarts, i2c] = ["serial@7e201", "i2c@7e"];
    let device = |name: String| format!("devices = \"/soc/{name}\";");
    for (one, other, what) in [
        (format!("{uarts}000"), format!("{uarts}400"), "shares a page with /soc/serial@7e201"),
        (format!("{i2c}205000"), format!("{i2c}804000"), "of /partitions/b raises too"),
    ] {
        let (one, other) = (device(one), device(other));
        let refusal = plan(&console_elsewhere, &[("a", &one), ("b", &other)]).unwrap_err();
        assert!(refusal.contains(what), "{refusal}");
    }
}

#[test]
fn devices_beyond_a_partition_need_the_opt_in() {
    let tree = board("");
    for path in BUS_MASTERS.iter().chain(&WHOLE_MACHINE) {
        let refusal = plan(&tree, &[("a", &format!("devices = \"{path}\";"))]).unwrap_err();
        let own = refusal.contains("is used by Bulkhead");
        let way = match BUS_MASTERS.contains(path) {
            true => "give dma = \"unprotected\" to allow this",
            false => "give it by trusted-devices to allow this",
        };
        assert!(own || refusal.ends_with(way), "{refusal}");
        assert_eq!(own, path.contains("watchdog"));
    }
    let ethernet = "devices = \"ethernet0\"; dma = \"unprotected\";";
    let plan = plan(&tree, &[("a", ethernet)]).unwrap();
    let memory = plan.partitions[0].memory;
    assert_eq!(memory.guest.start().get(), memory.host.start().get());
}

/// The page is not given away even if the tree does not reserve it and a partition requests it.
#[test]
fn page_of_the_spin_table_is_given_to_no_partition() {
    let source = dtc(&["-I", "dtb", "-O", "dts"], &board(""));
    let source = String::from_utf8(source).unwrap().replace("/memreserve/", "//");
    let tree = dtc(&["-I", "dts", "-O", "dtb"], source.as_bytes());
    let reserved = read(&tree).reserved;
    assert!(reserved.iter().all(|it| it.owner.starts_with("the spin table")), "{reserved:?}");
    let refusal = plan(&tree, &[("a", "host-base = <0x0 0x0>;")]).unwrap_err();
    let taken = "in use: 0x00000000-0x00000fff belongs to the spin table of CPU 0x0";
    assert!(refusal.contains(taken), "{refusal}");
    let plan = plan(&tree, &[("a", ""), ("b", "dma = \"unprotected\";")]).unwrap();
    let mut taken = plan.partitions.iter().map(|it| it.memory.host).chain([plan.table_memory]);
    assert!(taken.all(|region| region.start() >= Pa::new(0x1000)));
}

/// Trees made for another address map have such nodes.
#[test]
fn nodes_outside_the_ranges_cause_few_remarks() {
    let nodes: String =
        (0..20).map(|it| format!("far@{it:x}000 {{ reg = <{:#x} 0x1000>; }};", it << 12)).collect();
    let machine = read(&board(&format!("/ {{ soc {{ {nodes} }}; }};")));
    assert_eq!(
        machine.remarks[0],
        "/soc/far@0000 is ignored: no `ranges` of its bus contain its registers"
    );
    assert_eq!(machine.remarks.last().unwrap(), "16 more nodes are ignored");
    assert_eq!(machine.remarks.len(), 5);
}
