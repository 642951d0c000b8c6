//! PCI Express functions that are given to partitions.

use std::fs;
use std::path::Path;
use std::process::Command;

use common::{
    Gic, Machine, Outcome, Partition, compile, compile_file, file, in_all_modes, on_both_gics,
    scratch, section_size, source,
};

in_all_modes!(two_kernels_use_a_disk_and_a_network_card_by_stock_drivers,);
on_both_gics!(
    wild_stores_to_configuration_space_disturb_nobody,
    a_restart_resets_a_function_or_leaves_it_off,
    a_kernel_finds_its_disk_again_after_a_restart,
);

/// What the host of QEMU's network answers to a request by HTTP.
const PAGE: &str = "A page of the host.";

/// Returns a partition with these functions of the machine's first bus, whose DMA nothing stops.
fn with(partition: Partition, functions: &[&str]) -> Partition {
    let paths: Vec<_> = functions.iter().map(|it| format!("\"/pcie@10000000/pci@{it}\"")).collect();
    let devices = format!("devices = {}; dma = \"unprotected\";", paths.join(", "));
    partition.property(&devices)
}

/// Returns a machine whose functions are behind an SMMU.
fn behind_smmu(gic: Gic) -> Machine {
    let version = gic.version();
    let machine = format!("virt,virtualization=on,gic-version={version},iommu=smmuv3");
    Machine::new(gic).machine(&machine)
}

/// Returns a machine with an NVMe controller in slot 1, whose disk has the bytes of this
/// file, which is not changed.
fn with_disk(machine: Machine, disk: &Path) -> Machine {
    let drive = format!("file={},if=none,id=disk,format=raw,snapshot=on", disk.display());
    let machine = machine.option("-drive", drive);
    machine.option("-device", "nvme,drive=disk,serial=1,addr=1,romfile=")
}

/// Returns the checksum of a file.
pub fn sum(path: &Path) -> String {
    let sum = Command::new("md5sum").arg(path).output().expect("md5sum can be started").stdout;
    String::from_utf8_lossy(&sum).split(' ').next().unwrap_or_default().into()
}

/// One kernel reads its disk, another one gets an address and a page, and a third guest has
/// neither. An SMMU translates what the functions access, since no memory is at its physical
/// address.
fn two_kernels_use_a_disk_and_a_network_card_by_stock_drivers(gic: Gic) {
    let disk = file("target/linux/root.squashfs");
    let page = scratch(&format!("{gic:?}.http"));
    let length = PAGE.len();
    let answer = format!("HTTP/1.0 200 OK\r\nContent-Length: {length}\r\n\r\n{PAGE}");
    fs::write(&page, answer).expect("the tests' directory can be written");
    let network = format!("user,id=network,guestfwd=tcp:10.0.2.100:80-cmd:cat {}", page.display());
    let machine = with_disk(behind_smmu(gic), &disk).memory("2G").option("-netdev", network);
    let machine = machine.option("-device", "e1000e,netdev=network,addr=2,romfile=");
    let description = compile_file(&file("dts/disk-and-nic.dts"));
    let outcome = machine.initrd(&description).deadline(180).boot();
    let sum = sum(&disk);
    outcome.expect_success().expect_no_line("FAIL");
    outcome
        .expect_line("disk", "bulkhead-linux: pci 0000:00:00.0 0x1b36 0x0010 nvme")
        .expect_line("disk", &format!("bulkhead-linux: sum of /dev/nvme0n1 {sum}"))
        .expect_line("network", "bulkhead-linux: pci 0000:00:00.0 0x8086 0x10d3 e1000e")
        .expect_line("network", "bulkhead-linux: address inet 10.0.2.15/24")
        .expect_line("network", &format!("bulkhead-linux: http://10.0.2.100/: {PAGE}"))
        .expect_line("control", "hello: done, ticks=100")
        .expect_line(
            "bulkhead",
            "pcie        disk: memory of its functions at 0x10000000-0x10003fff",
        )
        .expect_line("bulkhead", "/pcie@10000000/pci@2,0 cannot be reset: a restart leaves it");
    // Each sees its own function alone.
    for name in ["disk", "network"] {
        let functions = outcome.of(name).containing("bulkhead-linux: pci 0000:").0;
        outcome.check(functions.len() == 1, &format!("[{name}] has {functions:?}"));
    }
    // With direct interrupts that of its pin, otherwise messages of its two queues.
    let interrupts = outcome.of("disk").containing("bulkhead-linux: interrupts").containing("nvme");
    let expected = if gic == Gic::V3Direct { 1 } else { 2 };
    outcome.check(interrupts.0.len() == expected, &format!("the disk has {:?}", interrupts.0));
    outcome
        .expect_line("bulkhead", "SMMU        /smmuv3@9050000: 2 streams, all others abort")
        .expect_no_line("isolation is not enforced")
        .expect_no_line("refused");
    expect_wings(&outcome);
}

