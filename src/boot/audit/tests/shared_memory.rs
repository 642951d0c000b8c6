//! Shared memory: exactly its partitions reach it.

use super::*;
use crate::boot::plan::tests::image;

/// The guest address of what a partition has first beside its memory.
const FIRST: Ipa = Ipa::new(0x8000_0000);

/// Three partitions. The first two share a page more than 4 MiB, and the first and the third a page;
/// each has a disk before that, which it can write.
fn benches() -> [Bench; 2] {
    [gic_v2(), gic_v3()].map(|gic| {
        let mut machine = machine(gic);
        machine.free_interrupts = 100..110;
        let names = ["one", "two", "three"];
        let partitions = names.map(|name| {
            let disk = image("own", &[1]);
            partition(name).child(Spec { children: [disk].into(), ..Spec::new("disks") })
        });
        let link = |name, size, partitions| {
            let link = Spec::new(name).with("type", Text(&["memory"]));
            link.with("size", Cells(size)).with("partitions", Text(partitions))
        };
        let frames = link("frames", &[0, 0x40_1000], &["one", "two"]);
        let page = link("page", &[0, 0x1000], &["three", "one"]);
        let links = Spec { children: [frames, page].into(), ..Spec::new("links") };
        Bench::of_system(machine, &system(partitions).child(links))
    })
}

/// Where the partitions have the memory that the first two share.
fn frames(bench: &Bench, partition: usize) -> Ipa {
    bench.plan.partitions[partition].shared_memory[0].place.guest.start()
}

/// Lets the leaf that maps this address lead elsewhere.
fn lead(bench: &mut Bench, partition: usize, input: Ipa, output: Pa) {
    let leaf = bench.leaf(partition, input);
    *leaf = *leaf & !0x0000_ffff_ffff_f000 | output.get();
}

#[test]
fn memory_that_its_partitions_reach_passes() {
    for (bench, of_gic) in benches().into_iter().zip([3, 0]) {
        let summary = bench.audit().unwrap();
        assert_eq!((summary.shared, summary.linked), (0, 1025 + 1));
        assert_eq!(summary.pages, 3 * (4096 + 512) + 2 * (1025 + 1) + of_gic);
        let text = std::format!("{summary}");
        assert!(text.ends_with(": each has one owner, but 1,026 are shared by links"), "{text}");
    }
    let all = Summary { pages: 9, tables: 9, partitions: 2, shared: 2, linked: 1 };
    assert!(
        std::format!("{all}")
            .ends_with("but 2 are shared and read-only, and 1 are shared by links")
    );
}

#[test]
fn a_third_partition_that_reaches_it_is_found() {
    // By its tables alone, in place of its own disk or beside it.
    for mut bench in benches() {
        let host = bench.plan.shared_memory[0].host.start();
        lead(&mut bench, 2, FIRST, host);
        bench.finds("three: an address leads to memory that the Plan does not say, 0x80000000");
    }
    // The Plan gives it too: as a disk, as its memory, and as a port of one more or of another's.
    for mut bench in benches() {
        let host = bench.plan.shared_memory[0].host.start();
        lead(&mut bench, 2, FIRST, host);
        let disk = &mut bench.plan.partitions[2].disks[0];
        disk.host = Region::new(host, disk.host.size()).unwrap();
        bench.finds(": a page has two owners");
    }
    for port in [0, 1, 2, 70] {
        for mut bench in benches() {
            let mut taken = bench.plan.partitions[1].shared_memory[0].clone();
            let own = &mut bench.plan.partitions[2];
            taken.port = port;
            taken.place.guest = own.disks[0].guest().unwrap();
            taken.place.host = Region::new(taken.place.host.start(), 0x20_0000).unwrap();
            own.disks.clear();
            own.shared_memory.push(taken.clone());
            lead(&mut bench, 2, FIRST, taken.place.host.start());
            bench.finds("one: memory is shared by other partitions than those that have a port");
        }
    }
}

#[test]
fn a_partition_that_has_other_memory_is_found() {
    for mut bench in benches() {
        let at = frames(&bench, 1);
        let own = bench.plan.partitions[1].memory.host.start();
        lead(&mut bench, 1, at, own);
        bench.finds("two: an address leads to memory that the Plan does not say");
    }
    for mut bench in benches() {
        let (at, end) = (frames(&bench, 1), Ipa::new(frames(&bench, 1).get() + 0x40_0000));
        *bench.leaf(1, end) = 0;
        bench.finds("two: addresses are missing, of bytes, 0x1000");
        bench.plan.partitions[1].shared_memory.clear();
        for leaf in [at, Ipa::new(at.get() + 0x20_0000)] {
            *bench.leaf(1, leaf) = 0;
        }
        bench.finds("one: memory is shared by other partitions than those that have a port");
    }
    // Another place for one of them, of which its tables know too.
    for mut bench in benches() {
        let at = frames(&bench, 1);
        let ram = bench.plan.partitions[1].memory.host;
        let port = &mut bench.plan.partitions[1].shared_memory[0];
        port.place.host = Region::new(ram.start(), port.place.host.size()).unwrap();
        for block in 0..2 {
            let offset = block * 0x20_0000;
            let output = Pa::new(ram.start().get() + offset);
            lead(&mut bench, 1, Ipa::new(at.get() + offset), output);
        }
        let end = Pa::new(ram.start().get() + 0x40_0000);
        lead(&mut bench, 1, Ipa::new(at.get() + 0x40_0000), end);
        bench.finds("one: memory is shared by other partitions than those that have a port");
    }
}

#[test]
fn shared_memory_that_is_executed_or_read_only_is_found() {
    for (wrong, bits) in [(NO_EXECUTE, "executed"), (1 << 7, "read-only")] {
        for partition in 0..2 {
            for mut bench in benches() {
                let at = frames(&bench, partition);
                *bench.leaf(partition, at) &= !wrong;
                let what = "an address has attributes that it must not have";
                assert!(bench.audit().unwrap_err().0.contains(what), "{bits}");
            }
        }
    }
}

#[test]
fn shared_memory_over_a_partitions_own_is_found() {
    for mut bench in benches() {
        let ram = bench.plan.partitions[2].memory.host.start();
        for (partition, port) in [(2, 0), (0, 1)] {
            let own = &mut bench.plan.partitions[partition].shared_memory[port];
            let at = own.place.guest.start();
            own.place.host = Region::new(ram, PAGE).unwrap();
            lead(&mut bench, partition, at, ram);
        }
        bench.finds("three: a page has two owners");
    }
}
