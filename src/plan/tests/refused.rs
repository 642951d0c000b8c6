//! Every refusal, by its whole sentence.

use super::*;

fn refusal_on(machine: &Machine, system: &Spec) -> String {
    plan_on(machine, system).unwrap_err().to_string()
}

fn refusal(system: &Spec) -> String {
    refusal_on(&machine(gic_v2()), system)
}

/// What is wrong with the only partition, `/partitions/one`.
fn fault(partition: Spec) -> String {
    let sentence = refusal(&system([partition]));
    sentence.strip_prefix("/partitions/one").unwrap().to_string()
}

fn one() -> Spec {
    partition("one")
}

#[test]
fn no_description() {
    let refused = |bytes: &[u8]| PlanError::from(Tree::new(bytes).err().unwrap()).to_string();
    let tree = system([one()]).tree();
    assert_eq!(
        refused(&[0; 64]),
        "the system description is not a device tree: it starts with 0x00000000, not with 0xd00dfeed"
    );
    let size = tree.len();
    assert_eq!(
        refused(&tree[..size - 8]),
        std::format!(
            "the system description is truncated: {size} bytes are needed, {} are there",
            size - 8
        )
    );
}

#[test]
fn another_description() {
    let other = system([one()]).with("compatible", Text(&["xen,domain"]));
    assert_eq!(refusal(&other), "/: compatible = \"xen,domain\" is not \"bulkhead,system\"");
    assert_eq!(
        refusal(&system([one()]).without("compatible")),
        "/: compatible is missing: give \"bulkhead,system\""
    );
}

#[test]
fn partitions_and_their_names() {
    assert_eq!(
        refusal(&system([])),
        "/partitions holds no partition: the node partitions must have a node for each"
    );
    assert_eq!(
        refusal(&system([]).without("partitions")),
        "/ holds no partition: the node partitions must have a node for each"
    );
    assert_eq!(
        refusal(&system([partition("one@1")])),
        "/partitions/one@1: name = \"one@1\" is not 1 to 15 letters, digits, hyphens and underscores"
    );
    assert_eq!(
        refusal(&system([partition("sixteen-letters-")])),
        "/partitions/sixteen-letters-: name = \"sixteen-letters-\" is not 1 to 15 letters, digits, \
         hyphens and underscores"
    );
    assert_eq!(
        refusal(&system([one(), one()])),
        "/partitions/one: name = \"one\" is given to another partition already"
    );
}

#[test]
fn unknown_names() {
    assert_eq!(
        refusal(&system([one()]).child(Spec::new("partition"))),
        "/partition is no node that belongs here; the nearest is \"partitions\""
    );
    assert_eq!(
        fault(one().with("memmory", Cells(&[1]))),
        " has a property \"memmory\", which does not belong here; the nearest is \"memory\""
    );
    assert_eq!(
        fault(one().child(Spec::new("ramdsk"))),
        "/ramdsk is no node that belongs here; the nearest is \"ramdisk\""
    );
    assert_eq!(
        fault(one().child(image("kernel", &[0]).child(Spec::new("ramdisk")))),
        "/kernel/ramdisk is no node that belongs here: no node does"
    );
    assert_eq!(
        fault(one().child(image("kernel", &[0]).with("loadoffset", Cells(&[0])))),
        "/kernel has a property \"loadoffset\", which does not belong here; the nearest is \
         \"load-offset\""
    );
}

#[test]
fn types() {
    for (name, value, expected) in [
        ("cpus", Cells(&[1, 2]), ": cpus (8 bytes) is not one cell, as in <1>"),
        (
            "cpu-ids",
            Text(&["0"]),
            ": cpu-ids (2 bytes) is not one cell for each CPU, Aff2 to Aff0, as in <0x0 0x1>",
        ),
        (
            "memory",
            Cells(&[0x100_0000]),
            ": memory (4 bytes) is not two cells, as in <0x0 0x40000000>",
        ),
        ("devices", Cells(&[1]), ": devices (4 bytes) is not a list of strings"),
        ("bootargs", Cells(&[1]), ": bootargs (4 bytes) is not a string"),
        (
            "count-hypervisor",
            Cells(&[1]),
            ": count-hypervisor (4 bytes) is not a property without a value",
        ),
        ("monitor", Cells(&[1]), ": monitor (4 bytes) is not a property without a value"),
        ("on-crash", Nothing, ": on-crash (0 bytes) is not a string"),
        ("max-restarts", Cells(&[0, 1]), ": max-restarts (8 bytes) is not one cell, as in <1>"),
        ("watchdog-ms", Text(&["1"]), ": watchdog-ms (2 bytes) is not one cell, as in <1>"),
        (
            "dma",
            Text(&["yes"]),
            ": dma = \"yes\" is not \"unprotected\", which is all that it can say",
        ),
        (
            "interrupts",
            Text(&["direct"]),
            ": interrupts = \"direct\" is not \"trapped\", which is all that it can say",
        ),
    ] {
        assert_eq!(fault(one().with(name, value)), expected);
    }
    assert_eq!(
        fault(one().child(Spec::new("kernel").with("reg", Cells(&[0, 1])))),
        "/kernel: reg (8 bytes) is not an address in two cells and a size in two cells"
    );
}

