//! Plans of valid descriptions.

use core::slice;

use super::*;
use crate::partition::lifecycle::OnCrash;

#[test]
fn a_flat_binary_is_placed_at_the_default_offset() {
    let plan = plan(&system([partition("one")]));
    let one = &plan.partitions[0];
    assert_eq!((one.name.as_str(), one.vmid, &one.cpus[..]), ("one", 1, &[0][..]));
    assert_eq!(one.memory.guest.start(), Ipa::new(0x4000_0000));
    assert_eq!(Bytes(one.memory.guest.size()).to_string(), "16 MiB");
    assert_eq!(one.memory.host, region(0x4040_0000, 16 * MIB));
    assert_eq!(one.kernel.load.start(), Ipa::new(0x4008_0000));
    assert_eq!(one.tree.start(), Ipa::new(0x40ff_0000));
    assert!(one.kernel.source.start() > BASE);
    assert_eq!(one.kernel.source.size(), 0x1000);
}

#[test]
fn the_console_gets_the_first_cpu_that_is_left_and_can_be_started() {
    let mut machine = machine(gic_v2());
    let console = |machine: &Machine, system: &Spec| plan_on(machine, system).unwrap().console_cpu;
    let all = system([partition("one").with("cpus", Cells(&[4]))]);
    let first = system([partition("one").without("cpus").with("cpu-ids", Cells(&[0]))]);
    let last = system([partition("one").without("cpus").with("cpu-ids", Cells(&[3]))]);
    assert_eq!(console(&machine, &all), None);
    assert_eq!(console(&machine, &first), Some(1));
    // The boot CPU, which runs already.
    assert_eq!(console(&machine, &last), Some(0));
    machine.cpus[1].start = CpuStart::Unknown;
    assert_eq!(console(&machine, &first), Some(2));
    // Without firmware that can be called, the boot CPU or one at a spin table.
    machine.psci = Some(Conduit::Hvc);
    assert_eq!(console(&machine, &first), None);
    assert_eq!(console(&machine, &last), Some(0));
    machine.cpus[3].start = CpuStart::SpinTable(Pa::new(0x1000));
    assert_eq!(console(&machine, &first), Some(3));
}

#[test]
fn the_console_gets_the_cpu_that_is_named_for_it() {
    let machine = machine(gic_v2());
    for (id, cpu) in [(&[2], 2), (&[0], 0)] {
        let system = system([partition("one")]).with("console-cpu", Cells(id));
        assert_eq!(plan_on(&machine, &system).unwrap().console_cpu, Some(cpu));
    }
}

#[test]
fn images_stay_in_the_description() {
    let kernel = [7; 3];
    let system = system([partition("one").child(image("kernel", &kernel))]);
    let source = plan(&system).partitions[0].kernel.source;
    let offset = (source.start().get() - BASE.get()) as usize;
    assert_eq!(system.tree()[offset..][..3], kernel);
    assert_eq!(source.size(), 3);
}

#[test]
fn an_arm64_image_is_placed_by_its_header() {
    let one = partition("one")
        .with("guest-base", Cells(&[0, 0x5000_1000]))
        .child(image("kernel", &arm64_header(0x1_0000, 0x20_0800, 0)))
        .child(image("ramdisk", &[1; 5]));
    let one = &plan(&system([one])).partitions[0];
    assert_eq!(one.kernel.load.start(), Ipa::new(0x5021_0000));
    assert_eq!(one.kernel.load.size(), 0x20_0800);
    let ramdisk = one.ramdisk.unwrap();
    assert_eq!(ramdisk.load, Region::new(Ipa::new(0x5100_0000), 5).unwrap());
    assert_eq!(one.tree.start(), Ipa::new(0x50ff_0000));
}

/// The addresses of the ramdisk and of the tree of a partition with this memory, in bytes.
fn high(memory: u64, properties: impl FnOnce(Spec) -> Spec, ramdisk: usize) -> (u64, u64) {
    let one = partition("one")
        .with("memory", Value::Bytes(Vec::from(memory.to_be_bytes())))
        .child(image("ramdisk", &vec![1; ramdisk]));
    let system = system([properties(one)]);
    let mut machine = machine(gic_v2());
    machine.memory = Vec::from([region(0x1_0000_0000, 48 << 30)]);
    let one = &plan_on(&machine, &system).unwrap().partitions[0];
    (one.ramdisk.unwrap().load.start().get(), one.tree.start().get())
}

