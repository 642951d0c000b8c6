//! The ends of links, and refusals of links.

use std::vec::Vec;

use super::*;
use crate::boot::guest_tree;
use crate::boot::report::report;
use crate::devices::planned::MAX_LINKS;
use crate::virtio::personality::Personality;

pub(super) fn link(
    name: &'static str,
    kind: &'static str,
    partitions: &'static [&'static str],
) -> Spec {
    Spec::new(name)
        .with("type", Value::Bytes([kind.as_bytes(), b"\0"].concat()))
        .with("partitions", Text(partitions))
}

/// A description of three partitions with these links.
pub(super) fn linked(links: impl IntoIterator<Item = Spec>) -> Spec {
    let links = Spec { children: links.into_iter().collect(), ..Spec::new("links") };
    system(["one", "two", "three"].map(partition)).child(links)
}

/// A machine with these SPIs above those of its devices.
pub(super) fn machine_with_spis(gic: Gic, free: core::ops::Range<u32>) -> Machine {
    let mut machine = machine(gic);
    machine.free_interrupts = free;
    machine
}

pub(super) fn refusal(links: impl IntoIterator<Item = Spec>) -> String {
    let machine = machine_with_spis(gic_v2(), 100..200);
    plan_on(&machine, &linked(links)).unwrap_err().to_string()
}

#[test]
fn each_end_has_a_device_and_an_interrupt_of_its_own() {
    let lan = link("lan", "network", &["two", "one", "three"]);
    let plain = link("plain", "network", &["one", "two"])
        .with("mtu", Cells(&[9000]))
        .with("no-offload", Nothing);
    let links = [
        lan,
        plain,
        link("tty", "console", &["one", "three"]),
        link("rpc", "vsock", &["three", "two"]),
    ];
    let machine = machine_with_spis(gic_v2(), 100..200);
    let plan = plan_on(&machine, &linked(links)).unwrap();
    let ends = |partition: &PartitionPlan| -> Vec<_> {
        let end = |it: &LinkPort| (it.link, it.port, it.interrupt.unwrap().intid.get());
        partition.links.iter().map(end).collect()
    };
    let all: Vec<_> = plan.partitions.iter().map(ends).collect();
    assert_eq!(all[0], [(0, 1, 100), (1, 0, 101), (2, 0, 102)]);
    assert_eq!(all[1], [(0, 0, 103), (1, 1, 104), (3, 1, 105)]);
    assert_eq!(all[2], [(0, 2, 106), (2, 1, 107), (3, 0, 108)]);
    for partition in &plan.partitions {
        let edges = partition.links.iter().map(|it| it.interrupt.unwrap());
        assert!(edges.clone().all(|it| it.trigger == Trigger::Edge));
        assert!(edges.clone().all(|it| partition.interrupts.contains(&it)));
        let device = partition.device(DeviceKind::Virtio).unwrap();
        assert_eq!(device.registers, Region::new(Ipa::new(0xa00_0000), 0x3000).unwrap());
    }
    let personality =
        |partition: usize, end: usize| plan.partitions[partition].links[end].personality;
    let network = |mac, mtu, has_offloads| Personality::Network { mac, mtu, has_offloads };
    assert_eq!(personality(1, 0), network([2, b'b', b'k', 0, 0, 1], 0, true));
    assert_eq!(personality(2, 0), network([2, b'b', b'k', 0, 0, 3], 0, true));
    assert_eq!(personality(0, 1), network([2, b'b', b'k', 0, 1, 1], 9000, false));
    assert_eq!(personality(2, 1), Personality::Console);
    assert_eq!(personality(1, 2), Personality::Socket { cid: 4 });
    assert_eq!(plan.links[3].partitions, [2, 1]);
}

#[test]
fn guests_find_their_ends_by_the_links_names() {
    let links = [link("lan", "network", &["one", "two"]), link("rpc", "vsock", &["one", "two"])];
    let machine = machine_with_spis(gic_v3(), 100..200);
    let plan = plan_on(&machine, &linked(links)).unwrap();
    let bare = Spec::new("").tree();
    let tree = guest_tree::build(&plan.partitions[0], &machine, &Tree::new(&bare).unwrap());
    let bytes = tree.unwrap().bytes;
    let tree = Tree::new(&bytes).unwrap();
    for (path, label, spi) in
        [("/virtio_mmio@a000000", "lan", 68), ("/virtio_mmio@a001000", "rpc", 69)]
    {
        let node = tree.node(path).unwrap();
        assert!(node.is_compatible("virtio,mmio"));
        assert_eq!(node.property("label").unwrap().as_str(), Some(label));
        let cells: Vec<_> = node.property("interrupts").unwrap().cells().unwrap().collect();
        assert_eq!(cells, [0, spi, 1]);
        assert!(node.property("dma-coherent").is_some());
    }
    assert!(tree.node("/virtio_mmio@a002000").is_none());
}

