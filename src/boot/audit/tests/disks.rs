//! Disks: those that two partitions read, and nothing else, may have two owners.

use super::*;
use crate::boot::plan::tests::{Nothing, image};

/// The guest address of a partition's first disk.
const DISK: Ipa = Ipa::new(0x8000_0000);
/// S2AP\[1\].
const WRITE: u64 = 1 << 7;

fn disks(disks: impl IntoIterator<Item = Spec>) -> Spec {
    Spec { children: disks.into_iter().collect(), ..Spec::new("disks") }
}

/// Two partitions that share a disk behind one of each kind that they do not share.
fn benches() -> [Bench; 2] {
    [gic_v2(), gic_v3()].map(|gic| {
        let root = image("root", &[1]).with("read-only", Nothing);
        let own = image("own", &[2]).with("read-only", Nothing);
        let scratch = Spec::new("scratch").with("size", Cells(&[0, 0x40_0000]));
        let same = Spec::new("same").with("same-as", Text(&["one/root"]));
        let one = partition("one").child(disks([root, own, scratch]));
        let copy = image("copy", &[3]);
        let two = partition("two").child(disks([same, copy]));
        Bench::of(machine(gic), [one, two])
    })
}

#[test]
fn a_shared_disk_passes() {
    for (bench, of_gic) in benches().into_iter().zip([2, 0]) {
        let summary = bench.audit().unwrap();
        assert_eq!(summary.shared, 512);
        assert_eq!(summary.pages, 2 * 4096 + 6 * 512 + of_gic);
    }
}

#[test]
fn a_shared_disk_that_can_be_written_is_found() {
    for partition in 0..2 {
        for mut bench in benches() {
            *bench.leaf(partition, DISK) |= WRITE;
            bench.finds(": an address has attributes that it must not have, 0x80000000");
        }
    }
    // The Plan says so too.
    for partition in 0..2 {
        for mut bench in benches() {
            *bench.leaf(partition, DISK) |= WRITE;
            bench.plan.partitions[partition].disks[0].is_read_only = false;
            bench.finds("two: a disk is shared that must not be");
        }
    }
    for mut bench in benches() {
        for partition in 0..2 {
            *bench.leaf(partition, DISK) |= WRITE;
            bench.plan.partitions[partition].disks[0].is_read_only = false;
        }
        bench.finds("two: a disk is shared that must not be");
    }
}

#[test]
fn a_disk_that_can_be_executed_is_found() {
    for mut bench in benches() {
        *bench.leaf(0, DISK) &= !NO_EXECUTE;
        bench.finds("one: an address has attributes that it must not have, 0x80000000");
    }
}

#[test]
fn a_disk_that_is_shared_without_being_the_same_is_found() {
    for mut bench in benches() {
        bench.plan.partitions[1].disks[0].same_as = None;
        bench.finds("two: a page has two owners");
    }
    for wrong in [Some((0, 1)), Some((0, 2)), Some((0, 9)), Some((9, 0)), Some((1, 0))] {
        for mut bench in benches() {
            bench.plan.partitions[1].disks[0].same_as = wrong;
            bench.finds("two: a disk is shared that must not be");
        }
    }
}

#[test]
fn two_partitions_with_one_writable_disk_are_found() {
    for mut bench in benches() {
        let scratch = bench.plan.partitions[0].disks[2].host;
        let copy = &mut bench.plan.partitions[1].disks[1];
        copy.host = Region::new(scratch.start(), copy.host.size()).unwrap();
        let place = copy.guest().unwrap().start();
        let leaf = bench.leaf(1, place);
        *leaf = *leaf & !0x0000_ffff_ffff_f000 | scratch.start().get();
        bench.finds("two: a page has two owners");
    }
}

#[test]
fn a_disk_in_reserved_memory_or_at_an_image_is_found() {
    for mut bench in benches() {
        let root = bench.plan.partitions[0].disks[0].host;
        bench.machine.reserve(Region::new(root.start(), 1).unwrap(), "firmware");
        bench.finds("one: it reaches what is Bulkhead's or reserved");
    }
    for mut bench in benches() {
        let scratch = bench.plan.partitions[0].disks[2].host;
        bench.plan.partitions[1].disks[1].source = Region::new(scratch.start(), 8);
        bench.finds("one: it reaches what is Bulkhead's or reserved");
    }
}

/// Two partitions whose disks are by virtio: `own` of each, and `root` of the first, which the
/// second reads as memory.
fn virtio_benches() -> [Bench; 2] {
    [gic_v2(), gic_v3()].map(|gic| {
        let mut machine = machine(gic);
        machine.free_interrupts = 100..200;
        let virtio = |disk: Spec| disk.with("interface", Text(&["virtio"]));
        let own = || virtio(Spec::new("own").with("size", Cells(&[0, 0x20_0000])));
        let root = virtio(image("root", &[1]).with("read-only", Nothing));
        let same = Spec::new("same").with("same-as", Text(&["one/root"]));
        let mapped = Spec::new("mapped").with("size", Cells(&[0, 0x20_0000]));
        let one = partition("one").child(disks([own(), root]));
        let two = partition("two").child(disks([own(), same, mapped]));
        Bench::of(machine, [one, two])
    })
}

#[test]
fn disks_by_virtio_pass_and_are_not_mapped() {
    for (bench, of_gic) in virtio_benches().into_iter().zip([2, 0]) {
        let summary = bench.audit().unwrap();
        assert_eq!(summary.shared, 512);
        assert_eq!(summary.pages, 2 * 4096 + 2 * 512 + of_gic);
    }
}

#[test]
fn disks_by_virtio_that_a_partition_reaches_are_found() {
    // The second disk of `two` that is memory, in place of a disk by virtio of either.
    let place = Ipa::new(0x8020_0000);
    for (partition, disk) in [(0, 0), (0, 1), (1, 0)] {
        for mut bench in virtio_benches() {
            let host = bench.plan.partitions[partition].disks[disk].host;
            bench.plan.partitions[1].disks[2].host = host;
            let leaf = bench.leaf(1, place);
            *leaf = *leaf & !0x0000_ffff_ffff_f000 | host.start().get();
            bench.finds(": a page has two owners");
        }
    }
    // Where it has nothing: its own disk by virtio too.
    for mut bench in virtio_benches() {
        let host = bench.plan.partitions[1].disks[0].host.start().get();
        let leaf = *bench.leaf(1, place) & !0x0000_ffff_ffff_f000;
        *bench.leaf(1, Ipa::new(0x8040_0000)) = leaf | host;
        bench.finds("two: an address is mapped that the Plan does not give, 0x80400000");
    }
    // A disk that both are to share, but only one as the Plan says.
    for mut bench in virtio_benches() {
        bench.plan.partitions[0].disks[1].is_read_only = false;
        bench.finds("two: a disk is shared that must not be");
    }
}