#[test]
fn the_ramdisk_and_the_tree_are_as_high_as_the_boot_protocol_allows() {
    let same = |one| one;
    // A tiny partition, with no multiple of 64 KiB left above the kernel.
    assert_eq!(high(0xa_0000, same, 0x800), (0x4009_f000, 0x4007_0000));
    assert_eq!(high(0x20_0000, same, 0x1001), (0x401f_e000, 0x401e_0000));
    // The tree within 512 MiB from the start of the kernel, 0x40080000.
    assert_eq!(high(1 << 30, same, 1), (0x7fff_f000, 0x6007_0000));
    // The ramdisk within the 32 GiB from the kernel's multiple of 1 GiB on.
    assert_eq!(high(40 << 30, same, 1), (0x8_3fff_f000, 0x6007_0000));
    // Around a tree at a fixed offset, and below a kernel at the end of memory.
    let fixed = |one: Spec| one.with("fdt-offset", Cells(&[0xff_0000]));
    assert_eq!(high(16 * MIB, fixed, 0x1000), (0x40fe_f000, 0x40ff_0000));
    let late = |one: Spec| {
        one.child(image("kernel", &[0; 0x1000]).with("load-offset", Cells(&[0xff_f000])))
    };
    assert_eq!(high(16 * MIB, late, 0x1000), (0x40ff_e000, 0x40fe_0000));
}

#[test]
fn an_image_without_a_size_is_placed_at_the_old_offset() {
    let old = partition("one").child(image("kernel", &arm64_header(1, 0, 0)));
    let one = &plan(&system([old])).partitions[0];
    assert_eq!(one.kernel.load.start(), Ipa::new(0x4008_0000));
    assert_eq!(one.kernel.load.size(), 64);
}

#[test]
fn an_image_whose_header_is_overridden_is_a_flat_binary() {
    // As some kernels have it: the end of memory in place of a size, and an offset of another board.
    let header = arm64_header(0x4000_0000, 0x4010_0000, 0);
    let load = |kernel: Spec| {
        let one = &plan(&system([partition("one").child(kernel)])).partitions[0];
        (one.kernel.load.start(), one.kernel.load.size())
    };
    let flat = image("kernel", &header).with("flat", Nothing);
    assert_eq!(load(flat.clone()), (Ipa::new(0x4008_0000), 64));
    assert_eq!(load(flat.with("load-offset", Cells(&[0]))), (Ipa::new(0x4000_0000), 64));
}

#[test]
fn an_image_in_memory_stays_there() {
    let kernel = Spec::new("kernel@40400000").with("reg", Cells(&[0, 0x4040_0000, 0, 0x1001]));
    let one = partition("one").without("kernel").child(kernel);
    let one = &plan(&system([one])).partitions[0];
    assert_eq!(one.kernel.source, region(0x4040_0000, 0x1001));
    assert_eq!(one.kernel.load.size(), 0x2000);
    assert_eq!(one.memory.host.start(), Pa::new(0x4060_0000));
}

#[test]
fn named_cpus_are_assigned_before_counted_ones() {
    let two = partition("two").with("cpus", Cells(&[2]));
    let named = partition("named").without("cpus").with("cpu-ids", Cells(&[2, 0]));
    let plan = plan(&system([two, named]));
    assert_eq!(plan.partitions[0].cpus, [1, 3]);
    assert_eq!(plan.partitions[1].cpus, [2, 0]);
}