#[test]
fn cpus() {
    assert_eq!(
        fault(one().without("cpus")),
        ": cpus is missing: give how many, as in <1>, or cpu-ids, as in <0x0 0x1>"
    );
    assert_eq!(
        fault(one().with("cpu-ids", Cells(&[1]))),
        ": cpus stands beside cpu-ids: give only one of them"
    );
    assert_eq!(fault(one().with("cpus", Cells(&[0]))), ": cpus = <0> is empty: give at least one");
    assert_eq!(
        fault(one().with("cpus", Cells(&[5]))),
        ": cpus = <5> is more than the CPUs that are left: 4 of 4"
    );
    let three = partition("three").with("cpus", Cells(&[3]));
    let two = partition("two").with("cpus", Cells(&[2]));
    assert_eq!(
        refusal(&system([three, two])),
        "/partitions/two: cpus = <2> is more than the CPUs that are left: 1 of 4"
    );
}

#[test]
fn cpu_ids() {
    let ids = |name, ids| partition(name).without("cpus").with("cpu-ids", Cells(ids));
    assert_eq!(fault(ids("one", &[])), ": cpu-ids is empty: give at least one");
    assert_eq!(
        fault(ids("one", &[4])),
        ": cpu-ids = <0x4> is no CPU of this machine, which has 0x0 0x1 0x2 0x3"
    );
    assert_eq!(fault(ids("one", &[1, 1])), ": cpu-ids = <0x1> is given to /partitions/one already");
    assert_eq!(
        refusal(&system([ids("one", &[2]), ids("two", &[0, 2])])),
        "/partitions/two: cpu-ids = <0x2> is given to /partitions/one already"
    );
    let mut machine = machine(gic_v2());
    machine.cpus[0].start = CpuStart::Unknown;
    machine.cpus[1].start = CpuStart::Unknown;
    assert!(plan_on(&machine, &system([ids("boot", &[0])])).is_ok());
    assert_eq!(
        refusal_on(&machine, &system([ids("one", &[1])])),
        "/partitions/one: cpu-ids = <0x1> cannot be started: its enable-method is neither \"psci\" \
         nor a usable \"spin-table\""
    );
    assert_eq!(
        refusal_on(&machine, &system([one().with("cpus", Cells(&[4]))])),
        "/partitions/one: cpus = <4> is more than the CPUs that are left: 3 of 3"
    );
}

#[test]
fn more_vcpus_than_the_gic_serves() {
    for (gic, most) in [(gic_v2(), 8), (gic_v3(), 123)] {
        let mut machine = machine(gic);
        machine.cpus = (0..130)
            .map(|number| Cpu { mpidr: Mpidr::new(number), ..machine.cpus[0].clone() })
            .collect();
        let nine = system([one().with("cpus", Cells(&[124]))]);
        assert_eq!(
            refusal_on(&machine, &nine),
            std::format!(
                "/partitions/one: cpus = <124> is more than the {most} CPUs that a partition can \
                 have here"
            )
        );
    }
}

#[test]
fn more_partitions_than_vmids() {
    let mut machine = machine(gic_v3());
    machine.cpus = vec![machine.cpus[0].clone(); 256];
    machine.memory = vec![region(0x4000_0000, 1 << 40)];
    let names = (0..256).map(|number| &*std::format!("p{number}").leak());
    assert_eq!(
        refusal_on(&machine, &system(names.map(partition))),
        "/partitions holds more partitions than the 255 that can be told apart"
    );
}

