//! Devices behind an SMMU. QEMU's SMMU translates for PCI functions alone. So for platform devices
//! the machine's tree has two `edu` functions as such: their registers are their windows and their
//! pages of configuration space, and their guests enable them.

use std::fs;
use std::path::PathBuf;

use common::{
    Gic, Machine, Outcome, Partition, REFUSED, compile, compile_machine, dtc, in_all_modes,
    on_both_gics, qemu_tree, scratch, source,
};

in_all_modes!(
    devices_reach_their_own_partition_and_nothing_else,
    functions_reach_their_own_partition_and_nothing_else,
);
on_both_gics!(
    streams_abort_once_their_partition_has_stopped,
    a_partition_restarts_while_its_device_moves_memory,
    a_master_without_an_smmu_needs_unprotected_dma,
);

/// The addresses of the devices' windows and pages of configuration space, below 1 GiB
/// (`highmem=off`), and their StreamIDs.
const DEVICES: [(u64, u64, u32); 2] =
    [(0x1000_0000, 0x3f00_8000, 0x08), (0x1010_0000, 0x3f01_0000, 0x10)];

/// The number of lines about a device that are printed at once.
const LINES: usize = 8;

/// Returns the argument of `-M`.
fn machine(gic: Gic) -> String {
    format!("virt,virtualization=on,gic-version={},iommu=smmuv3,highmem=off", gic.version())
}

/// Returns the machine's tree with the devices, whose nodes have what `iommus` returns for a
/// phandle and a StreamID.
#[track_caller]
fn tree(gic: Gic, iommus: fn(&str, u32) -> String) -> PathBuf {
    let tree = qemu_tree(&machine(gic), &["-cpu", "cortex-a53", "-smp", "4", "-m", "1G"]);
    let tree = dtc(&["-q", "-I", "dtb", "-O", "dts"], &tree);
    let tree = String::from_utf8(tree).expect("a source is text");
    let (_, smmu) = tree.split_once("smmuv3@9050000 {").expect("the machine has an SMMU");
    let (_, phandle) = smmu.split_once("phandle = <").expect("its node has a phandle");
    let (phandle, _) = phandle.split_once('>').expect("it ends");
    let mut nodes = String::new();
    for (window, config, stream) in DEVICES {
        let reg = format!("reg = <0 {window:#x} 0 0x100000>, <0 {config:#x} 0 0x1000>;");
        let iommus = iommus(phandle, stream);
        nodes += &format!("edu@{window:x} {{ compatible = \"qemu,edu\"; {reg} {iommus} }};\n");
    }
    // The host bridge's registers are the configuration space of both.
    let tree = tree.replacen("pcie@10000000 {", "pcie@10000000 { status = \"disabled\";", 1);
    let end = tree.rfind("};").expect("the root ends");
    compile_machine(&format!("{}{nodes}{}", &tree[..end], &tree[end..]))
}

/// Returns a machine with both devices as platform devices.
#[track_caller]
fn boot(gic: Gic, partitions: &[Partition]) -> Machine {
    let iommus = |phandle: &str, stream| format!("iommus = <{phandle} {stream:#x}>;");
    let tree = tree(gic, iommus);
    with_functions(gic, partitions).tree(&tree)
}

/// Returns a machine with both devices as functions, in slots 1 and 2.
#[track_caller]
fn with_functions(gic: Gic, partitions: &[Partition]) -> Machine {
    let mut machine = Machine::new(gic).machine(&machine(gic));
    for number in 1..=DEVICES.len() {
        let edu = format!("edu,addr={number},dma_mask=0xffffffffffffffff");
        machine = machine.option("-device", edu);
    }
    machine.initrd(&compile(&source(partitions)))
}

/// Returns a guest with one of the devices, which is given as `property`.
fn guest(name: &str, device: usize, property: &str, bootargs: &str) -> Partition {
    let (window, config, _) = DEVICES[device];
    Partition::new(name, "edu")
        .bootargs(&format!("registers={window:#x} config={config:#x} {bootargs}"))
        .property(&format!("{property} = \"/edu@{window:x}\";"))
}

/// Returns a guest that is trusted with one of the devices.
fn trusted(name: &str, device: usize, bootargs: &str) -> Partition {
    guest(name, device, "trusted-devices", bootargs)
}

/// Boots a machine, and returns the outcome and QEMU's trace of these events.
#[track_caller]
fn with_trace(machine: Machine, events: &str) -> (Outcome, String) {
    let log = scratch("trace.log");
    let machine = machine.option("-d", format!("trace:{events}"));
    let outcome = machine.option("-D", log.display()).boot();
    (outcome, fs::read_to_string(&log).expect("QEMU has written its log"))
}