#[test]
fn memory_is_aligned_for_the_largest_leaves() {
    let small = partition("small").with("memory", Cells(&[0, 0x1000_0000]));
    let large = partition("large").with("memory", Cells(&[0, 0x4000_0000]));
    let plan = plan(&system([small, large]));
    let hosts = plan.partitions.iter().map(|one| one.memory.host.start().get());
    assert_eq!(hosts.collect::<Vec<_>>(), [0x4820_0000, 0x8000_0000]);
    // A root each; two tables for 2 MiB leaves, two for the page of GICV and what surrounds it.
    let tables = plan.partitions.iter().map(|one| one.tables).sum::<usize>();
    // Windows: a table of level 1 each, and one for 2 MiB leaves; for the kernels, down to pages.
    let windows = plan.partitions.iter().map(|one| one.window_tables);
    assert_eq!((tables, windows.collect::<Vec<_>>(), plan.image_tables), (7, vec![2, 1], 3));
    assert_eq!(plan.table_memory, region(0x4000_0000, (7 + 2 + 1 + 3) * 0x1000));
}

#[test]
fn a_host_base_is_placed_first() {
    let first = partition("first");
    let fixed = partition("fixed").with("host-base", Cells(&[0, 0x4040_0000]));
    let plan = plan(&system([first, fixed]));
    assert_eq!(plan.partitions[1].memory.host.start(), Pa::new(0x4040_0000));
    assert_eq!(plan.partitions[0].memory.host.start(), Pa::new(0x4140_0000));
}

#[test]
fn memory_for_unprotected_dma_is_identity_mapped() {
    let unprotected = partition("one").with("dma", Text(&["unprotected"]));
    for (base, expected) in
        [(None, 0x4040_0000), (Some("guest-base"), 0x5000_0000), (Some("host-base"), 0x5000_0000)]
    {
        let mut spec = unprotected.clone();
        if let Some(base) = base {
            spec = spec.with(base, Cells(&[0, 0x5000_0000]));
        }
        let one = &plan(&system([spec])).partitions[0];
        assert!(one.dma_unprotected);
        assert_eq!(one.memory.host.start().get(), expected);
        assert_eq!(one.memory.guest.start().get(), expected);
    }
}

#[test]
fn identity_mapped_memory_avoids_emulated_devices() {
    let mut machine = machine(gic_v2());
    machine.memory.insert(0, region(0x600_0000, 64 * MIB));
    let one = partition("one")
        .with("dma", Text(&["unprotected"]))
        .with("memory", Cells(&[0, 0x280_0000]));
    machine.devices.retain(|device| device.path.starts_with("/far"));
    let plan = plan_on(&machine, &system([one])).unwrap();
    // Not at 0x06000000, since the distributor is at 0x08000000.
    assert_eq!(plan.partitions[0].memory.host.start(), Pa::new(0x4040_0000));
}

#[test]
fn devices_are_mapped_in_whole_pages_once() {
    let devices = Text(&["/right@b000100", "rtc0", "/left@b000000"]);
    let plan = plan(&system([partition("one").with("devices", devices)]));
    let one = &plan.partitions[0];
    let mappings = one.mappings.clone().into_iter();
    let mappings: Vec<_> = mappings.map(|one| (one.ipa.get(), one.pa.get(), one.size)).collect();
    assert_eq!(
        mappings,
        [
            (0x801_0000, 0x804_0000, 0x1000),
            (0x901_0000, 0x901_0000, 0x1000),
            (0xb00_0000, 0xb00_0000, 0x1000),
            (0x4000_0000, 0x4040_0000, 16 * MIB),
        ]
    );
    let interrupts = one.interrupts.iter().map(|one| one.intid.get());
    assert_eq!(interrupts.collect::<Vec<_>>(), [34, 60, 61]);
    assert_eq!(emulated_interrupts(one), [33]);
}

#[test]
fn the_console_has_no_interrupt_of_a_device() {
    let mut machine = machine(gic_v3());
    machine.console = None;
    let devices = Text(&["/says-33@b002000", "rtc0"]);
    let plan = plan_on(&machine, &system([partition("one").with("devices", devices)]));
    assert_eq!(emulated_interrupts(&plan.unwrap().partitions[0]), [35]);
}

