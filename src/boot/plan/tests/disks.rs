//! Plans of disks.

use super::*;
use crate::boot::guest_tree;
use crate::mm::tables::Attributes;

/// The node `disks` with these.
pub(super) fn disks(disks: impl IntoIterator<Item = Spec>) -> Spec {
    Spec { children: disks.into_iter().collect(), ..Spec::new("disks") }
}

/// A disk with this many bytes of data.
pub(super) fn data(name: &'static str, bytes: usize) -> Spec {
    image(name, &vec![1; bytes])
}

/// A disk of this many MiB of zeros.
pub(super) fn zeros(name: &'static str, mib: u64) -> Spec {
    let size = (mib * MIB).to_be_bytes();
    Spec::new(name).with("size", Value::Bytes(size.to_vec()))
}

/// A disk that is the same as another.
pub(super) fn same(name: &'static str, as_: &'static str) -> Spec {
    Spec::new(name).with("same-as", Text(core::slice::from_ref(Box::leak(Box::new(as_)))))
}

fn guest(start: u64, size: u64) -> Region<Ipa> {
    Region::new(Ipa::new(start), size).unwrap()
}

#[test]
fn disks_lie_above_the_memory_in_their_order() {
    let one = partition("one").child(disks([
        data("root", 0x1234).with("read-only", Nothing),
        data("own", 0x20_0001),
        zeros("scratch", 8),
    ]));
    let system = system([one]);
    let plan = plan(&system);
    let [root, own, scratch] = &plan.partitions[0].disks[..] else { panic!() };
    assert_eq!(root.guest(), Some(guest(0x8000_0000, 2 * MIB)));
    assert_eq!(own.guest(), Some(guest(0x8020_0000, 4 * MIB)));
    assert_eq!(scratch.guest(), Some(guest(0x8060_0000, 8 * MIB)));
    assert_eq!([&root.name, &own.name, &scratch.name], ["root", "own", "scratch"]);
    assert_eq!([root, own, scratch].map(|disk| disk.is_read_only), [true, false, false]);
    // The lowest memory that is left: that of the partition is at 0x40400000.
    assert_eq!(root.host, region(0x4000_0000, 2 * MIB));
    assert_eq!(own.host, region(0x4140_0000, 4 * MIB));
    assert_eq!(scratch.host, region(0x4180_0000, 8 * MIB));
    let bytes = system.tree();
    for (disk, size) in [(root, 0x1234), (own, 0x20_0001)] {
        let source = disk.source.unwrap();
        let offset = (source.start().get() - BASE.get()) as usize;
        assert_eq!(source.size(), size);
        assert!(bytes[offset..][..size as usize].iter().all(|byte| *byte == 1));
    }
    assert_eq!(scratch.source, None);
    for (disk, attributes) in [
        (root, Attributes::GUEST_READ_ONLY_DISK),
        (own, Attributes::GUEST_DISK),
        (scratch, Attributes::GUEST_DISK),
    ] {
        let (ipa, pa, size) = (disk.guest().unwrap().start(), disk.host.start(), disk.host.size());
        let mapping = Mapping { ipa, pa, size, attributes };
        assert!(plan.partitions[0].mappings.contains(&mapping), "{mapping:?}");
    }
}

#[test]
fn partitions_share_a_disk_that_is_named_or_labelled() {
    let root = || data("root", 1).with("read-only", Nothing);
    let one = partition("one").child(disks([same("a", "two/root"), same("b", "two/root")]));
    let two = partition("two").child(disks([zeros("scratch", 2), root()]));
    let three = partition("three")
        .with("guest-base", Cells(&[1, 0]))
        .child(disks([same("c", "/partitions/two/disks/root")]));
    let plan = plan(&system([one, two, three]));
    let [one, two, three] = &plan.partitions[..] else { panic!() };
    for disk in one.disks.iter().chain(&three.disks) {
        assert_eq!((disk.host, disk.same_as), (two.disks[1].host, Some((1, 1))));
        assert!(disk.is_read_only && disk.source.is_none() && disk.own_memory().is_none());
    }
    assert_eq!(two.disks[1].same_as, None);
    assert_eq!(two.disks[1].own_memory(), Some(two.disks[1].host));
    assert_eq!(one.disks[1].guest(), Some(guest(0x8020_0000, 2 * MIB)));
    assert_eq!(three.disks[0].guest(), Some(guest(0x1_4000_0000, 2 * MIB)));
}

