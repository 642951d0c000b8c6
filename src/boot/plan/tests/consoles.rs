//! Consoles by virtio.

use std::vec::Vec;

use super::disks::{disks, virtio, zeros};
use super::links::{link, linked, machine_with_spis};
use super::*;
use crate::boot::guest_tree;
use crate::boot::report::report;
use crate::devices::planned::{MAX_LINKS, MAX_VIRTIO_DEVICES};

const VIRTIO: Value = Text(&["virtio"]);

/// Two partitions with virtio consoles, of which the first has a link to a third, too.
fn consoles() -> Spec {
    let one = partition("one").with("console", VIRTIO);
    let partitions = [one, partition("two").with("console", VIRTIO), partition("three")];
    let links = Spec::new("links").child(link("tty", "console", &["one", "three"]));
    system(partitions).child(links)
}

#[test]
fn a_console_has_the_page_and_the_interrupt_after_those_of_links() {
    let machine = machine_with_spis(gic_v2(), 100..200);
    let plan = plan_on(&machine, &consoles()).unwrap();
    let consoles = plan.partitions.iter().map(|it| it.virtio_console.map(|it| it.intid.get()));
    assert_eq!(consoles.collect::<Vec<_>>(), [Some(101), Some(102), None]);
    for (partition, size) in plan.partitions.iter().zip([0x2000, 0x1000, 0x1000]) {
        let device = partition.device(DeviceKind::Virtio).unwrap();
        assert_eq!(device.registers, Region::new(Ipa::new(0xa00_0000), size).unwrap());
        assert!(partition.virtio_console.iter().all(|it| partition.interrupts.contains(it)));
    }
    assert!(plan.uses_virtio());
    let text = report(&machine, &plan);
    assert!(text.contains("\nconsoles    by virtio too: one (101), two (102)\n"), "{text}");
}

#[test]
fn without_links_a_console_uses_their_code_and_nothing_else_does() {
    let machine = machine_with_spis(gic_v2(), 100..200);
    let with = |one: Spec| plan_on(&machine, &system([one, partition("two")])).unwrap();
    assert!(with(partition("one").with("console", VIRTIO)).uses_virtio());
    let plan = with(partition("one"));
    assert!(!plan.uses_virtio() && plan.partitions[0].device(DeviceKind::Virtio).is_none());
    assert!(!report(&machine, &plan).contains("virtio"));
}

/// Linux numbers its consoles in the order of the nodes.
#[test]
fn the_node_of_a_console_comes_before_those_of_links() {
    let machine = machine_with_spis(gic_v3(), 100..200);
    let plan = plan_on(&machine, &consoles()).unwrap();
    let bare = Spec::new("").tree();
    let tree = guest_tree::build(&plan.partitions[0], &machine, &Tree::new(&bare).unwrap());
    let bytes = tree.unwrap().bytes;
    let tree = Tree::new(&bytes).unwrap();
    let names = tree.root().children().map(|node| node.name());
    let devices: Vec<_> = names.filter(|name| name.starts_with("virtio")).collect();
    assert_eq!(devices, ["virtio_mmio@a001000", "virtio_mmio@a000000"]);
    let node = tree.node("/virtio_mmio@a001000").unwrap();
    assert_eq!(node.property("label").unwrap().as_str(), Some("console"));
    let cells: Vec<_> = node.property("interrupts").unwrap().cells().unwrap().collect();
    assert_eq!(cells, [0, 69, 1]);
    let stdout = tree.node("/chosen").unwrap().property("stdout-path").unwrap();
    assert_eq!(stdout.as_str(), Some("/pl011@9000000"));
}

/// A partition with a console has room for one disk by virtio less.
#[test]
fn a_console_has_the_page_after_those_of_disks_and_the_first_node() {
    let machine = machine_with_spis(gic_v3(), 100..200);
    let names = (0..MAX_VIRTIO_DEVICES).map(|it| &*std::format!("d{it}").leak());
    let all: Vec<_> = names.map(|name| virtio(zeros(name, 2))).collect();
    let with_disks = |disks_: &[Spec]| {
        let one = partition("one").with("console", VIRTIO);
        plan_on(&machine, &system([one.child(disks(disks_.to_vec()))]))
    };
    let plan = with_disks(&all[1..]).unwrap();
    let one = &plan.partitions[0];
    let registers = one.device(DeviceKind::Virtio).unwrap().registers;
    assert_eq!(registers, Region::new(Ipa::new(0xa00_0000), 0x1_0000).unwrap());
    assert_eq!(one.virtio_console.unwrap().intid.get(), 115);
    let bare = Spec::new("").tree();
    let bytes = guest_tree::build(one, &machine, &Tree::new(&bare).unwrap()).unwrap().bytes;
    let tree = Tree::new(&bytes).unwrap();
    let devices = tree.root().children().filter(|node| node.name().starts_with("virtio"));
    let labels = devices.filter_map(|node| node.property("label")?.as_str());
    let expected = (1..MAX_VIRTIO_DEVICES).map(|it| std::format!("d{it}"));
    let expected: Vec<_> = core::iter::once("console".into()).chain(expected).collect();
    assert_eq!(labels.collect::<Vec<_>>(), expected);
    assert_eq!(
        with_disks(&all).unwrap_err().to_string(),
        "/partitions/one/disks/d15: interface = \"virtio\" is one device too many: a partition has at most 16, links and its console among them"
    );
}

#[test]
fn consoles_that_are_wrong() {
    let refusal = |machine: &Machine, spec: &Spec| plan_on(machine, spec).unwrap_err().to_string();
    let machine = machine_with_spis(gic_v2(), 100..101);
    let other = system([partition("one").with("console", Text(&["pl011"]))]);
    assert_eq!(
        refusal(&machine, &other),
        "/partitions/one: console = \"pl011\" is not \"virtio\", the only value: leave it out for the PL011 alone"
    );
    let two = ["one", "two"].map(|name| partition(name).with("console", VIRTIO));
    assert_eq!(
        refusal(&machine, &system(two)),
        "/partitions/two: console = \"virtio\" needs an SPI above those of the machine's devices, and none is left: leave it out"
    );
    let names: Vec<&'static str> =
        (0..MAX_LINKS).map(|it| &*std::format!("l{it}").leak()).collect();
    let all: Vec<_> = names.iter().map(|name| link(name, "console", &["one", "two"])).collect();
    let with_console = |links: &[Spec]| {
        let links = Spec { children: links.to_vec(), ..Spec::new("links") };
        let one = partition("one").with("console", VIRTIO);
        system([one, partition("two")]).child(links)
    };
    let machine = machine_with_spis(gic_v2(), 100..200);
    assert!(plan_on(&machine, &with_console(&all[1..])).is_ok());
    assert_eq!(
        refusal(&machine, &with_console(&all)),
        "/links/l15: partitions = \"one\" has more links than a partition can have beside a virtio console, 15"
    );
    assert!(plan_on(&machine, &linked(all)).is_ok(), "without a console there is room");
}