/// The kinds and the trapped registers of a partition's emulated devices.
fn emulated(one: &PartitionPlan) -> Vec<(DeviceKind, u64, u64)> {
    let device = |one: &PlannedDevice| (one.kind, one.trapped());
    let devices = one.devices.iter().map(device);
    devices.map(|(kind, region)| (kind, region.start().get(), region.size())).collect()
}

/// The INTIDs of a partition's emulated devices.
fn emulated_interrupts(one: &PartitionPlan) -> Vec<u32> {
    one.devices.iter().filter_map(|device| device.intid).map(Intid::get).collect()
}

#[test]
fn emulated_devices_are_those_of_the_interrupt_controller_and_a_console() {
    let two = system([partition("one").with("cpus", Cells(&[2]))]);
    for (gic, expected) in [
        (gic_v2(), (DeviceKind::CpuInterface, 0x801_1000, 0x1000)),
        (gic_v3(), (DeviceKind::Redistributors, 0x80a_0000, 0x4_0000)),
    ] {
        let plan = plan_on(&machine(gic), &two).unwrap();
        assert_eq!(
            emulated(&plan.partitions[0]),
            [
                (DeviceKind::Distributor, 0x800_0000, 0x1_0000),
                expected,
                (DeviceKind::Pl011, 0x900_0000, 0x1000),
            ]
        );
    }
}

fn everything_emulated(name: &'static str) -> Spec {
    partition(name).with("monitor", Nothing).with("watchdog-ms", Cells(&[2500]))
}

#[test]
fn a_monitor_and_a_watchdog_are_emulated_on_request() {
    let plan = plan(&system([partition("none"), everything_emulated("both")]));
    let [none, both] = &plan.partitions[..] else { unreachable!() };
    assert_eq!(none.devices.len(), 3);
    assert_eq!(none.watchdog_milliseconds(), None);
    assert_eq!(both.watchdog_milliseconds(), Some(2500));
    assert_eq!(
        emulated(both)[3..],
        [
            (DeviceKind::MonitorPl011, 0x904_0000, 0x1000),
            (DeviceKind::Watchdog { milliseconds: 2500 }, 0x90f_0000, 0x2000),
        ]
    );
    // All of them fit into the array that each trap searches.
    let trapped = TrappedRegisters::array(&both.devices);
    let trapped = trapped.map(|it| (it.kind, it.region.start().get(), it.region.size()));
    assert_eq!(trapped[..both.devices.len()], emulated(both)[..]);
}

#[test]
fn emulated_devices_have_interrupts_that_no_device_has() {
    let mut machine = machine(gic_v2());
    machine.console = None;
    for (devices, expected) in [
        (&["/pl061@9030000"][..], [33, 34, 35]),
        (&["rtc0"], [33, 35, 36]),
        (&["/says-33@b002000", "rtc0"], [35, 36, 37]),
    ] {
        let both = everything_emulated("both").with("devices", Text(devices));
        let plan = plan_on(&machine, &system([both])).unwrap();
        assert_eq!(emulated_interrupts(&plan.partitions[0]), expected);
    }
    let watched = partition("one").with("watchdog-ms", Cells(&[3_600_000]));
    let one = &plan(&system([watched])).partitions[0];
    assert_eq!(emulated_interrupts(one), [33, 34]);
    let watchdog = one.device(DeviceKind::Watchdog { milliseconds: 3_600_000 }).unwrap();
    assert_eq!(watchdog.intid, Intid::new(34));
}

#[test]
fn interrupts_for_direct_delivery_belong_to_one_partition() {
    let mut machine = machine(gic_v3());
    let end = 62;
    machine.free_interrupts = end..end + 7;
    machine.delivers_directly = true;
    let all = [everything_emulated("one"), everything_emulated("two"), partition("three")];
    let direct = all.clone().map(|one| one.with("interrupts", Text(&["direct"])));
    let interrupts = |partitions: &[PartitionPlan]| -> Vec<u32> {
        partitions.iter().flat_map(emulated_interrupts).collect()
    };
    let plan = plan_on(&machine, &system(direct)).unwrap();
    assert!(plan.partitions.iter().all(|one| one.delivery == Delivery::Direct));
    assert_eq!(interrupts(&plan.partitions), (end..end + 7).collect::<Vec<_>>());

    let trapped = all.clone().map(|one| one.with("interrupts", Text(&["trapped"])));
    for partitions in [all, trapped] {
        let plan = plan_on(&machine, &system(partitions)).unwrap();
        assert!(plan.partitions.iter().all(|one| one.delivery == Delivery::Trapped));
        assert_eq!(interrupts(&plan.partitions), [33, 34, 35, 33, 34, 35, 33]);
    }
}

