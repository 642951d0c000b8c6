//! Memory that partitions share, and refusals of it.

use std::vec::Vec;

use super::disks::{disks, zeros};
use super::links::{link, linked, machine_with_spis, refusal};
use super::*;
use crate::boot::guest_tree;
use crate::boot::report::report;
use crate::devices::planned::MAX_LINKS;
use crate::mm::tables::Attributes;

/// A link of `type = "memory"` between `one` and `two`.
fn memory(name: &'static str, size: &'static [u32]) -> Spec {
    link(name, "memory", &["one", "two"]).with("size", Cells(size))
}

/// Three partitions, of which the first has a disk, with this shared memory.
fn shared(links: impl IntoIterator<Item = Spec>) -> Spec {
    let one = partition("one").child(disks([zeros("scratch", 4)]));
    let partitions = [one, partition("two"), partition("three")];
    let partitions = Spec { children: partitions.into(), ..Spec::new("partitions") };
    linked(links).child(partitions)
}

#[test]
fn its_partitions_map_the_same_memory_and_nobody_executes_it() {
    let all = link("all", "memory", &["three", "one", "two"]).with("size", Cells(&[0, 0x3000]));
    let links = [all, link("lan", "network", &["one", "two"]), memory("frames", &[0, 0x40_1000])];
    let machine = machine_with_spis(gic_v2(), 100..200);
    let plan = plan_on(&machine, &shared(links)).unwrap();
    assert_eq!(plan.shared_memory[0].partitions, [2, 0, 1]);
    assert_eq!(plan.shared_memory[1].partitions, [0, 1]);
    assert_eq!(plan.links.len(), 1);
    let ends = |partition: &PartitionPlan| -> Vec<_> {
        let of = |it: &SharedMemoryPort| {
            let interrupt = it.interrupt.unwrap();
            assert_eq!(interrupt.trigger, Trigger::Edge);
            assert!(partition.interrupts.contains(&interrupt));
            let (guest, host) = (it.place.guest, it.place.host);
            assert_eq!(host, plan.shared_memory[it.memory].host);
            let attributes = Attributes::GUEST_DISK;
            let (ipa, pa, size) = (guest.start(), host.start(), host.size());
            assert!(partition.mappings.contains(&Mapping { ipa, pa, size, attributes }));
            (it.memory, it.port, it.ports, guest.start().get(), interrupt.intid.get())
        };
        partition.shared_memory.iter().map(of).collect()
    };
    let all: Vec<_> = plan.partitions.iter().map(ends).collect();
    // The disk of the first is at 0x80000000, and has 4 MiB.
    assert_eq!(all[0], [(0, 1, 3, 0x8040_0000, 101), (1, 0, 2, 0x8060_0000, 102)]);
    assert_eq!(all[1], [(0, 2, 3, 0x8000_0000, 104), (1, 1, 2, 0x8020_0000, 105)]);
    assert_eq!(all[2], [(0, 0, 3, 0x8000_0000, 106)]);
    for (partition, pages) in plan.partitions.iter().zip([2, 2, 1]) {
        let device = partition.device(DeviceKind::Doorbells).unwrap();
        assert_eq!(device.registers, Region::new(Ipa::new(0xa10_0000), pages * 0x1000).unwrap());
    }
    // One partition fills it with zeros: that of port 0.
    let fills = |it: &PartitionPlan| -> Vec<_> {
        it.shared_memory.iter().map(|port| port.own_memory().is_some()).collect()
    };
    let all: Vec<_> = plan.partitions.iter().map(fills).collect();
    assert_eq!(all, [&[false, true][..], &[false, false], &[true]]);
}

#[test]
fn with_unprotected_dma_it_is_at_its_physical_address() {
    let two = partition("two").with("dma", Text(&["unprotected"]));
    let partitions = Spec { children: [partition("one"), two].into(), ..Spec::new("partitions") };
    let machine = machine_with_spis(gic_v3(), 100..200);
    let spec = linked([memory("frames", &[0, 0x1000])]).child(partitions);
    let plan = plan_on(&machine, &spec).unwrap();
    let [one, two] = [0, 1].map(|it| plan.partitions[it].shared_memory[0].place);
    assert_eq!(two.guest.start().get(), two.host.start().get());
    assert_eq!((one.host, one.guest.start().get()), (two.host, 0x8000_0000));
}

