//! Refused devices.

use super::*;

#[test]
fn names_of_nodes_that_are_no_devices() {
    let mut machine = machine(gic_v2());
    machine.not_devices.push(NotADevice {
        name: "/uart@9200000".to_string(),
        why: "is disabled in the machine's tree (`status`)".to_string(),
    });
    assert_eq!(
        refusal_on(&machine, &system([one().with("devices", Text(&["/uart@9200000"]))])),
        "/partitions/one: devices = \"/uart@9200000\" is disabled in the machine's tree (`status`)"
    );
}

#[test]
fn devices_with_the_spi_of_a_cpus_pmu() {
    let mut machine = machine(gic_v2());
    let interrupt = Interrupt { intid: Intid::new(34).unwrap(), trigger: Trigger::Level };
    let interrupts = PmuInterrupts::Shared(vec![(Mpidr::new(3), interrupt)]);
    machine.pmus.push(Pmu { compatible: Vec::new(), interrupts });
    assert_eq!(
        refusal_on(&machine, &system([one().with("devices", Text(&["/pl031@9010000"]))])),
        "/partitions/one: devices = \"/pl031@9010000\" raises interrupt 34, which a CPU's PMU \
         raises too"
    );
}

#[test]
fn devices_that_need_unprotected_dma() {
    let unprotected = || one().with("dma", Text(&["unprotected"]));
    let virtio = || unprotected().with("devices", Text(&["/virtio_mmio@a000000"]));
    assert_eq!(
        fault(virtio().without("dma")),
        ": devices = \"/virtio_mmio@a000000\" can write to all memory by DMA: give \
         dma = \"unprotected\" to allow this"
    );
    // Trust alone is not enough: the driver needs physical addresses.
    let trusted = virtio().without("dma").without("devices");
    assert_eq!(
        fault(trusted.with("trusted-devices", Text(&["/virtio_mmio@a000000"]))),
        ": trusted-devices = \"/virtio_mmio@a000000\" can write to all memory by DMA: give \
         dma = \"unprotected\" to allow this"
    );
    assert_eq!(
        fault(
            virtio()
                .with("guest-base", Cells(&[0, 0x4000_0000]))
                .with("host-base", Cells(&[0, 0x5000_0000]))
        ),
        ": guest-base = <0x0 0x40000000> differs from host-base, which it must equal with \
         dma = \"unprotected\""
    );
    assert_eq!(
        fault(virtio().with("guest-base", Cells(&[0, 0x4000_0000]))),
        ": guest-base = <0x0 0x40000000> needs memory that is in use: 0x40200000-0x403fffff \
         belongs to Bulkhead"
    );
    let mut machine = machine(gic_v2());
    machine.memory.push(region(0x800_0000, 32 * MIB));
    // Bulkhead's UART is not in the way.
    machine.console = None;
    let over = unprotected().with("host-base", Cells(&[0, 0x880_0000]));
    assert_eq!(
        refusal_on(&machine, &system([over])),
        "/partitions/one: host-base = <0x0 0x8800000> overlaps its PL011, which the guest sees at \
         0x09000000-0x09000fff"
    );
}

#[test]
fn devices_that_need_trust() {
    let machine = |reach| {
        let mut machine = machine(gic_v2());
        machine.devices[1].reach = reach;
        machine
    };
    let given = |property, dma: bool| {
        let one = one().with(property, Text(&["rtc0"]));
        system([if dma { one.with("dma", Text(&["unprotected"])) } else { one }])
    };
    for (reach, expected) in [
        (
            Reach::Machine("can reset the whole machine"),
            "can reset the whole machine: give it by trusted-devices to allow this",
        ),
        (
            Reach::Channels,
            "can request transfers of a DMA controller: give it by trusted-devices to allow this",
        ),
        (
            Reach::Unknown,
            "is not known to leave other partitions alone: give it by trusted-devices if it \
             neither masters the bus nor serves other devices, otherwise give dma = \
             \"unprotected\"",
        ),
    ] {
        let machine = machine(reach);
        assert_eq!(
            refusal_on(&machine, &given("devices", false)),
            std::format!("/partitions/one: devices = \"rtc0\" {expected}")
        );
        for allowed in [given("trusted-devices", false), given("devices", true)] {
            let plan = plan_on(&machine, &allowed).unwrap();
            assert_eq!(plan.partitions[0].passthrough[0].reach, reach);
        }
    }
    let harmless = machine(Reach::Partition);
    plan_on(&harmless, &given("trusted-devices", false)).unwrap();
}

