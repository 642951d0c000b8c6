use std::vec;

use super::*;
use crate::arch::mpidr::Mpidr;
use crate::boot::plan::tests::{
    Cells, Nothing, Spec, Text, gic_v2, gic_v3, image, machine, partition, plan_on, system,
};

#[test]
fn the_machine_and_the_partitions() {
    let mut machine = machine(gic_v2());
    for (cpu, id) in machine.cpus.iter_mut().zip([0, 1, 0x100, 0x101]) {
        cpu.mpidr = Mpidr::new(id);
    }
    machine.remarks.push(String::from("a remark"));
    let linux = partition("linux")
        .without("cpus")
        .with("cpu-ids", Cells(&[1, 0x100, 0x101]))
        .with("dma", Text(&["unprotected"]))
        .with("devices", Text(&["rtc0", "/virtio_mmio@a000000"]))
        .with("host-base", Cells(&[0, 0x5000_0000]));
    let small = partition("small").with("memory", Cells(&[0, 0xf_f000]));
    let plan = plan_on(&machine, &system([linux, small])).unwrap();
    assert_eq!(
        report(&machine, &plan),
        "\
machine     test
CPUs        4 (0-1,0x100-0x101), started by PSCI
memory      2048 MiB at 0x40000000-0xbfffffff
interrupts  GICv2
console     /pl011@9000000, by all CPUs
remark      a remark
partition        CPUs           memory    guest at      physical at   devices (interrupts)
linux            1,0x100-0x101  16 MiB    0x50000000    0x50000000    /pl031@9010000 (34)
                                                                      /virtio_mmio@a000000 (48)
                                                                      DMA unprotected
small            0              1020 KiB  0x40000000    0x40000000    -
trusted     linux: /virtio_mmio@a000000 can write to all memory by DMA
isolation is not enforced for linux: dma = \"unprotected\" lets its devices reach all memory, \
including that of Bulkhead and of the other partitions
"
    );
}

#[test]
fn devices_that_the_description_trusts() {
    let mut machine = machine(gic_v2());
    machine.devices[1].reach = Reach::Unknown;
    let serves = ["/cpus/cpu@0", "/pl061@9030000", "/left@b000000", "/keys"];
    machine.devices[1].serves = serves.map(String::from).into();
    let one = partition("one")
        .with("devices", Text(&["/pl061@9030000"]))
        .with("trusted-devices", Text(&["rtc0"]));
    let text = report(&machine, &plan_on(&machine, &system([one])).unwrap());
    let lines: Vec<_> = text.lines().filter(|line| line.starts_with("trusted")).collect();
    assert_eq!(
        lines,
        [
            "trusted     one: /pl031@9010000 is not known to leave other partitions alone",
            "trusted     one: /pl031@9010000 serves /cpus/cpu@0, /left@b000000 and 1 more",
        ]
    );
}

#[test]
fn the_console_and_its_cpu() {
    let mut machine = machine(gic_v2());
    machine.cpus[2].mpidr = Mpidr::new(0x100);
    let line = |machine: &Machine, system: &Spec| {
        let text = report(machine, &plan_on(machine, system).unwrap());
        String::from(text.lines().find_map(|line| line.strip_prefix("console     ")).unwrap())
    };
    let named = system([partition("one")]).with("console-cpu", Cells(&[0x100]));
    assert_eq!(line(&machine, &system([partition("one")])), "/pl011@9000000, by CPU 1");
    assert_eq!(line(&machine, &named), "/pl011@9000000, by CPU 0x100");
    machine.console = None;
    assert_eq!(line(&machine, &named), "none");
}

#[test]
fn crash_policies_watchdogs_and_the_monitor() {
    let machine = machine(gic_v2());
    let one = partition("one")
        .with("on-crash", Text(&["restart"]))
        .with("max-restarts", Cells(&[3]))
        .with("watchdog-ms", Cells(&[3_600_000]))
        .with("monitor", Nothing);
    let two = partition("two").with("watchdog-ms", Cells(&[1]));
    let plan = plan_on(&machine, &system([one, partition("plain"), two])).unwrap();
    let text = report(&machine, &plan);
    let table: Vec<_> = text.lines().rev().take(3).collect();
    assert_eq!(
        table,
        [
            "two              stop      -             1            -",
            "one              restart   3             3600000      yes",
            "partition        on-crash  max-restarts  watchdog-ms  monitor",
        ]
    );
}