#[track_caller]
fn expect_streams(outcome: &Outcome) {
    outcome.expect_line("bulkhead", "SMMU        /smmuv3@9050000: 2 streams, all others abort");
    let line = "2 streams reach 8,192 pages of the own partition's memory: all others abort";
    outcome.expect_line("bulkhead", line);
}

/// What the attacker's device is told to access: the victim's memory, the distributor, the victim's
/// device, the attacker's own device, whose registers only its CPUs reach, and Bulkhead's memory.
const TARGETS: [&str; 5] = ["0x60000000", "0x8000000", "0x10100000", "0x10000000", "0x40200000"];

/// Returns the attacker and the victim, whom `give` has given the devices, and the command lines.
fn attack(give: impl Fn(&str, usize, &str) -> Partition) -> [Partition; 2] {
    let attacker = give("attacker", 0, &format!("attack={} flood=20", TARGETS.join(",")));
    let victim = give("victim", 1, "wait=4000");
    [
        attacker.property("guest-base = <0x0 0x50000000>;"),
        victim.property("host-base = <0x0 0x60000000>;"),
    ]
}

fn devices_reach_their_own_partition_and_nothing_else(gic: Gic) {
    expect_refusals(boot(gic, &attack(trusted)), "edu@10000000");
}

/// The functions are given as such, without a word about DMA.
fn functions_reach_their_own_partition_and_nothing_else(gic: Gic) {
    let give = |name: &str, device: usize, bootargs: &str| {
        let devices = format!("devices = \"/pcie@10000000/pci@{},0\";", device + 1);
        Partition::new(name, "edu").bootargs(bootargs).property(&devices)
    };
    expect_refusals(with_functions(gic, &attack(give)), "pci@1,0");
}

/// Expects that the accesses of the attacker's device are refused, and that both devices reach the
/// memory of their own partition.
#[track_caller]
fn expect_refusals(machine: Machine, device: &str) {
    let (outcome, log) = with_trace(machine, "smmuv3_record_event");
    outcome.expect_success().expect_no_line("FAIL").expect_no_line("panic");
    expect_streams(&outcome);
    for name in ["attacker", "victim"] {
        outcome.expect_line(name, "edu: its device moves its memory");
        outcome.expect_line(name, "edu: done");
    }
    let own = outcome.of("bulkhead");
    for target in TARGETS.iter().take(LINES / 2) {
        for direction in ["to", "from"] {
            let line = format!("attacker: DMA of {device} {direction} {target} refused");
            outcome.expect_line("bulkhead", &line);
        }
    }
    let lines = own.containing("attacker: DMA of ").0.len();
    outcome.check((LINES..30).contains(&lines), &format!("30 accesses gave {lines} lines"));
    // One more than lines: after it the SMMU records none.
    let events = log.lines().filter(|line| line.contains("sid=0x8")).count();
    outcome.check(events <= lines + 2, &format!("30 accesses gave {events} events"));
}

/// The device's transfer begins 100 ms after it is told to, when its guest is off.
fn streams_abort_once_their_partition_has_stopped(gic: Gic) {
    let one = trusted("one", 0, "end=off");
    let two = trusted("two", 1, "wait=1000");
    let (outcome, log) = with_trace(boot(gic, &[one, two]), "smmuv3_translate_abort");
    outcome.expect_success().expect_no_line("FAIL");
    outcome.expect_line("two", "edu: done").expect_line("bulkhead", "one: powered off");
    let of = |stream: &str| log.lines().filter(|line| line.contains(stream)).count();
    outcome.check(of("sid=0x8 ") > 0, "the device of a partition that is off reached its memory");
    outcome.check(of("sid=0x10 ") == 0, "the other partition's device was stopped too");
}

fn a_partition_restarts_while_its_device_moves_memory(gic: Gic) {
    let one = trusted("one", 0, "end=reset").property("max-restarts = <10>;");
    let two = trusted("two", 1, "wait=3000");
    let outcome = boot(gic, &[one, two]).boot();
    outcome.expect_success().expect_no_line("FAIL").expect_no_line("panic");
    let lives = outcome.of("one").containing("edu: done").0.len();
    outcome.check(lives == 11, &format!("it had {lives} lives"));
    outcome.expect_line("two", "edu: done").expect_no_line("DMA of edu@");
}

/// A device whose `iommus` names no SMMU that Bulkhead knows is as one without.
fn a_master_without_an_smmu_needs_unprotected_dma(gic: Gic) {
    let tree = tree(gic, |_, stream| format!("iommus = <0xdead {stream:#x}>;"));
    let description = compile(&source(&[guest("one", 0, "devices", "")]));
    let outcome = Machine::new(gic).machine(&machine(gic)).tree(&tree).initrd(&description).boot();
    outcome.expect_status(REFUSED);
    let why = "can write to all memory by DMA: give dma = \"unprotected\" to allow this";
    outcome.expect_line("bulkhead", &format!("devices = \"/edu@10000000\" {why}"));
}