#[test]
fn memory() {
    assert_eq!(
        fault(one().without("memory")),
        ": memory is missing: give the bytes in two cells, as in <0x0 0x1000000>"
    );
    assert_eq!(
        fault(one().with("memory", Cells(&[0, 0]))),
        ": memory = <0x0 0x0> is empty: give at least one"
    );
    assert_eq!(
        fault(one().with("memory", Cells(&[0, 0x100_0800]))),
        ": memory = <0x0 0x1000800> is not a multiple of the page size, 0x1000"
    );
    assert_eq!(
        fault(one().with("memory", Cells(&[0, 0x8000_0000]))),
        ": memory = <0x0 0x80000000> does not fit: the most that is free in one piece is 1918 MiB"
    );
    assert_eq!(
        fault(one().with("guest-base", Cells(&[0, 0x4000_0800]))),
        ": guest-base = <0x0 0x40000800> is not a multiple of the page size, 0x1000"
    );
    assert_eq!(
        fault(one().with("guest-base", Cells(&[0x7f, 0xff80_0000]))),
        ": guest-base = <0x7f 0xff800000> ends past the last guest address, 0x7fffffffff"
    );
}

#[test]
fn memory_that_leaves_no_room_for_tables() {
    let mut machine = machine(gic_v2());
    machine.memory = vec![region(0x8000_0000, 16 * MIB)];
    assert_eq!(
        refusal_on(&machine, &system([one()])),
        "/partitions leaves no memory for the stage-2 tables: 16 KiB are needed"
    );
}

#[test]
fn memory_at_a_host_base() {
    let at = |name, base| partition(name).with("host-base", Cells(base));
    assert_eq!(
        fault(at("one", &[0, 0x5000_0800])),
        ": host-base = <0x0 0x50000800> is not a multiple of the page size, 0x1000"
    );
    assert_eq!(
        fault(at("one", &[0, 0xbf80_0000])),
        ": host-base = <0x0 0xbf800000> is not the start of 16 MiB of memory"
    );
    assert_eq!(
        fault(at("one", &[0xffff_ffff, 0xffff_f000])),
        ": host-base = <0xffffffff 0xfffff000> is not the start of 16 MiB of memory"
    );
    assert_eq!(
        fault(at("one", &[0, 0x4000_0000])),
        ": host-base = <0x0 0x40000000> asks for memory that is taken: 0x40200000-0x403fffff is \
         Bulkhead's"
    );
    assert_eq!(
        fault(at("one", &[0, 0x4800_0000])),
        ": host-base = <0x0 0x48000000> asks for memory that is taken: 0x48000000-0x48001fff is \
         /partitions/one/kernel's"
    );
    assert_eq!(
        refusal(&system([at("one", &[0, 0x5000_0000]), at("two", &[0, 0x5080_0000])])),
        "/partitions/two: host-base = <0x0 0x50800000> asks for memory that is taken: \
         0x50000000-0x50ffffff is /partitions/one's"
    );
}

#[test]
fn memory_over_something_else() {
    assert_eq!(
        fault(
            one()
                .with("guest-base", Cells(&[0, 0x700_0000]))
                .with("memory", Cells(&[0, 0x100_1000]))
        ),
        ": guest-base = <0x0 0x7000000> would cover its distributor, which the guest has at \
         0x08000000-0x0800ffff"
    );
    assert_eq!(
        fault(
            one()
                .with("guest-base", Cells(&[0, 0x902_0000]))
                .with("devices", Text(&["/pl061@9030000"]))
        ),
        ": guest-base = <0x0 0x9020000> would cover /pl061@9030000, which the guest has at \
         0x09030000-0x09030fff"
    );
}