#[test]
fn disks_and_what_may_be_done_with_them() {
    let mut machine = machine(gic_v2());
    machine.free_interrupts = 100..101;
    let disks = |list: Vec<Spec>| Spec { children: list, ..Spec::new("disks") };
    let scratch = Spec::new("scratch").with("size", Cells(&[0, 0x800_0000]));
    let root = image("root", &[1]).with("read-only", Nothing);
    let one = partition("one").child(disks(vec![root, scratch]));
    let base = Spec::new("the-base").with("same-as", Text(&["one/root"]));
    let device = Spec::new("d").with("size", Cells(&[0, 0x20_0000]));
    let device = device.with("interface", Text(&["virtio"]));
    let two = partition("another-one").child(disks(vec![base, device]));
    let plan = plan_on(&machine, &system([one, two, partition("three")])).unwrap();
    let text = report(&machine, &plan);
    let table: Vec<_> = text.lines().rev().take(5).collect();
    assert_eq!(
        table,
        [
            "another-one/d         2 MiB     virtio (100)  0x43400000    read, write",
            "another-one/the-base  2 MiB     0x80000000    0x40000000    read, the same as one/root",
            "one/scratch           128 MiB   0x80200000    0x48200000    read, write",
            "one/root              2 MiB     0x80000000    0x40000000    read",
            "disk                  size      guest at      physical at   access",
        ]
    );
}

#[test]
fn copies_are_one_line() {
    let root = image("root", &[1]).with("read-only", Nothing);
    let disks = Spec { children: vec![root], ..Spec::new("disks") };
    let web = partition("web").with("copies", Cells(&[3])).child(disks);
    let web = web.with("on-crash", Text(&["restart"]));
    let plan = plan_on(&machine(gic_v2()), &system([web, partition("other")])).unwrap();
    let text = report(&machine(gic_v2()), &plan);
    let (_, tables) = text.split_once("by all CPUs\n").unwrap();
    assert_eq!(
        tables,
        "\
partition        CPUs  memory    guest at      physical at   devices (interrupts)
web0..web2       0-2   16 MiB    0x40000000    0x40400000    -, 3 copies
other            3     16 MiB    0x40000000    0x43400000    -
disk             size      guest at      physical at   access
web0..web2/root  2 MiB     0x80000000    0x40000000    read
partition        on-crash  max-restarts  watchdog-ms  monitor
web0..web2       restart   -             -            -
"
    );
}

#[test]
fn the_delivery_of_interrupts() {
    let mut machine = machine(gic_v3());
    let lines = |machine: &Machine, partitions: &[Spec]| {
        let plan = plan_on(machine, &system(partitions.iter().cloned())).unwrap();
        let text = report(machine, &plan);
        let is_one = |line: &&str| line.starts_with("interrupts") || line.starts_with("direct");
        text.lines().filter(is_one).map(String::from).collect::<Vec<_>>()
    };
    let [one, two] = ["one", "two"].map(partition);
    let [direct_one, direct_two] =
        ["one", "two"].map(|name| partition(name).with("interrupts", Text(&["direct"])));
    let alone = [one.clone()];
    assert_eq!(lines(&machine, &alone), ["interrupts  GICv3, trapped"]);
    machine.free_interrupts = 100..987;
    machine.delivers_directly = true;
    let copies = direct_one.clone().with("copies", Cells(&[2]));
    assert_eq!(lines(&machine, std::slice::from_ref(&copies))[0], "interrupts  GICv3, direct");
    assert_eq!(
        lines(&machine, &[copies, two.clone()])[0],
        "interrupts  GICv3, trapped, but direct for one0..one1"
    );
    // A guest that is alone harms nobody.
    assert_eq!(lines(&machine, &alone), ["interrupts  GICv3, direct"]);
    assert_eq!(lines(&machine, &[one.clone(), two]), ["interrupts  GICv3, trapped"]);
    let can = "can end neighbours' interrupts, and block Bulkhead's on their CPUs";
    let of = |names| format!("direct      {names}: {can}");
    assert_eq!(
        lines(&machine, &[one, direct_two.clone()]),
        ["interrupts  GICv3, trapped, but direct for two", &of("two")]
    );
    assert_eq!(
        lines(&machine, &[direct_one, direct_two]),
        ["interrupts  GICv3, direct", &of("one, two")]
    );
}

#[test]
fn the_code_that_stays_is_reported_with_what_is_left_out() {
    assert_eq!(code(56 << 10, &[]), "code        56 KiB stay");
    assert_eq!(code((56 << 10) + 1, &["monitor"]), "code        57 KiB stay (monitor left out)");
}

#[test]
fn the_sources_of_entropy_are_reported() {
    let mut pool = Pool::default();
    pool.add(Source::KaslrSeed, &[1; 8]);
    assert_eq!(
        entropy(Some(&pool)),
        "entropy     kaslr-seed 8 B: fewer than 32 B, so partitions get only a kaslr-seed and no \
         TRNG"
    );
    pool.add(Source::Firmware, &[1; 48]);
    pool.add(Source::Register, &[1; 32]);
    assert_eq!(entropy(Some(&pool)), "entropy     kaslr-seed 8 B, RNDR 32 B, firmware's TRNG 48 B");
    assert_eq!(entropy(None), "entropy     none: partitions get no random seeds and no TRNG");
}
