//! Disks: memory beside a partition's own, of which some is shared and read-only.

use std::fs;

use super::guests::machine_tree_with;
use common::{
    Gic, Machine, MakeMachine, Outcome, Partition, REFUSED, SUCCESS, compile, compile_file, file,
    function, in_all_modes, on_all_machines, patched, scratch_directory, source,
    source_with_monitor,
};

on_all_machines!(
    linux_has_a_squashfs_as_its_root_and_keeps_a_disk,
    bare_metal_guests_share_a_disk_that_none_can_change,
);
in_all_modes!(contents_are_those_of_the_description, a_disk_outlives_orders_at_the_monitor,);

const ROOT: &str = "root { data = /incbin/(\"guests/hello.img\"); read-only; };";

/// Returns a bare-metal guest with these disks.
pub fn guest(name: &str, bootargs: &str, disks: &str) -> Partition {
    Partition::new(name, "disk").bootargs(bootargs).property(&format!("disks {{ {disks} }};"))
}

/// Returns what a guest prints of a disk, as `BYTES bytes: SUM`, each time.
#[track_caller]
pub fn sums<'a>(outcome: &'a Outcome, name: &str, disk: &str) -> Vec<&'a str> {
    let begin = format!("disk: {disk} ");
    let of = outcome.of(name).containing(&begin);
    of.0.into_iter().filter_map(|line| line.split_once(", ").map(|(_, rest)| rest)).collect()
}

/// The first partition restarts twice, from the initramfs each time, and finds what it kept on its
/// own disk before. Both have the one squashfs as their root.
fn linux_has_a_squashfs_as_its_root_and_keeps_a_disk(machine: MakeMachine) {
    let outcome = machine(&compile_file(&file("dts/disks.dts"))).deadline(240).boot();
    outcome.expect_success().expect_no_line("FAIL");
    for (name, starts) in [("one", 3), ("two", 1)] {
        let lines = outcome.of(name);
        let roots = lines.containing("bulkhead-linux: the root is /dev/pmem0 / squashfs ro").0;
        outcome.check(roots.len() == starts, &format!("[{name}] has {} roots", roots.len()));
        let disk = "bulkhead-linux: disk root /dev/pmem0 2 MiB, read-only=1";
        let disks = lines.containing(disk).0;
        outcome.check(disks.len() == starts, &format!("[{name}] finds {} disks", disks.len()));
    }
    outcome.expect_line("one", "bulkhead-linux: disk scratch /dev/pmem1 32 MiB, read-only=0");
    let keeps = |text: &str| -> Vec<String> {
        let lines = outcome.of("one").containing(text);
        let kept = lines.0.iter().filter_map(|line| line.split_once(text));
        kept.map(|(_, kept)| kept.trim_matches('\'').into()).collect()
    };
    let (before, after) = (keeps("disk scratch keeps "), keeps("disk scratch now keeps "));
    let all = before.len() == 3 && after.len() == 3 && before[0].is_empty();
    outcome.check(all, &format!("it keeps {before:?}, then {after:?}"));
    outcome.check(before[1..] == after[..2], &format!("{before:?} does not follow {after:?}"));
    outcome.check(after.iter().all(|it| it.starts_with("a line of ")), &format!("{after:?}"));
    expect_sharing(&outcome, "one/root", "two/root", 512);
}

/// Expects that the boot report has one physical address for two disks, and that the audit has
/// found this number of shared pages.
#[track_caller]
pub fn expect_sharing(outcome: &Outcome, one: &str, other: &str, pages: u64) {
    let own = outcome.of("bulkhead");
    let place = |name: &str| {
        let line = own.containing(&format!("{name} ")).containing(" read");
        line.0.first().and_then(|line| line.split_ascii_whitespace().nth(4)).map(String::from)
    };
    let (first, second) = (place(one), place(other));
    outcome.check(first.is_some() && first == second, &format!("at {first:?} and {second:?}"));
    outcome.expect_line("bulkhead", &format!("read, the same as {one}"));
    let shared = format!("each has one owner, but {pages} are shared and read-only");
    outcome.expect_line("bulkhead", &shared);
}

/// One guest attacks the disk that it shares with another, which finds the same bytes all the time,
/// and a third keeps its own disk over its restarts.
fn bare_metal_guests_share_a_disk_that_none_can_change(machine: MakeMachine) {
    let keeper = Partition::new("keeper", "disk").bootargs("keep=own");
    let keeper = keeper.property("max-restarts = <2>;");
    let keeper = keeper.property("disks { own { size = <0x0 0x400000>; }; };");
    let guests = [
        guest("attacker", "attack=root", ROOT),
        guest("reader", "rounds=50", "copy { same-as = \"attacker/root\"; };"),
        keeper,
    ];
    let outcome = machine(&compile(&source(&guests))).boot();
    outcome.expect_success().expect_no_line("panic");
    for name in ["attacker", "reader", "keeper"] {
        outcome.expect_line(name, "disk: done");
    }
    outcome.expect_line("attacker", "attacks on root were refused, it has not changed");
    outcome.expect_line("bulkhead", "attacker: store to a read-only disk, va 0x80000000, ");
    let (one, other) = (sums(&outcome, "attacker", "root"), sums(&outcome, "reader", "copy"));
    outcome.check(one.len() == 1 && one == other, &format!("{one:?}, but {other:?}"));
    expect_sharing(&outcome, "attacker/root", "reader/copy", 512);
    for life in 1..=3 {
        outcome.expect_line("keeper", &format!("disk: own has seen life {life}"));
    }
    outcome.check(sums(&outcome, "keeper", "own")[0] == "4194304 bytes: 0x0", "it is not empty");
}