#[test]
fn devices_that_serve_others() {
    let mut machine = machine(gic_v2());
    let serves = ["/pl061@9030000/on-its-bus", "/cpus/cpu@0"];
    machine.devices[1].serves = serves.map(String::from).into();
    let gpio = "/pl061@9030000";
    let serves = |what, devices: &'static [&str]| {
        let sentence = std::format!(
            ": devices = \"rtc0\" serves {what}, which the partition does not own: give both to \
             it, or this one by trusted-devices"
        );
        (sentence, one().with("devices", Text(devices)))
    };
    for (sentence, one) in [
        serves("/pl061@9030000/on-its-bus", &["rtc0"]),
        serves("/cpus/cpu@0", &["rtc0", "/pl061@9030000"]),
    ] {
        assert_eq!(refusal_on(&machine, &system([one])), ["/partitions/one", &sentence].concat());
    }
    let trusted = one().with("trusted-devices", Text(&["rtc0"]));
    let own = trusted.clone().with("devices", Text(&["/pl061@9030000"]));
    for (one, left) in [(trusted, 2), (own, 1)] {
        let plan = plan_on(&machine, &system([one])).unwrap();
        let rtc = plan.partitions[0].passthrough.iter().find(|it| it.path != gpio).unwrap();
        assert_eq!(rtc.serves.len(), left);
    }
    // Only a name that ends where the path does, or goes on below it.
    machine.devices[1].serves = [String::from("/pl061@9030000-b")].into();
    let both = one().with("devices", Text(&["rtc0", "/pl061@9030000"]));
    assert!(plan_on(&machine, &system([both])).is_err());
}

#[test]
fn devices_that_cannot_be_passed_through() {
    let with = |name, devices| partition(name).with("devices", Text(devices));
    for (name, expected) in [
        (
            &["/pl031@9010001"],
            "/pl031@9010001\" is not a device that can be passed through; the nearest name is \
             \"/pl031@9010000\"",
        ),
        (
            &["rtc1"],
            "rtc1\" is not a device that can be passed through; the nearest name is \"rtc0\"",
        ),
        (&["/pl011@9000000"], "/pl011@9000000\" is used by Bulkhead and cannot be passed through"),
        (&["/intc@8000000"], "/intc@8000000\" is used by Bulkhead and cannot be passed through"),
        (&["/gicd@8001000"], "/gicd@8001000\" is used by Bulkhead and cannot be passed through"),
        (
            &["/in-memory@50000000"],
            "/in-memory@50000000\" has registers at 0x50000000-0x50000fff, which is memory",
        ),
        (&["/far@8000000000"], "/far@8000000000\" ends past the last guest address, 0x7fffffffff"),
        (
            &["/left@b000000"],
            "/left@b000000\" shares a page with /right@b000100, at 0x0b000100-0x0b0001ff: give \
             both to the same partition",
        ),
        (
            &["/private@b003000"],
            "/private@b003000\" raises interrupt 23, which is private to each CPU: only SPIs can \
             be passed through",
        ),
        (
            &["/says-33@b002000"],
            "/says-33@b002000\" raises interrupt 33, which /pl011@9000000 of Bulkhead raises too",
        ),
    ] {
        assert_eq!(fault(with("one", name)), std::format!(": devices = \"{expected}"));
    }
    let in_frame = system([with("one", &["/in-frame@8000000"])]);
    assert!(plan_on(&machine(gic_v2()), &in_frame).is_ok());
    assert_eq!(
        refusal_on(&machine(gic_v3()), &in_frame),
        "/partitions/one: devices = \"/in-frame@8000000\" overlaps its redistributors, which the \
         guest sees at 0x080a0000-0x080bffff"
    );
}