#[test]
fn disks_avoid_devices() {
    let mut machine = machine(gic_v2());
    machine.devices.push(device("/high@80300000", (0x8030_0000, 0x1000), None));
    machine.memory = vec![region(0x4000_0000, 256 * MIB)];
    let one = partition("one").with("devices", Text(&["/high@80300000"]));
    let one = one.child(disks([zeros("first", 2), zeros("second", 2)]));
    let plan = plan_on(&machine, &system([one])).unwrap();
    let disks = &plan.partitions[0].disks;
    assert_eq!(disks[0].guest(), Some(guest(0x8000_0000, 2 * MIB)));
    assert_eq!(disks[1].guest(), Some(guest(0x8040_0000, 2 * MIB)));
}

/// Devices see physical addresses, so the guest must too.
#[test]
fn with_unprotected_dma_disks_are_at_their_physical_addresses() {
    let root = data("root", 1).with("read-only", Nothing);
    let one = partition("one").child(disks([root]));
    let two = partition("two").with("dma", Text(&["unprotected"]));
    let two = two.child(disks([same("root", "one/root"), zeros("scratch", 4)]));
    let plan = plan(&system([one, two]));
    for disk in &plan.partitions[1].disks {
        assert_eq!(disk.guest().unwrap().start().get(), disk.host.start().get());
    }
    assert_eq!(plan.partitions[0].disks[0].guest().unwrap().start(), Ipa::new(0x8000_0000));
}

/// The memory of the machine begins where emulated devices are.
#[test]
fn with_unprotected_dma_disks_avoid_emulated_devices() {
    let mut machine = machine(gic_v2());
    machine.memory = vec![region(0, 512 * MIB)];
    let one = partition("one").with("dma", Text(&["unprotected"]));
    let one = one.child(disks([zeros("large", 200)]));
    let plan = plan_on(&machine, &system([one])).unwrap();
    let one = &plan.partitions[0];
    let place = one.disks[0].host;
    assert_eq!(one.disks[0].guest().unwrap().start().get(), place.start().get());
    assert!(one.devices.iter().all(|device| {
        let registers = device.registers;
        !region(registers.start().get(), registers.size()).overlaps(&place)
    }));
}

#[test]
fn a_large_disk_has_leaves_of_1_gib() {
    let mut machine = machine(gic_v2());
    machine.memory = vec![region(0x4000_0000, 4096 * MIB)];
    let one = partition("one").child(disks([zeros("large", 1024)]));
    let plan = plan_on(&machine, &system([one])).unwrap();
    assert_eq!(plan.partitions[0].disks[0].host, region(0x8000_0000, 1024 * MIB));
    // The root, level 2 of the memory, and two of the CPU interface: none for the disk.
    assert_eq!(plan.partitions[0].tables, 4);
}

#[test]
fn a_disk_elsewhere_in_memory_is_an_image_that_is_closed() {
    let cells = Cells(&[0, 0x5000_0000, 0, 0x3000]);
    let root = Spec::new("root").with("reg", cells).with("read-only", Nothing);
    let plan = plan(&system([partition("one").child(disks([root]))]));
    let source = region(0x5000_0000, 0x3000);
    assert_eq!(plan.partitions[0].disks[0].source, Some(source));
    assert!(plan.images.contains(&source));
    assert!(!plan.partitions[0].disks[0].host.overlaps(&source));
}

/// A disk by virtio.
pub(super) fn virtio(disk: Spec) -> Spec {
    disk.with("interface", Text(&["virtio"]))
}

/// A machine with these SPIs above those of its devices.
fn machine_with_spis(gic: Gic, free: core::ops::Range<u32>) -> Machine {
    let mut machine = machine(gic);
    machine.free_interrupts = free;
    machine
}