#[test]
fn unprotected_dma() {
    let unprotected = || one().with("dma", Text(&["unprotected"]));
    let virtio = || unprotected().with("devices", Text(&["/virtio_mmio@a000000"]));
    assert_eq!(
        fault(virtio().without("dma")),
        ": devices = \"/virtio_mmio@a000000\" can write to all memory by DMA: say \
         dma = \"unprotected\" if this is what you want"
    );
    let clocks = unprotected().with("devices", Text(&["/clocks@c001000"]));
    assert!(plan_on(&machine(gic_v2()), &system([clocks.clone()])).is_ok());
    assert_eq!(
        fault(clocks.without("dma")),
        ": devices = \"/clocks@c001000\" can change what other partitions use: say \
         dma = \"unprotected\" if this is what you want"
    );
    assert_eq!(
        fault(
            virtio()
                .with("guest-base", Cells(&[0, 0x4000_0000]))
                .with("host-base", Cells(&[0, 0x5000_0000]))
        ),
        ": guest-base = <0x0 0x40000000> is not host-base, as it has to be with \
         dma = \"unprotected\""
    );
    assert_eq!(
        fault(virtio().with("guest-base", Cells(&[0, 0x4000_0000]))),
        ": guest-base = <0x0 0x40000000> asks for memory that is taken: 0x40200000-0x403fffff is \
         Bulkhead's"
    );
    let mut machine = machine(gic_v2());
    machine.memory.push(region(0x800_0000, 32 * MIB));
    // Elsewhere than the guest's.
    machine.console = None;
    let over = unprotected().with("host-base", Cells(&[0, 0x880_0000]));
    assert_eq!(
        refusal_on(&machine, &system([over])),
        "/partitions/one: host-base = <0x0 0x8800000> would cover its PL011, which the guest has at \
         0x09000000-0x09000fff"
    );
}

#[test]
fn devices() {
    let with = |name, devices| partition(name).with("devices", Text(devices));
    for (name, expected) in [
        (
            &["/pl031@9010001"],
            "/pl031@9010001\" is no device that can be given; the nearest is \"/pl031@9010000\"",
        ),
        (&["rtc1"], "rtc1\" is no device that can be given; the nearest is \"rtc0\""),
        (&["/pl011@9000000"], "/pl011@9000000\" is Bulkhead's own and cannot be given away"),
        (&["/intc@8000000"], "/intc@8000000\" is Bulkhead's own and cannot be given away"),
        (&["/gicd@8001000"], "/gicd@8001000\" is Bulkhead's own and cannot be given away"),
        (
            &["/in-memory@50000000"],
            "/in-memory@50000000\" has registers at 0x50000000-0x50000fff, which is memory",
        ),
        (&["/far@8000000000"], "/far@8000000000\" ends past the last guest address, 0x7fffffffff"),
        (
            &["/left@b000000"],
            "/left@b000000\" shares a page with /right@b000100, at 0x0b000100-0x0b0001ff: both must \
             be given to one partition",
        ),
        (
            &["/private@b003000"],
            "/private@b003000\" raises interrupt 23, which every CPU has for itself: only SPIs can \
             be given",
        ),
        (
            &["/says-33@b002000"],
            "/says-33@b002000\" raises interrupt 33, as Bulkhead's /pl011@9000000 does",
        ),
    ] {
        assert_eq!(fault(with("one", name)), std::format!(": devices = \"{expected}"));
    }
    let in_frame = system([with("one", &["/in-frame@8000000"])]);
    assert!(plan_on(&machine(gic_v2()), &in_frame).is_ok());
    assert_eq!(
        refusal_on(&machine(gic_v3()), &in_frame),
        "/partitions/one: devices = \"/in-frame@8000000\" would cover its redistributors, which the \
         guest has at 0x080a0000-0x080bffff"
    );
}

#[test]
fn what_follows_a_crash() {
    assert_eq!(
        fault(one().with("on-crash", Text(&["reboot"]))),
        ": on-crash = \"reboot\" is neither \"restart\" nor \"stop\""
    );
    for (milliseconds, value) in [("0", [0]), ("3600001", [3_600_001])] {
        assert_eq!(
            fault(one().with("watchdog-ms", Cells(value.to_vec().leak()))),
            std::format!(": watchdog-ms = <{milliseconds}> is not from 1 to 3600000, an hour")
        );
    }
}

#[test]
fn devices_over_what_is_emulated_for_some() {
    let mut machine = machine(gic_v2());
    for (path, registers, property, value, expected) in [
        ("/pl011@9040000", 0x904_0000, "monitor", Nothing, "its monitor's PL011"),
        ("/control@90f0800", 0x90f_0800, "watchdog-ms", Cells(&[1]), "its watchdog"),
        ("/refresh@90f1000", 0x90f_1000, "watchdog-ms", Cells(&[1]), "its watchdog"),
    ] {
        machine.devices.push(device(path, (registers, 0x100), None));
        let one = one().with("devices", Text(vec![path].leak()));
        assert!(plan_on(&machine, &system([one.clone()])).is_ok());
        let start = registers & !0xfff;
        assert_eq!(
            refusal_on(&machine, &system([one.with(property, value)])),
            std::format!(
                "/partitions/one: devices = \"{path}\" would cover {expected}, which the guest has \
                 at {start:#010x}-{:#010x}",
                start + 0xfff
            )
        );
    }
}