#[test]
fn devices_that_overlap_emulated_ones() {
    let mut machine = machine(gic_v2());
    let monitor = "its monitor's PL011, which the guest sees at 0x09040000-0x09040fff";
    let watchdog = "its watchdog, which the guest sees at 0x090f0000-0x090f1fff";
    for (path, registers, property, value, expected) in [
        ("/pl011@9040000", 0x904_0000, "monitor", Nothing, monitor),
        ("/control@90f0800", 0x90f_0800, "watchdog-ms", Cells(&[1]), watchdog),
        ("/refresh@90f1000", 0x90f_1000, "watchdog-ms", Cells(&[1]), watchdog),
    ] {
        machine.devices.push(device(path, (registers, 0x100), None));
        let one = one().with("devices", Text(vec![path].leak()));
        assert!(plan_on(&machine, &system([one.clone()])).is_ok());
        assert_eq!(
            refusal_on(&machine, &system([one.with(property, value)])),
            std::format!("/partitions/one: devices = \"{path}\" overlaps {expected}")
        );
    }
}

#[test]
fn devices_that_leave_no_interrupt() {
    let mut machine = machine(gic_v3());
    machine.console = None;
    let mut all = device("/all@b004000", (0xb00_4000, 0x100), None);
    let interrupts = (33..1020).filter_map(Intid::new);
    all.interrupts = interrupts.map(|intid| Interrupt { intid, trigger: Trigger::Edge }).collect();
    all.interrupts.pop();
    machine.devices = vec![all];
    let one = one().with("devices", Text(&["/all@b004000"]));
    let plan = plan_on(&machine, &system([one.clone()])).unwrap();
    let console = plan.partitions[0].device(DeviceKind::Pl011).unwrap();
    assert_eq!(console.intid, Intid::new(1019));
    assert_eq!(
        refusal_on(&machine, &system([one.with("monitor", Nothing)])),
        "/partitions/one: devices have all SPIs: none is left for the emulated devices"
    );
}

#[test]
fn devices_of_a_machine_that_has_none() {
    let mut machine = machine(gic_v2());
    machine.devices.clear();
    let one = one().with("devices", Text(&["rtc0"]));
    assert_eq!(
        refusal_on(&machine, &system([one])),
        "/partitions/one: devices = \"rtc0\" is not a device that can be passed through: \
         this machine has none"
    );
}

#[test]
fn devices_that_are_assigned_twice() {
    let with = |name, devices| partition(name).with("devices", Text(devices));
    assert_eq!(
        fault(with("one", &["/pl031@9010000", "rtc0"])),
        ": devices = \"rtc0\" is already given to /partitions/one"
    );
    assert_eq!(
        refusal(&system([with("one", &["rtc0"]), with("two", &["/pl031@9010000"])])),
        "/partitions/two: devices = \"/pl031@9010000\" is already given to /partitions/one"
    );
    assert_eq!(
        refusal(&system([with("one", &["/left@b000000"]), with("two", &["/right@b000100"])])),
        "/partitions/one: devices = \"/left@b000000\" shares a page with /right@b000100, at \
         0x0b000100-0x0b0001ff: give both to the same partition"
    );
    assert_eq!(
        refusal(&system([
            with("one", &["/left@b000000", "/right@b000100"]),
            with("two", &["/shares@b001000"])
        ])),
        "/partitions/one: devices = \"/left@b000000\" raises interrupt 60, which \
         /shares@b001000 of /partitions/two raises too"
    );
}