/// Expects that the boot report counts the code for functions and SMMUs as code that stays.
#[track_caller]
fn expect_wings(outcome: &Outcome) {
    let sections = [".text", ".entropy.text", ".pcie.text", ".dma.text"];
    let bytes: u64 = sections.iter().map(|name| section_size(name)).sum();
    let line =
        format!("code        {} KiB stay (monitor, links left out)", bytes.div_ceil(1 << 10));
    outcome.expect_line("bulkhead", &line);
}

/// Two guests have a device each. One stores everything everywhere, and places its memory over that
/// of the other, over the distributor, UARTs, RAM and configuration space.
fn wild_stores_to_configuration_space_disturb_nobody(gic: Gic) {
    let targets =
        "attack=0x10100000,0x8000000,0x9000000,0x9050000,0x40000000,0x3f000000,0x10100000";
    let guests = [
        with(Partition::new("one", "functions").bootargs(targets), &["3,0"]),
        with(Partition::new("two", "functions").bootargs("checks=200"), &["4,0"]),
        Partition::new("ticking", "hello").bootargs("ticks=100"),
    ];
    let machine = Machine::new(gic).option("-device", "edu,addr=3").option("-device", "edu,addr=4");
    let outcome = machine.initrd(&compile(&source(&guests))).boot();
    outcome.expect_success().expect_no_line("panic");
    outcome
        .expect_line(
            "bulkhead",
            "pcie        one: memory of its functions at 0x10000000-0x100fffff",
        )
        .expect_line(
            "bulkhead",
            "pcie        two: memory of its functions at 0x10100000-0x101fffff",
        )
        .expect_line("one", "functions: 0 is 11e81234, class 00ff00, memory at 0x10000000")
        .expect_line("one", " wild stores")
        .expect_line("one", "functions: done, 1 checks")
        .expect_line("two", "functions: 0 is 11e81234, class 00ff00, memory at 0x10100000")
        .expect_line("two", "functions: done, 200 checks")
        .expect_line("ticking", "hello: done, ticks=100");
}