#[test]
fn devices_that_have_all_interrupts() {
    let mut machine = machine(gic_v3());
    machine.console = None;
    let mut all = device("/all@b004000", (0xb00_4000, 0x100), None);
    let interrupts = (33..1020).filter_map(Intid::new);
    all.interrupts = interrupts.map(|intid| Interrupt { intid, trigger: Trigger::Edge }).collect();
    all.interrupts.pop();
    machine.devices = vec![all];
    let one = one().with("devices", Text(&["/all@b004000"]));
    assert_eq!(
        plan_on(&machine, &system([one.clone()])).unwrap().partitions[0].console_interrupt.get(),
        1019
    );
    assert_eq!(
        refusal_on(&machine, &system([one.with("monitor", Nothing)])),
        "/partitions/one: devices leaves no interrupt for what Bulkhead emulates"
    );
}

#[test]
fn devices_of_a_machine_without_any() {
    let mut machine = machine(gic_v2());
    machine.devices.clear();
    let one = one().with("devices", Text(&["rtc0"]));
    assert_eq!(
        refusal_on(&machine, &system([one])),
        "/partitions/one: devices = \"rtc0\" is no device that can be given: this machine has none"
    );
}

#[test]
fn devices_given_twice() {
    let with = |name, devices| partition(name).with("devices", Text(devices));
    assert_eq!(
        fault(with("one", &["/pl031@9010000", "rtc0"])),
        ": devices = \"rtc0\" is given to /partitions/one already"
    );
    assert_eq!(
        refusal(&system([with("one", &["rtc0"]), with("two", &["/pl031@9010000"])])),
        "/partitions/two: devices = \"/pl031@9010000\" is given to /partitions/one already"
    );
    assert_eq!(
        refusal(&system([with("one", &["/left@b000000"]), with("two", &["/right@b000100"])])),
        "/partitions/one: devices = \"/left@b000000\" shares a page with /right@b000100, at \
         0x0b000100-0x0b0001ff: both must be given to one partition"
    );
    assert_eq!(
        refusal(&system([
            with("one", &["/left@b000000", "/right@b000100"]),
            with("two", &["/shares@b001000"])
        ])),
        "/partitions/one: devices = \"/left@b000000\" raises interrupt 60, as \
         /partitions/two's /shares@b001000 does"
    );
}

#[test]
fn kernels() {
    let kernel = |bytes: &[u8]| fault(one().child(image("kernel", bytes)));
    assert_eq!(
        fault(one().without("kernel")),
        ": kernel is missing: give a node with the kernel's bytes in its data"
    );
    assert_eq!(
        fault(one().child(Spec::new("kernel"))),
        "/kernel: data is missing: give /incbin/(\"file\")"
    );
    assert_eq!(kernel(&[]), "/kernel: data (0 bytes) is empty: give at least one");
    for (magic, offset, expected) in [
        (
            &b"\x7fELF\x01"[..],
            0,
            "is a 32-bit ELF file: give a 64-bit kernel, as an Image or flat binary",
        ),
        (b"\x7fELF\x02", 0, "is an ELF file: give what `objcopy -O binary` makes of it"),
        (b"\x18\x28\x6f\x01", 36, "is a 32-bit zImage: give a 64-bit kernel, as an Image"),
        (b"\x1f\x8b", 0, "is compressed: give what `gunzip` makes of it"),
        (b"\x28\xb5\x2f\xfd", 0, "is compressed: give what `unzstd` makes of it"),
        (b"MZ\0\0zimg", 0, "is a compressed EFI image: give the Image inside"),
        (b"\x27\x05\x19\x56", 0, "is a U-Boot image: give the kernel inside"),
        (b"\xd0\x0d\xfe\xed", 0, "is a device tree: give a kernel"),
    ] {
        let mut bytes = [0; 64];
        bytes[offset..offset + magic.len()].copy_from_slice(magic);
        assert_eq!(kernel(&bytes), std::format!("/kernel: data (64 bytes) {expected}"));
    }
    assert_eq!(
        kernel(&arm64_header(0, 0x1000, 1)),
        "/kernel: data (64 bytes) is a big-endian Image: give a little-endian one"
    );
}

