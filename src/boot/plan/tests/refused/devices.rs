//! Devices that are refused.

use super::*;

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
fn devices_over_what_is_emulated_for_some() {
    let mut machine = machine(gic_v2());
    let monitor = "its monitor's PL011, which the guest has at 0x09040000-0x09040fff";
    let watchdog = "its watchdog, which the guest has at 0x090f0000-0x090f1fff";
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
            std::format!("/partitions/one: devices = \"{path}\" would cover {expected}")
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
    let plan = plan_on(&machine, &system([one.clone()])).unwrap();
    let console = plan.partitions[0].device(DeviceKind::Pl011).unwrap();
    assert_eq!(console.intid, Intid::new(1019));
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