/// What a life leaves in a function the next one does not find. The controller in slot 1 resets
/// itself, the network card behind a port is reset by the port, and `edu` cannot be reset, so that
/// the next life does not find it at all.
fn a_restart_resets_a_function_or_leaves_it_off(gic: Gic) {
    let marking = |name, functions: &[&str]| {
        let guest = Partition::new(name, "functions").bootargs("mark");
        with(guest.property("max-restarts = <2>;"), functions)
    };
    let guests = [
        marking("one", &["1,0", "3,0"]),
        marking("two", &["a,0/pci@0,0"]),
        Partition::new("ticking", "hello").bootargs("ticks=200"),
    ];
    let machine = with_disk(Machine::new(gic), &file("dts/disks.dts"));
    let machine = machine.option("-device", "edu,addr=3");
    let machine = machine.option("-device", "pcie-root-port,id=root,chassis=1,addr=0xa");
    let machine = machine.option("-device", "e1000e,bus=root,romfile=");
    let outcome = machine.initrd(&compile(&source(&guests))).boot();
    outcome.expect_success().expect_no_line("panic");
    for name in ["one", "two"] {
        let lives = outcome.of(name).containing("functions: command").0;
        let life = "functions: command 0x0, line 0, found 0x0, kept true";
        let is_life = |line: &&str| line.contains(life);
        let are_alike = lives.len() == 3 && lives.iter().all(is_life);
        outcome.check(are_alike, &format!("[{name}] the lives are {lives:?}"));
    }
    let edu = outcome.of("one").containing("is 11e81234").0;
    outcome.check(edu.len() == 1, &format!("`edu` is found {} times", edu.len()));
    let off = "one: /pcie@10000000/pci@3,0 cannot be reset, and stays switched off";
    let lines = outcome.of("bulkhead").containing(off).0;
    outcome.check(lines.len() == 1, &format!("its line is there {} times", lines.len()));
    outcome.expect_line("ticking", "hello: done, ticks=200");
}

/// The kernel reads the whole disk in each life: the controller's stream is closed, the controller
/// is reset, and the stream is open again.
fn a_kernel_finds_its_disk_again_after_a_restart(gic: Gic) {
    let disk = file("target/linux/root.squashfs");
    let words = "console=ttyAMA0 quiet bulkhead.pci bulkhead.read=nvme0n1,16 bulkhead.end=reboot";
    let linux = Partition::linux("disk").ramdisk("linux/pci.cpio.gz").memory(256 << 20);
    let linux = linux.bootargs(words).property("max-restarts = <1>;");
    let linux = linux.property("devices = \"/pcie@10000000/pci@1,0\";");
    let guests = [linux, Partition::new("ticking", "hello").bootargs("ticks=100")];
    let machine = with_disk(behind_smmu(gic), &disk);
    let outcome = machine.initrd(&compile(&source(&guests))).deadline(120).boot();
    outcome.expect_success().expect_no_line("FAIL").expect_no_line("refused");
    let read = format!("bulkhead-linux: sum of /dev/nvme0n1 {}", sum(&disk));
    let lives = outcome.of("disk").containing(&read).0.len();
    outcome.check(lives == 2, &format!("the disk was read in {lives} lives"));
    outcome.expect_line("ticking", "hello: done, ticks=100");
}

/// A kernel reads its disk, and asks the monitor for its exits.
#[test]
fn interrupts_of_functions_cause_no_exit_if_they_are_direct() {
    let words = "bulkhead.pci bulkhead.read=nvme0n1,16 bulkhead.monitor=stats,disk";
    let linux = Partition::linux("disk").ramdisk("linux/pci.cpio.gz").memory(256 << 20);
    let linux = linux.bootargs(&format!("console=ttyAMA0 quiet {words}")).property("monitor;");
    let guests = [with(linux, &["1,0"]), Partition::new("ticking", "hello")];
    let machine = with_disk(Machine::new(Gic::V3Direct), &file("target/linux/root.squashfs"));
    let outcome = machine.initrd(&compile(&source(&guests))).deadline(120).boot();
    outcome.expect_success().expect_no_line("FAIL");
    let taken = outcome.of("disk").containing("bulkhead-linux: interrupts").containing("nvme");
    let [line] = taken.0[..] else { outcome.fail("the disk has not one interrupt") };
    let count = line.split_ascii_whitespace().find_map(|word| word.parse::<u32>().ok());
    outcome.check(count.is_some_and(|count| count > 10), &format!("taken: {line}"));
    let exits = outcome.of("disk").containing("monitor: interrupt ");
    let is_zero = |line: &&str| line.split_ascii_whitespace().rev().nth(1) == Some("0");
    outcome.check(exits.0.len() == 1 && exits.0.iter().all(is_zero), &format!("{:?}", exits.0));
}