#[test]
fn kernels_that_do_not_fit() {
    let kernel = |bytes: &[u8]| fault(one().child(image("kernel", bytes)));
    assert_eq!(
        kernel(&arm64_header(0, 0x100_1000, 0)),
        "/kernel: data (64 bytes) needs 0x40000000-0x41000fff, and the partition's memory is \
         0x40000000-0x40ffffff"
    );
    assert_eq!(
        kernel(&arm64_header(u64::MAX, 0x1000, 0)),
        "/kernel: data (64 bytes) needs more than the partition's memory, 0x40000000-0x40ffffff"
    );
    assert_eq!(
        kernel(&vec![0; 0xf8_0001]),
        "/kernel: data (16252929 bytes) needs 0x40080000-0x41000000, and the partition's memory is \
         0x40000000-0x40ffffff"
    );
    let flat = |offset| image("kernel", &[0]).with("load-offset", Cells(offset));
    assert_eq!(
        fault(one().child(flat(&[0x1001]))),
        "/kernel: load-offset = <0x1001> is not a multiple of the page size, 0x1000"
    );
    assert_eq!(
        fault(one().child(flat(&[0x100_0000]))),
        "/kernel: data (1 bytes) needs 0x41000000-0x41000000, and the partition's memory is \
         0x40000000-0x40ffffff"
    );
    let image = image("kernel", &arm64_header(0, 0x1000, 0)).with("load-offset", Cells(&[0]));
    assert_eq!(
        fault(one().child(image)),
        "/kernel: load-offset = <0x0> is only for flat binaries: an arm64 Image says where it goes"
    );
}

#[test]
fn images_in_memory() {
    let kernel = |reg| one().child(Spec::new("kernel").with("reg", Cells(reg)));
    assert_eq!(
        fault(kernel(&[0, 0x6000_0000, 0, 0])),
        "/kernel: reg = <0x0 0x60000000 0x0 0x0> is empty: give at least one"
    );
    assert_eq!(
        fault(kernel(&[0, 0x1000, 0, 0x1000])),
        "/kernel: reg = <0x0 0x1000 0x0 0x1000> is not the start of 4 KiB of memory"
    );
    let both = image("kernel", &[0]).with("reg", Cells(&[0, 0x6000_0000, 0, 0x1000]));
    assert_eq!(fault(one().child(both)), "/kernel: data stands beside reg: give only one of them");
}

#[test]
fn ramdisks_and_trees() {
    assert_eq!(
        fault(one().child(image("ramdisk", &[]))),
        "/ramdisk: data (0 bytes) is empty: give at least one"
    );
    assert_eq!(
        fault(one().child(image("ramdisk", &vec![0; 16 << 20]))),
        "/ramdisk: data (16777216 bytes) needs 0x40081000-0x41080fff, and the partition's memory is \
         0x40000000-0x40ffffff"
    );
    assert_eq!(
        fault(one().child(image("ramdisk", &vec![0; 0xf7_f000]))),
        ": memory = <0x0 0x1000000> needs 0x41000000-0x4100ffff, and the partition's memory is \
         0x40000000-0x40ffffff"
    );
    let tree = |offset| one().with("fdt-offset", Cells(offset));
    assert_eq!(
        fault(tree(&[0x100])),
        ": fdt-offset = <0x100> is not a multiple of the page size, 0x1000"
    );
    assert_eq!(
        fault(tree(&[0xff_8000])),
        ": fdt-offset = <0xff8000> needs 0x40ff8000-0x41007fff, and the partition's memory is \
         0x40000000-0x40ffffff"
    );
    assert_eq!(
        fault(tree(&[0x7_8000])),
        ": fdt-offset = <0x78000> would cover its kernel, which the guest has at \
         0x40080000-0x40080fff"
    );
    assert_eq!(
        fault(tree(&[0x8_1000]).child(image("ramdisk", &[0]))),
        ": fdt-offset = <0x81000> would cover its ramdisk, which the guest has at \
         0x40081000-0x40081000"
    );
}

#[test]
fn memory_above_what_el2_can_map() {
    let mut machine = machine(gic_v2());
    machine.memory.push(region(1 << 39, 64 * MIB));
    let far = partition("one").with("host-base", Cells(&[0x80, 0]));
    assert_eq!(
        refusal_on(&machine, &system([far])),
        "/partitions/one: host-base = <0x80 0x0> is not the start of 16 MiB of memory"
    );
}
