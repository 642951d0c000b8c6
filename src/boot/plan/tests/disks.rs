//! Plans of disks.

use super::*;
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
    assert_eq!(root.guest, guest(0x8000_0000, 2 * MIB));
    assert_eq!(own.guest, guest(0x8020_0000, 4 * MIB));
    assert_eq!(scratch.guest, guest(0x8060_0000, 8 * MIB));
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
        let (ipa, pa, size) = (disk.guest.start(), disk.host.start(), disk.host.size());
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
    assert_eq!(one.disks[1].guest, guest(0x8020_0000, 2 * MIB));
    assert_eq!(three.disks[0].guest, guest(0x1_4000_0000, 2 * MIB));
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
    assert_eq!(disks[0].guest, guest(0x8000_0000, 2 * MIB));
    assert_eq!(disks[1].guest, guest(0x8040_0000, 2 * MIB));
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
        assert_eq!(disk.guest.start().get(), disk.host.start().get());
    }
    assert_eq!(plan.partitions[0].disks[0].guest.start(), Ipa::new(0x8000_0000));
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
    assert_eq!(one.disks[0].guest.start().get(), place.start().get());
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