#[test]
fn disks_by_virtio_are_devices_and_not_mapped() {
    let machine = machine_with_spis(gic_v2(), 100..200);
    let one = partition("one").child(disks([
        virtio(data("root", 0x1234).with("read-only", Nothing)),
        zeros("mapped", 2).with("interface", Text(&["pmem"])),
        virtio(zeros("scratch", 8)),
    ]));
    let two = partition("two").child(disks([virtio(same("copy", "one/root"))]));
    let plan = plan_on(&machine, &system([one, two])).unwrap();
    assert!(plan.uses_virtio());
    let [one, two] = &plan.partitions[..] else { panic!() };
    let [root, mapped, scratch] = &one.disks[..] else { panic!() };
    assert_eq!(mapped.guest(), Some(guest(0x8000_0000, 2 * MIB)), "the first that is memory");
    let copy = &two.disks[0];
    for (disk, of, intid) in [(root, one, 100), (scratch, one, 101), (copy, two, 102)] {
        assert_eq!(disk.guest(), None);
        let interrupt = disk.device().unwrap().interrupt.unwrap();
        assert_eq!((interrupt.intid.get(), interrupt.trigger), (intid, Trigger::Edge));
        assert!(of.interrupts.contains(&interrupt));
        // The root and one of level 2, which has leaves of 2 MiB.
        assert_eq!(disk.device().unwrap().window_tables, 2);
        let maps = |it: &Mapping| region(it.pa.get(), it.size).overlaps(&disk.host);
        assert!(!plan.partitions.iter().any(|it| it.mappings.iter().any(maps)));
    }
    assert_eq!((copy.host, copy.same_as), (root.host, Some((0, 0))));
    let registers = |of: &PartitionPlan| of.device(DeviceKind::Virtio).unwrap().registers;
    assert_eq!(registers(one), guest(0xa00_0000, 0x2000));
    assert_eq!(registers(two), guest(0xa00_0000, 0x1000));
    let tables = |it: &PartitionPlan| it.tables + it.window_tables + 2 * it.virtio_disks().count();
    let tables = tables(one) + tables(two) + plan.image_tables;
    assert_eq!(plan.table_memory.size(), 0x1000 * tables as u64);
}

/// The guest has no addresses of the disk, so these need not be free.
#[test]
fn with_unprotected_dma_disks_by_virtio_may_be_anywhere() {
    let mut machine = machine_with_spis(gic_v2(), 100..200);
    machine.memory = vec![region(0x900_0000, 2 * MIB), region(0x5000_0000, 256 * MIB)];
    machine.console = None;
    let one = partition("one").with("dma", Text(&["unprotected"]));
    let one = one.child(disks([virtio(zeros("scratch", 2))]));
    let plan = plan_on(&machine, &system([one])).unwrap();
    assert_eq!(plan.partitions[0].disks[0].host, region(0x900_0000, 2 * MIB));
}

/// A link's end comes first, then the disks.
#[test]
fn guests_find_disks_by_virtio_after_their_links() {
    let machine = machine_with_spis(gic_v3(), 100..200);
    let link =
        Spec::new("lan").with("type", Text(&["network"])).with("partitions", Text(&["one", "two"]));
    let one = partition("one").child(disks([virtio(zeros("scratch", 2))]));
    let links = Spec { children: vec![link], ..Spec::new("links") };
    let plan = plan_on(&machine, &system([one, partition("two")]).child(links)).unwrap();
    let bare = Spec::new("").tree();
    let built =
        guest_tree::build(&plan.partitions[0], &machine, &Tree::new(&bare).unwrap()).unwrap();
    let tree = Tree::new(&built.bytes).unwrap();
    for (path, label, spi) in
        [("/virtio_mmio@a000000", "lan", 68), ("/virtio_mmio@a001000", "scratch", 69)]
    {
        let node = tree.node(path).unwrap();
        assert!(node.is_compatible("virtio,mmio") && node.property("dma-coherent").is_some());
        assert_eq!(node.property("label").unwrap().as_str(), Some(label));
        let cells: Vec<_> = node.property("interrupts").unwrap().cells().unwrap().collect();
        assert_eq!(cells, [0, spi, 1]);
    }
    assert!(tree.node("/pmem@80000000").is_none());
}
