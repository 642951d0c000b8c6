//! PCI Express functions that interrupt by messages (MSI and MSI-X).

use std::fs;

use common::{Gic, Machine, Outcome, Partition, compile, file, on_both_gics, scratch, source};

on_both_gics!(
    a_kernel_has_a_queue_and_an_interrupt_of_its_disk_for_each_cpu,
    messages_interrupt_nobody_but_their_own_guest,
    no_message_outlives_a_restart,
);

/// Returns a machine whose functions are behind an SMMU.
fn machine(gic: Gic) -> Machine {
    let version = gic.version();
    Machine::new(gic).machine(&format!("virt,virtualization=on,gic-version={version},iommu=smmuv3"))
}

/// Returns how many interrupts each CPU has taken for a queue of the disk, as the kernel says.
#[track_caller]
fn taken(outcome: &Outcome, queue: &str) -> [u32; 2] {
    let lines = outcome.of("disk").containing("bulkhead-linux: interrupts").containing(queue);
    let [line] = lines.0[..] else { outcome.fail(&format!("{queue} has {:?}", lines.0)) };
    outcome.check(line.contains("MSI"), &format!("{queue} interrupts by a pin: {line}"));
    let (_, numbers) = line.split_once(':').unwrap_or_default();
    let (_, numbers) = numbers.split_once(':').unwrap_or_default();
    let mut counts = numbers.split_whitespace().map_while(|number| number.parse().ok());
    [0, 1].map(|_| counts.next().unwrap_or_else(|| outcome.fail(&format!("no number: {line}"))))
}

/// The kernel, which is a distribution's, reads the disk on each of its two CPUs. Each read is
/// completed by a message to the CPU that has made it.
fn a_kernel_has_a_queue_and_an_interrupt_of_its_disk_for_each_cpu(gic: Gic) {
    let words = "console=ttyAMA0 bulkhead.pci bulkhead.read=nvme0n1,16";
    let linux = Partition::linux("disk").ramdisk("linux/pci.cpio.gz").memory(256 << 20);
    let linux = linux.cpus(2).bootargs(words);
    let linux = linux.property("devices = \"/pcie@10000000/pci@1,0\";");
    let guests = [linux, Partition::new("ticking", "hello").bootargs("ticks=100")];
    let disk = file("target/linux/root.squashfs");
    let drive = format!("file={},if=none,id=disk,format=raw,snapshot=on", disk.display());
    let machine = machine(gic).memory("2G").option("-drive", drive);
    let machine = machine.option("-device", "nvme,drive=disk,serial=1,addr=1,romfile=");
    let outcome = machine.initrd(&compile(&source(&guests))).deadline(120).boot();
    outcome.expect_success().expect_no_line("FAIL").expect_no_line("refused");
    outcome.expect_line("disk", "nvme nvme0: 2/0/0 default/read/poll queues");
    let sum = super::functions::sum(&disk);
    outcome.expect_line("disk", &format!("bulkhead-linux: sum of /dev/nvme0n1 {sum}"));
    for (cpu, queue) in ["nvme0q1", "nvme0q2"].into_iter().enumerate() {
        let taken = taken(&outcome, queue);
        let is_right = taken[cpu] >= 64 && taken[1 - cpu] == 0;
        outcome.check(is_right, &format!("{queue} has interrupted {taken:?}"));
    }
    let by = if gic.version() == 2 { "v2m@8020000" } else { "its@8080000" };
    let line = format!("pcie        disk: messages by /intc@8000000/{by}, interrupts ");
    outcome.expect_line("bulkhead", &line);
    outcome.expect_line("ticking", "hello: done, ticks=100");
}

/// One guest's device sends all numbers and to all offsets of its frame, to the ITS, to the
/// distributor, and with another DeviceID. With a GICv3 another guest's device sends messages
/// meanwhile, of which each comes once; with a GICv2 the frame is the first guest's alone.
fn messages_interrupt_nobody_but_their_own_guest(gic: Gic) {
    let guest = |name, slot, bootargs| {
        let devices = format!("devices = \"/pcie@10000000/pci@{slot},0\";");
        Partition::new(name, "messages").bootargs(bootargs).property(&devices)
    };
    let ticking = || Partition::new("ticking", "hello").bootargs("ticks=200");
    let has_its = gic.version() == 3;
    let victim = if has_its { guest("victim", 2, "wait=1000") } else { ticking() };
    let mut machine = machine(gic);
    for slot in 1..=2 {
        let device = format!("edu,addr={slot},dma_mask=0xffffffffffffffff");
        machine = machine.option("-device", device);
    }
    let guests = [guest("attacker", 1, "attack"), victim];
    let outcome = machine.initrd(&compile(&source(&guests))).deadline(60).boot();
    outcome.expect_success().expect_no_line("FAIL").expect_no_line("panic");
    outcome
        .expect_line("attacker", "messages: each of its messages has come")
        .expect_line("attacker", " other numbers interrupt nobody")
        .expect_line("attacker", "messages: other addresses interrupt nobody")
        .expect_line("attacker", "messages: done, 0 sent");
    for address in ["0x8080000", "0x8090040", "0x8000040", "0x8020040"] {
        let line = format!("attacker: DMA of pci@1,0 to {address} refused");
        outcome.expect_line("bulkhead", &line);
    }
    if has_its {
        let line = "messages: a DeviceID that is nobody's interrupts nobody";
        outcome.expect_line("attacker", line);
        outcome.expect_line("victim", "messages: done, 1000 sent");
    } else {
        outcome.expect_line("ticking", "hello: done, ticks=200");
    }
}

/// A guest resets itself while a message of its device is pending. The device is behind a port, by
/// which it is reset.
fn no_message_outlives_a_restart(gic: Gic) {
    let devices = "devices = \"/pcie@10000000/pci@a,0/pci@0,0\"; max-restarts = <3>;";
    let one = Partition::new("one", "messages").bootargs("end=reset").property(devices);
    let guests = [one, Partition::new("ticking", "hello").bootargs("ticks=200")];
    let machine = machine(gic).option("-device", "pcie-root-port,id=root,chassis=1,addr=0xa");
    let machine = machine.option("-device", "edu,bus=root,dma_mask=0xffffffffffffffff");
    let log = scratch("its.log");
    let machine = machine.option("-d", "trace:gicv3_its_cmd_clear").option("-D", log.display());
    let outcome = machine.initrd(&compile(&source(&guests))).deadline(60).boot();
    outcome.expect_success().expect_no_line("FAIL").expect_no_line("panic");
    let lives = outcome.of("one").containing("messages: done").0.len();
    outcome.check(lives == 4, &format!("it had {lives} lives"));
    outcome.expect_line("ticking", "hello: done, ticks=200");
    if gic.version() == 3 {
        let log = fs::read_to_string(&log).expect("QEMU has written its log");
        let cleared = log.lines().filter(|it| it.contains("DeviceID 0x100 EventID 0x40")).count();
        outcome.check(cleared >= 4, &format!("the ITS has cleared its message {cleared} times"));
    }
}
