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
    no_disk_writes_into_memory_that_a_restart_has_scrubbed,
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

/// Returns a network of QEMU's, whose host 10.0.2.100 answers with the page.
fn network() -> String {
    let page = scratch("http");
    let length = PAGE.len();
    let answer = format!("HTTP/1.0 200 OK\r\nContent-Length: {length}\r\n\r\n{PAGE}");
    fs::write(&page, answer).expect("the tests' directory can be written");
    format!("user,id=network,guestfwd=tcp:10.0.2.100:80-cmd:cat {}", page.display())
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
    let network = network();
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
        format!("code        {} KiB stay (monitor, links, uart left out)", bytes.div_ceil(1 << 10));
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
    let words = "bulkhead.pci bulkhead.read=nvme0n1,16 bulkhead.end=reboot";
    let linux = kernel("disk", words).property("max-restarts = <1>;");
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

/// A guest resets itself 50 times while its disk, which is slow, reads into its memory, and looks in
/// each life whether that is clean and stays so. QEMU writes what was under way to the memory where
/// that was, whatever the SMMU says meanwhile, but not once the controller is reset.
///
/// One thread of QEMU runs all CPUs: with several, a CPU's access to one function ends somewhere else
/// if another CPU switches a function's memory off at that moment (QEMU 10.0.2, also its assertion in
/// `iotlb_to_section`).
fn no_disk_writes_into_memory_that_a_restart_has_scrubbed(gic: Gic) {
    const RESTARTS: usize = 50;
    let disk = scratch("disk");
    fs::write(&disk, [0xa5; 1 << 20]).expect("the tests' directory can be written");
    let reading = Partition::new("reading", "nvme").property("max-restarts = <50>;");
    let guests = [
        reading.property("devices = \"/pcie@10000000/pci@1,0\";"),
        Partition::new("beside", "edu")
            .bootargs("wait=3000")
            .property("devices = \"/pcie@10000000/pci@2,0\";"),
        Partition::new("ticking", "hello").bootargs("ticks=200"),
    ];
    let drive = format!(
        "file={},if=none,id=disk,format=raw,snapshot=on,throttling.bps-total=2000000",
        disk.display()
    );
    let machine = behind_smmu(gic)
        .option("-accel", "tcg,thread=single")
        .option("-drive", drive)
        .option("-device", "nvme,drive=disk,serial=1,addr=1,romfile=")
        .option("-device", "edu,addr=2,dma_mask=0xffffffffffffffff");
    let outcome = machine.initrd(&compile(&source(&guests))).deadline(120).boot();
    outcome.expect_success().expect_no_line("refused");
    let lives = outcome.of("reading").containing("nvme: memory clean, ").0;
    let count = lives.len();
    outcome.check(count == RESTARTS + 1, &format!("it had {count} lives"));
    // QEMU may let the disk go on while the guest stands still.
    let idle = lives.iter().filter(|line| line.contains("clean, 0 reads")).count();
    outcome.check(idle < 10, &format!("no read was under way at the ends of {idle} lives"));
    outcome.expect_line("beside", "edu: done").expect_line("ticking", "hello: done, ticks=200");
}

/// A kernel reads its disk, and asks the monitor for its exits.
#[test]
fn interrupts_of_functions_cause_no_exit_if_they_are_direct() {
    let words = "bulkhead.pci bulkhead.read=nvme0n1,16 bulkhead.monitor=stats,disk";
    let linux = kernel("disk", words).property("monitor;");
    let guests = [with(linux, &["1,0"]), Partition::new("ticking", "hello")];
    let machine = with_disk(Machine::new(Gic::V3Direct), &file("target/linux/root.squashfs"));
    let outcome = machine.initrd(&compile(&source(&guests))).deadline(120).boot();
    outcome.expect_success().expect_no_line("FAIL");
    expect_interrupts(&outcome, "disk", &[("nvme", 10)]);
    expect_no_exit(&outcome, "disk");
}

/// Returns a partition with a kernel that has the drivers of functions.
fn kernel(name: &str, words: &str) -> Partition {
    let linux = Partition::linux(name).ramdisk("linux/pci.cpio.gz").memory(256 << 20);
    linux.bootargs(&format!("console=ttyAMA0 quiet {words}"))
}

/// Expects that the driver of each of these devices has one interrupt, and has taken it more than
/// this often.
#[track_caller]
fn expect_interrupts(outcome: &Outcome, name: &str, drivers: &[(&str, u32)]) {
    for (driver, least) in drivers {
        let lines = outcome.of(name).containing("bulkhead-linux: interrupts").containing(driver);
        let taken = lines.last();
        let [line] = taken.0[..] else { outcome.fail(&format!("{driver} has no interrupt")) };
        let count = line.split_ascii_whitespace().find_map(|word| word.parse::<u32>().ok());
        outcome.check(count.is_some_and(|count| count > *least), &format!("taken: {line}"));
    }
}

/// Expects that a kernel has been told by the monitor that no interrupt has come to EL2.
#[track_caller]
fn expect_no_exit(outcome: &Outcome, name: &str) {
    let exits = outcome.of(name).containing("monitor: interrupt ");
    let is_zero = |line: &&str| line.split_ascii_whitespace().rev().nth(1) == Some("0");
    outcome.check(exits.0.len() == 1 && exits.0.iter().all(is_zero), &format!("{:?}", exits.0));
}

#[test]
fn further_functions_work_by_stock_drivers_with_direct_interrupts() {
    let outcome = use_further_functions(Gic::V3Direct);
    expect_no_exit(&outcome, "disks");
    expect_no_exit(&outcome, "network");
}

#[test]
fn further_functions_work_by_stock_drivers_with_trapped_interrupts() {
    use_further_functions(Gic::V3Trapped);
}

/// One kernel reads a disk by virtio, whose functions QEMU has accesses translated for if the driver
/// accepts that, and one at an AHCI controller; another one gets a page by a network card that can
/// have virtual functions. Each is told its exits.
fn use_further_functions(gic: Gic) -> Outcome {
    let disk = file("target/linux/root.squashfs");
    let drive = |id| format!("file={},if=none,id={id},format=raw,snapshot=on", disk.display());
    let network = network();
    let mut machine = behind_smmu(gic);
    for (option, argument) in [
        ("-drive", &*drive("virtio")),
        ("-device", "virtio-blk-pci,drive=virtio,iommu_platform=on,disable-legacy=on,addr=1"),
        ("-device", "ich9-ahci,id=ahci,addr=2"),
        ("-drive", &drive("sata")),
        ("-device", "ide-hd,drive=sata,bus=ahci.0"),
        ("-netdev", &network),
        ("-device", "igb,netdev=network,addr=3,romfile="),
    ] {
        machine = machine.option(option, argument);
    }
    let has = |slot: u8| format!("\"/pcie@10000000/pci@{slot},0\"");
    let read =
        "bulkhead.pci bulkhead.read=vda,16 bulkhead.read=sda,16 bulkhead.monitor=stats,disks";
    let fetch =
        "bulkhead.pci bulkhead.dhcp bulkhead.fetch=10.0.2.100 bulkhead.monitor=stats,network";
    let disks = format!("devices = {}, {}; monitor;", has(1), has(2));
    let card = format!("devices = {}; monitor;", has(3));
    let guests = [
        kernel("disks", read).property(&disks),
        kernel("network", fetch).property(&card),
        Partition::new("ticking", "hello").bootargs("ticks=100"),
    ];
    let outcome = machine.initrd(&compile(&source(&guests))).deadline(180).boot();
    outcome.expect_success().expect_no_line("FAIL").expect_no_line("refused");
    let sum = sum(&disk);
    outcome
        .expect_line("disks", "bulkhead-linux: pci 0000:00:00.0 0x1af4 0x1042 virtio-pci")
        .expect_line("disks", "bulkhead-linux: pci 0000:00:01.0 0x8086 0x2922 ahci")
        .expect_line("disks", &format!("bulkhead-linux: sum of /dev/vda {sum}"))
        .expect_line("disks", &format!("bulkhead-linux: sum of /dev/sda {sum}"))
        .expect_line("network", "bulkhead-linux: pci 0000:00:00.0 0x8086 0x10c9 igb")
        .expect_line("network", "bulkhead-linux: address inet 10.0.2.15/24")
        .expect_line("network", &format!("bulkhead-linux: http://10.0.2.100/: {PAGE}"))
        .expect_line("ticking", "hello: done, ticks=100");
    expect_interrupts(&outcome, "disks", &[("virtio", 1), ("ahci", 5)]);
    outcome
}