/// The newest core has atomic instructions, which the guest tries too.
#[test]
fn bare_metal_guests_share_a_disk_on_the_newest_core() {
    bare_metal_guests_share_a_disk_that_none_can_change(&|description| {
        Machine::new(Gic::V3).cpu("max").initrd(description)
    });
}

/// Returns the guest's sum of a disk of `size` bytes that begins with these bytes.
fn expected(bytes: &[u8], size: usize) -> String {
    let mut all = bytes.to_vec();
    all.resize(size, 0);
    let words = all.as_chunks().0.iter().copied().map(u64::from_le_bytes);
    let sum = words.fold(0_u64, |sum, word| sum.rotate_left(7) ^ word);
    format!("{size} bytes: {sum:#x}")
}

/// Images that end within a page, within a piece of work or at the end of a block of 2 MiB, and
/// memory that the loader has filled with other bytes than zeros. Some disks are virtio devices.
fn contents_are_those_of_the_description(gic: Gic) {
    const MIB_2: usize = 2 << 20;
    let scratch = scratch_directory(&format!("disks-{gic:?}"));
    let sizes = [1, 4096, 65_536 + 4100, MIB_2 - 1, MIB_2, MIB_2 + 8];
    let mut disks = [const { String::new() }; 3];
    let mut sums = Vec::new();
    for (number, size) in sizes.into_iter().enumerate() {
        let bytes: Vec<u8> = (0..size).map(|at| (at * 7 + at / 251 + number + 1) as u8).collect();
        let path = scratch.join(format!("disk{number}"));
        fs::write(&path, &bytes).expect("the tests' directory can be written");
        let read_only = if number % 2 == 0 { "read-only;" } else { "" };
        let interface = if number % 3 == 2 { "interface = \"virtio\";" } else { "" };
        let data = path.display();
        let data = format!("data = /incbin/(\"{data}\");");
        disks[number / 2] += &format!("d{number} {{ {data} {read_only} {interface} }};");
        sums.push((number, expected(&bytes, size.next_multiple_of(MIB_2))));
    }
    disks[2] += "zeros { size = <0x0 0x600000>; };";
    let (address, elsewhere) = (0x7800_0000_u64, scratch.join("disk2"));
    disks[1] += &format!("elsewhere {{ reg = <0x0 {address:#x} 0x0 {:#x}>; }};", sizes[2]);
    let [one, two, three] = disks;
    let guests =
        [guest("one", "", &one).cpus(2), guest("two", "", &two), guest("three", "", &three)];
    // All memory that a disk could get has other bytes than zeros.
    let dirt = scratch.join("dirt");
    fs::write(&dirt, vec![0xa5; 32 << 20]).expect("the tests' directory can be written");
    let load = format!("loader,file={},addr=0x40a00000,force-raw=on", dirt.display());
    let machine = Machine::new(gic).option("-device", load);
    let load = format!("loader,file={},addr={address:#x},force-raw=on", elsewhere.display());
    let machine = machine.option("-device", load);
    let outcome = machine.initrd(&compile(&source(&guests))).boot();
    outcome.expect_success();
    for (number, expected) in sums {
        let name = ["one", "two", "three"][number / 2];
        let found = self::sums(&outcome, name, &format!("d{number}"));
        outcome.check(found == [&expected], &format!("d{number} is {found:?}, not {expected}"));
    }
    let (same, also) =
        (self::sums(&outcome, "two", "d2"), self::sums(&outcome, "two", "elsewhere"));
    outcome.check(same == also, &format!("elsewhere is {also:?}, not {same:?}"));
    let zeros = self::sums(&outcome, "three", "zeros");
    outcome.check(zeros == [expected(&[], 6 << 20)], &format!("zeros are {zeros:?}"));
}

/// The guest, which has powered off, is started again by an operator.
fn a_disk_outlives_orders_at_the_monitor(gic: Gic) {
    let guests = [
        guest("keeper", "keep=own", "own { data = [05]; };"),
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

/// The function that unmaps disks returns at once. The images are in the machine's tree, which stays
/// mapped, so that there is nothing else to be found.
#[test]
fn disk_that_stays_mapped_is_found() {
    const RET: u32 = 0xd65f_03c0;
    let kernel = patched(&[(function(&["3mmu", "12unmap_memory"]), &[RET])]);
    let boot = |disks: &str| {
        let tree = machine_tree_with(Gic::V3, &source(&[guest("one", "", disks)]));
        Machine::new(Gic::V3).kernel(&kernel).tree(&tree).boot()
    };
    boot("").expect_success().expect_line("one", "disk: done");
    let outcome = boot("own { size = <0x0 0x200000>; };");
    outcome.expect_status(REFUSED);
    outcome.expect_line("bulkhead", "EL2: memory is reached that must be closed, 0x4");
    outcome.check(outcome.of("one").is_empty(), "a guest ran");
}