#[test]
fn interrupts_are_trapped_unless_a_partition_is_alone() {
    let mut machine = machine(gic_v3());
    machine.free_interrupts = 100..102;
    machine.delivers_directly = true;
    let deliveries = |machine: &Machine, partitions: &[Spec]| {
        let plan = plan_on(machine, &system(partitions.iter().cloned())).unwrap();
        plan.partitions.iter().map(|one| one.delivery).collect::<Vec<_>>()
    };
    let (one, two) = (partition("one"), partition("two"));
    let direct = one.clone().with("interrupts", Text(&["direct"]));
    let trapped = one.clone().with("interrupts", Text(&["trapped"]));
    use Delivery::{Direct, Trapped};
    assert_eq!(deliveries(&machine, slice::from_ref(&one)), [Direct]);
    assert_eq!(deliveries(&machine, &[trapped]), [Trapped]);
    assert_eq!(deliveries(&machine, &[one.clone(), two.clone()]), [Trapped, Trapped]);
    assert_eq!(deliveries(&machine, &[direct, two]), [Direct, Trapped]);
    // A machine that cannot deliver interrupts directly, or not those of all emulated devices.
    for (free, directly) in [(100..100, true), (100..102, false)] {
        machine.free_interrupts = free;
        machine.delivers_directly = directly;
        assert_eq!(deliveries(&machine, slice::from_ref(&one)), [Trapped]);
    }
}

#[test]
fn crash_policies_are_those_of_the_description() {
    let plain = partition("plain");
    let stop = partition("stop").with("on-crash", Text(&["stop"]));
    let restart = partition("restart").with("on-crash", Text(&["restart"]));
    let most = partition("most").with("max-restarts", Cells(&[0]));
    let plan = plan(&system([plain, stop, restart, most]));
    let policies = plan.partitions.iter().map(|one| one.policy);
    let (stop, restart) = (OnCrash::Stop, OnCrash::Restart);
    let expected = [(stop, None), (stop, None), (restart, None), (stop, Some(0))];
    let expected = expected.map(|(on_crash, max_restarts)| Policy { on_crash, max_restarts });
    assert_eq!(policies.collect::<Vec<_>>(), expected);
}

#[test]
fn properties_that_dtc_adds_are_allowed() {
    let kernel = image("kernel", &[0]).with("linux,phandle", Cells(&[1]));
    let one = partition("one")
        .with("phandle", Cells(&[2]))
        .with("#address-cells", Cells(&[2]))
        .with("#size-cells", Cells(&[2]))
        .with("bootargs", Text(&["quiet"]))
        .with("fdt-offset", Cells(&[0]))
        .with("count-hypervisor", Nothing)
        .child(kernel);
    let system = system([one]).child(Spec::new("__symbols__"));
    let one = &plan(&system).partitions[0];
    assert_eq!(one.bootargs, "quiet");
    assert_eq!(one.tree.start(), Ipa::new(0x4000_0000));
    assert!(one.count_hypervisor);
}

#[test]
fn memory_that_a_tree_gives_to_bulkheads_registers_has_no_owner() {
    let mut machine = machine(gic_v2());
    let system = system([partition("one"), partition("two")]);
    let before = plan_on(&machine, &system).unwrap().partitions[0].memory.host;
    let Gic::V2 { virtual_cpu_interface, .. } = &mut machine.gic else { unreachable!() };
    *virtual_cpu_interface = region(before.start().get(), 0x2000);
    let plan = plan_on(&machine, &system).unwrap();
    for partition in &plan.partitions {
        assert!(!partition.memory.host.overlaps(&region(before.start().get(), 0x2000)));
    }
}
