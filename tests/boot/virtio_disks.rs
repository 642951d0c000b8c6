//! Disks that are virtio devices.

use std::fs;
use std::process::Command;

use super::disks::{guest, sums};
use common::{
    Gic, Machine, MakeMachine, Partition, SUCCESS, compile, file, in_all_modes, on_all_machines,
    on_both_gics, scratch, source, source_with_monitor,
};

on_all_machines!(
    linux_has_its_root_on_a_disk_and_keeps_another,
    bare_metal_guests_share_a_disk_that_none_can_change,
);
in_all_modes!(
    a_disk_outlives_orders_at_the_monitor,
    a_hostile_driver_of_a_disk_harms_nobody,
    two_cpus_use_one_disk,
);
on_both_gics!(u_boot_lists_a_disk_and_starts_a_kernel_from_it);

/// A disk with the root of Linux.
const ROOT: &str = "data = /incbin/(\"linux/root.squashfs\"); read-only; interface = \"virtio\";";

/// Returns Linux with these disks, which finds them by the stock driver `virtio_blk`, and continues
/// with the one named `root`.
fn linux(name: &str, words: &str, disks: &str) -> Partition {
    let words = format!("console=ttyAMA0 quiet bulkhead.disks {words} bulkhead.root=root");
    let guest = Partition::linux(name).memory(192 << 20).ramdisk("linux/disks.cpio.gz");
    let guest = guest.property("max-restarts = <1>;");
    guest.bootargs(&words).property(&format!("disks {{ {disks} }};"))
}

/// Returns the MD5 sum of a file of `target/`, with zeros up to a multiple of 2 MiB.
fn expected_sum(name: &str) -> String {
    let mut bytes = fs::read(file(name)).expect("the file is there");
    bytes.resize(bytes.len().next_multiple_of(2 << 20), 0);
    let disk = scratch("disk");
    fs::write(&disk, bytes).expect("the tests' directory can be written");
    let sum = Command::new("md5sum").arg(disk).output().expect("md5sum runs");
    let sum = String::from_utf8_lossy(&sum.stdout);
    sum.split(' ').next().unwrap_or_default().to_string()
}

/// The first partition restarts once, and finds what it kept on its own disk before. Both have the
/// one squashfs as their root; the second also maps it.
fn linux_has_its_root_on_a_disk_and_keeps_another(machine: MakeMachine) {
    let scratch = "scratch { size = <0x0 0x2000000>; interface = \"virtio\"; };";
    let one = linux(
        "one",
        "bulkhead.sum=root bulkhead.keep=scratch bulkhead.end=reboot",
        &format!("root {{ {ROOT} }}; {scratch}"),
    );
    let same = "same-as = \"one/root\";";
    let two = linux(
        "two",
        "bulkhead.sum=root bulkhead.sum=mapped",
        &format!("mapped {{ {same} }}; root {{ {same} interface = \"virtio\"; }};"),
    );
    let guests = [one, two];
    let outcome = machine(&compile(&source(&guests))).deadline(240).boot();
    outcome.expect_success().expect_no_line("FAIL");
    let sum = expected_sum("target/linux/root.squashfs");
    let sum = |name| format!("bulkhead-linux: disk {name} has the sum {sum}");
    for (name, starts) in [("one", 2), ("two", 1)] {
        for line in [
            "bulkhead-linux: the root is /dev/vda / squashfs ro",
            "bulkhead-linux: disk root /dev/vda 2 MiB, read-only=1",
            &sum("root"),
        ] {
            let found = outcome.of(name).containing(line).0.len();
            outcome.check(found == starts, &format!("[{name}] has {found} times {line}"));
        }
    }
    outcome.expect_line("two", &sum("mapped"));
    outcome.expect_line("one", "bulkhead-linux: disk scratch /dev/vdb 32 MiB, read-only=0");
    outcome.expect_line("one", "bulkhead-linux: disk scratch keeps ''");
    outcome.expect_line("one", "bulkhead-linux: disk scratch keeps 'a line of ");
    outcome.expect_line("bulkhead", "read, the same as one/root");
}

/// One guest tries to write the disk that it shares with another, which reads it by both
/// interfaces and finds the same bytes all the time, and a third keeps its own disk over its
/// restarts.
fn bare_metal_guests_share_a_disk_that_none_can_change(machine: MakeMachine) {
    let root = "data = /incbin/(\"guests/hello.img\"); read-only; interface = \"virtio\";";
    let same = "same-as = \"attacker/root\";";
    let mapped = format!("mapped {{ {same} }};");
    let copy = format!("copy {{ {same} interface = \"virtio\"; }};");
    let own = "own { size = <0x0 0x400000>; interface = \"virtio\"; };";
    let keeper = Partition::new("keeper", "disk").property("max-restarts = <2>;");
    let guests = [
        guest("attacker", "attack=root", &format!("root {{ {root} }};")),
        guest("reader", "rounds=20", &format!("{mapped} {copy}")),
        keeper.bootargs("keep=own").property(&format!("disks {{ {own} }};")),
    ];
    let outcome = machine(&compile(&source(&guests))).boot();
    outcome.expect_success().expect_no_line("FAIL");
    for name in ["attacker", "reader", "keeper"] {
        outcome.expect_line(name, "disk: done");
    }
    outcome.expect_line("attacker", "disk: 10 attacks on root were refused, it has not changed");
    let [one, mapped, copy] = [("attacker", "root"), ("reader", "mapped"), ("reader", "copy")]
        .map(|(name, disk)| sums(&outcome, name, disk));
    let is_one = one.len() == 1 && one == mapped && one == copy;
    outcome.check(is_one, &format!("{one:?}, but {mapped:?} and {copy:?}"));
    outcome.check(!one[0].ends_with(": 0x0"), "it is empty");
    for life in 1..=3 {
        outcome.expect_line("keeper", &format!("disk: own has seen life {life}"));
    }
}