#[test]
fn links_are_reported() {
    let links = [link("lan", "network", &["one", "two"]), link("rpc", "vsock", &["three", "two"])];
    let machine = machine_with_spis(gic_v3(), 100..200);
    let text = report(&machine, &plan_on(&machine, &linked(links)).unwrap());
    let lines: Vec<_> = text.lines().rev().take(3).collect();
    assert_eq!(
        lines,
        [
            "rpc              vsock    three (103), two (102)",
            "lan              network  one (100), two (101)",
            "link             type     partitions (interrupts)",
        ]
    );
}

#[test]
fn links_that_are_wrong() {
    let lan = || link("lan", "network", &["one", "two"]);
    for (spec, expected) in [
        (
            lan().without("type"),
            ": type is missing: give \"network\", \"console\", \"vsock\" or \"memory\"",
        ),
        (
            lan().with("type", Text(&["net"])),
            ": type = \"net\" is none of \"network\", \"console\", \"vsock\" and \"memory\"",
        ),
        (
            lan().without("partitions"),
            ": partitions has 0: give the names of at least two, as in \"linux\", \"control\"",
        ),
        (
            link("lan", "vsock", &["one"]),
            ": partitions has 1: give the names of at least two, as in \"linux\", \"control\"",
        ),
        (
            link("lan", "vsock", &["one", "tow"]),
            ": partitions = \"tow\" is not a partition; the nearest name is \"two\"",
        ),
        (
            link("lan", "vsock", &["one", "one"]),
            ": partitions = \"one\" is given twice: a link has one end in each",
        ),
        (
            link("lan", "console", &["one", "two", "three"]),
            ": partitions has 3, but a console has two ends",
        ),
        (lan().with("mtu", Cells(&[67])), ": mtu = <67> is not from 68 to 65535"),
        (lan().with("mtu", Cells(&[65536])), ": mtu = <65536> is not from 68 to 65535"),
        (
            link("lan", "vsock", &["one", "two"]).with("mtu", Cells(&[1500])),
            ": mtu is only for type = \"network\"",
        ),
        (
            link("lan", "console", &["one", "two"]).with("no-offload", Nothing),
            ": no-offload is only for type = \"network\"",
        ),
        (lan().with("size", Cells(&[0, 1])), ": size is only for type = \"memory\""),
        (
            lan().with("sise", Cells(&[0, 1])),
            " has an unknown property \"sise\"; the nearest name is \"size\"",
        ),
        (lan().child(Spec::new("port")), "/port is an unknown node: its parent has no child nodes"),
    ] {
        assert_eq!(refusal([spec]), std::format!("/links/lan{expected}"));
    }
    let like = "1 to 15 letters, digits, hyphens and underscores";
    assert_eq!(
        refusal([link("a.b", "vsock", &["one", "two"])]),
        std::format!("/links/a.b: name = \"a.b\" is not {like}")
    );
    assert_eq!(
        refusal([lan(), lan()]),
        "/links/lan: name = \"lan\" is already given to another link"
    );
}

#[test]
fn links_that_do_not_fit_the_machine() {
    let names: Vec<&'static str> =
        (0..MAX_LINKS + 1).map(|it| &*std::format!("l{it}").leak()).collect();
    let all = || names.iter().map(|name| link(name, "console", &["one", "two"]));
    assert_eq!(
        refusal(all()),
        "/links/l16: partitions = \"one\" has more links than a partition can have, 16"
    );
    let machine = machine_with_spis(gic_v2(), 100..103);
    let refusal = |spec: &Spec| plan_on(&machine, spec).unwrap_err().to_string();
    assert_eq!(
        refusal(&linked(all().take(2))),
        "/partitions/two has the link l1, but no SPIs above those of the machine's devices are left: give fewer links"
    );
    let taken = partition("one")
        .with("devices", Text(&["/virtio_mmio@a000000"]))
        .with("dma", Text(&["unprotected"]));
    let spec = linked(all().take(1));
    let partitions =
        Spec { children: std::vec![taken, partition("two")], ..Spec::new("partitions") };
    assert_eq!(
        refusal(&spec.child(partitions)),
        "/partitions/one: devices = \"/virtio_mmio@a000000\" overlaps its virtio devices, which the guest sees at 0x0a000000-0x0a000fff"
    );
}