#[test]
fn guests_find_it_reserved_with_its_doorbell() {
    let machine = machine_with_spis(gic_v3(), 100..200);
    let plan = plan_on(&machine, &linked([memory("frames", &[0, 0x3000])])).unwrap();
    let bare = Spec::new("").tree();
    let tree = guest_tree::build(&plan.partitions[1], &machine, &Tree::new(&bare).unwrap());
    let bytes = tree.unwrap().bytes;
    let tree = Tree::new(&bytes).unwrap();
    let node = tree.node("/reserved-memory/frames@80000000").unwrap();
    let cells = |node: crate::boot::fdt::Node<'_, '_>, name| -> Vec<u32> {
        node.property(name).unwrap().cells().unwrap().collect()
    };
    assert_eq!(cells(node, "reg"), [0, 0x8000_0000, 0, 0x3000]);
    assert!(node.property("no-map").is_some() && node.is_compatible("bulkhead,shared-memory"));
    let bell = tree.node("/doorbell@a100000").unwrap();
    assert!(bell.is_compatible("bulkhead,doorbell"));
    assert_eq!(cells(bell, "reg"), [0, 0xa10_0000, 0, 0x1000]);
    assert_eq!(cells(bell, "interrupts"), [0, 69, 1]);
    assert_eq!(cells(bell, "memory-region"), cells(node, "phandle"));
    assert_eq!(
        (cells(bell, "bulkhead,port"), cells(bell, "bulkhead,ports")),
        ([1].into(), [2].into())
    );
    for node in [node, bell] {
        assert_eq!(node.property("label").unwrap().as_str(), Some("frames"));
    }
    assert!(tree.node("/doorbell@a101000").is_none());
    let tree = guest_tree::build(&plan.partitions[2], &machine, &Tree::new(&bare).unwrap());
    let bytes = tree.unwrap().bytes;
    assert!(Tree::new(&bytes).unwrap().node("/reserved-memory").is_none());
}

#[test]
fn it_is_reported() {
    let machine = machine_with_spis(gic_v3(), 100..200);
    let plan = plan_on(&machine, &linked([memory("frames", &[0, 0x10_0000])])).unwrap();
    let text = report(&machine, &plan);
    let lines: Vec<_> = text.lines().rev().take(2).collect();
    let places = "one (100) at 0x80000000, two (101) at 0x80000000, 1 MiB at 0x40000000 physical";
    assert_eq!(
        lines,
        [
            &*std::format!("frames           memory   {places}"),
            "link             type     partitions (interrupts)",
        ]
    );
}

#[test]
fn shared_memory_that_is_wrong() {
    let frames = || memory("frames", &[0, 0x1000]);
    for (spec, expected) in [
        (
            frames().without("size"),
            ": size is missing: give the bytes in two cells, as in <0x0 0x100000>",
        ),
        (memory("frames", &[0, 0]), ": size = <0x0 0x0> is empty: give at least one page"),
        (
            memory("frames", &[0, 0x1800]),
            ": size = <0x0 0x1800> is not a multiple of the page size, 0x1000",
        ),
        (memory("frames", &[0x1000]), ": size (4 bytes) is not two cells, as in <0x0 0x40000000>"),
        (
            memory("frames", &[1, 0]),
            ": size = <0x1 0x0> does not fit beside the partitions: the largest that does is \
             1918 MiB",
        ),
        (
            frames().with("partitions", Text(&["one", "tow"])),
            ": partitions = \"tow\" is not a partition; the nearest name is \"two\"",
        ),
        (
            frames().with("partitions", Text(&["one"])),
            ": partitions has 1: give the names of at least two, as in \"linux\", \"control\"",
        ),
        (
            frames().with("partitions", Text(&["one", "one"])),
            ": partitions = \"one\" is given twice: a link has one end in each",
        ),
        (frames().with("mtu", Cells(&[1500])), ": mtu is only for type = \"network\""),
        (frames().with("no-offload", Nothing), ": no-offload is only for type = \"network\""),
        (
            frames().with("sizes", Nothing),
            " has an unknown property \"sizes\"; the nearest name is \"size\"",
        ),
    ] {
        assert_eq!(refusal([spec]), std::format!("/links/frames{expected}"));
    }
    let lan = link("frames", "network", &["one", "two"]);
    assert_eq!(
        refusal([lan, frames()]),
        "/links/frames: name = \"frames\" is already given to another link"
    );
}

#[test]
fn shared_memory_that_does_not_fit_the_machine() {
    let names: Vec<&'static str> =
        (0..MAX_LINKS + 1).map(|it| &*std::format!("m{it}").leak()).collect();
    let all = || names.iter().map(|name| memory(name, &[0, 0x1000]));
    assert_eq!(
        refusal(all()),
        "/links/m16: partitions = \"one\" has more shared memory than a partition can have, 16 links"
    );
    let machine = machine_with_spis(gic_v2(), 100..103);
    let refusal = |spec: &Spec| plan_on(&machine, spec).unwrap_err().to_string();
    assert_eq!(
        refusal(&linked(all().take(2))),
        "/partitions/two has the link m1, but no SPIs above those of the machine's devices are left: give fewer links"
    );
    let high = partition("two").with("guest-base", Cells(&[0x7f, 0xc000_0000]));
    let partitions = Spec { children: [partition("one"), high].into(), ..Spec::new("partitions") };
    assert_eq!(
        refusal(&linked(all().take(1)).child(partitions)),
        "/links/m0 (4 KiB) does not fit between 0x7fc0000000-0x7fc0ffffff and the last guest address, 0x7fffffffff: give a lower guest-base"
    );
}