/// The guest, which has powered off, is started again by an operator.
fn a_disk_outlives_orders_at_the_monitor(gic: Gic) {
    let guests = [
        guest("keeper", "keep=own", "own { data = [05]; interface = \"virtio\"; };"),
        Partition::new("hello", "hello").bootargs("loop"),
    ];
    let outcome = Machine::new(gic)
        .initrd(&compile(&source_with_monitor(&guests)))
        .type_after("keeper: powered off", "\x1d\x1d")
        .type_after("bulkhead> ", "start keeper\r")
        .type_after("keeper: powered off", "poweroff\r")
        .boot();
    outcome.expect_status(SUCCESS);
    // The image's first byte is 5.
    for life in 6..=7 {
        outcome.expect_line("keeper", &format!("disk: own has seen life {life}"));
    }
}

/// A driver that makes every mistake, while another CPU changes its rings, has its own devices
/// marked, and harms nobody: neither the guest that reads the disk which they share, nor one
/// without disks.
fn a_hostile_driver_of_a_disk_harms_nobody(gic: Gic) {
    let root =
        "root { data = /incbin/(\"guests/hello.img\"); read-only; interface = \"virtio\"; };";
    let own = "own { size = <0x0 0x200000>; interface = \"virtio\"; };";
    let copy = "copy { same-as = \"reader/root\"; interface = \"virtio\"; };";
    let attacker = Partition::new("attacker", "attacker").cpus(2);
    let attacker = attacker.bootargs("only=links rounds=1000 seed=1");
    let guests = [
        attacker.property(&format!("disks {{ {own} {copy} }};")),
        guest("reader", "rounds=100", root),
        Partition::new("third", "hello"),
    ];
    let outcome = Machine::new(gic).initrd(&compile(&source(&guests))).deadline(120).boot();
    outcome.expect_success().expect_no_line("FAIL");
    outcome.expect_line("third", "hello: done, ticks=10").expect_line("reader", "disk: done");
    outcome.expect_line("attacker", "attacker: 1000 rounds on links, ");
    for what in ["disk own needs a reset: ", "disk copy needs a reset: "] {
        outcome.expect_line("bulkhead", &format!("attacker: {what}"));
    }
    let harmed = outcome.of("bulkhead").containing("reader: disk");
    outcome.check(harmed.is_empty(), "the reader needs a reset too");
}

/// Linux with two CPUs, both of which read all of one disk and write to another at the same time.
fn two_cpus_use_one_disk(gic: Gic) {
    let scratch = "scratch { size = <0x0 0x2000000>; interface = \"virtio\"; };";
    let guest = linux("one", "bulkhead.crowd=scratch", &format!("root {{ {ROOT} }}; {scratch}"));
    let guests = [guest.cpus(2), Partition::new("two", "hello")];
    let outcome = Machine::new(gic).initrd(&compile(&source(&guests))).deadline(120).boot();
    outcome.expect_success().expect_no_line("FAIL");
    let sums = outcome.of("one").containing("bulkhead-linux: part ");
    outcome.check(sums.0.len() == 4, &format!("{} parts were read", sums.0.len()));
}

/// The disk has an ext4 file system with a kernel.
fn u_boot_lists_a_disk_and_starts_a_kernel_from_it(gic: Gic) {
    const TEXT: &str = "A file on a disk by virtio.";
    const COMMANDS: &str = "ls virtio 0; load virtio 0 0x44000000 message.txt; \
        md.b 0x44000000 0x20; load virtio 0 0x44000000 hello.img; \
        booti 0x44000000 - $fdtcontroladdr";
    let guest = Partition::with_kernel("boot", "linux/u-boot.bin")
        .memory(128 << 20)
        .property("fdt-offset = <0x0>;")
        .property("devices = \"/flash@0\", \"/pl031@9010000\";")
        .property(&format!("disks {{ files {{ {} }}; }};", files(TEXT)));
    // U-Boot is entered 2 MiB after its device tree.
    let source = source(&[guest, Partition::new("other", "hello")])
        .replace("u-boot.bin\");", "u-boot.bin\"); load-offset = <0x200000>;");
    let outcome = Machine::new(gic)
        .initrd(&compile(&source))
        .type_after("Hit any key to stop autoboot", " \r")
        .type_after("=> ", &format!("{COMMANDS}\r"))
        .boot();
    outcome.expect_success();
    let image = fs::metadata(file("target/guests/hello.img")).expect("the guest is there").len();
    outcome
        .expect_line("boot", &format!("{image} hello.img"))
        .expect_line("boot", &TEXT[..16])
        .expect_line("boot", "hello: done, ticks=10");
}

/// Returns the properties of a disk with this text and the guest `hello` as files.
fn files(text: &str) -> String {
    let directory = common::scratch_directory("files");
    let written = fs::write(directory.join("message.txt"), format!("{text}\n"));
    written.expect("the tests' directory can be written");
    fs::copy(file("target/guests/hello.img"), directory.join("hello.img")).expect("it is there");
    let disk = scratch("ext4");
    _ = fs::remove_file(&disk);
    let path = std::env::var("PATH").unwrap_or_default();
    let made = Command::new("mke2fs")
        // Debian's users have no path to it.
        .env("PATH", format!("{path}:/usr/sbin:/sbin"))
        .args(["-q", "-t", "ext4", "-d"])
        .args([&directory, &disk])
        .arg("4M")
        .status();
    assert!(made.is_ok_and(|status| status.success()), "mke2fs (e2fsprogs) makes no file system");
    format!("data = /incbin/(\"{}\"); read-only; interface = \"virtio\";", disk.display())
}
