//! Refused disks.

use super::super::disks::{data, disks, same, virtio, zeros};
use super::*;

/// Returns the refusal of a partition with these disks, without the path of the node `disks`.
fn refused(list: impl IntoIterator<Item = Spec>) -> String {
    let sentence = fault(one().child(disks(list)));
    sentence.strip_prefix("/disks").unwrap().to_string()
}

#[test]
fn disks_with_wrong_names_or_too_many() {
    let like = "1 to 15 letters, digits, hyphens and underscores";
    assert_eq!(
        refused([zeros("root@1", 2)]),
        std::format!("/root@1: name = \"root@1\" is not {like}")
    );
    assert_eq!(
        refused([zeros("sixteen-letters-", 2)]),
        std::format!("/sixteen-letters-: name = \"sixteen-letters-\" is not {like}")
    );
    assert_eq!(
        refused([zeros("root", 2), zeros("root", 2)]),
        "/root: name = \"root\" is already given to another disk"
    );
    let names: Vec<_> = (0..65).map(|number| std::format!("disk{number}")).collect();
    let names = names.into_iter().map(|name| &*name.leak());
    assert_eq!(
        refused(names.map(|name| zeros(name, 2))),
        "/disk64 is one disk too many: a partition has at most 64"
    );
}

#[test]
fn disks_without_contents_or_with_several() {
    assert_eq!(
        refused([Spec::new("root")]),
        "/root: data is missing: give data = /incbin/(\"file\"), or size = <0x0 0x8000000> for \
         zeros, or same-as"
    );
    assert_eq!(
        refused([data("root", 1).with("size", Cells(&[0, 0x20_0000]))]),
        "/root: data and size are both present: give only one of them"
    );
    assert_eq!(
        refused([data("root", 1).with("reg", Cells(&[0, 0x5000_0000, 0, 1]))]),
        "/root: data and reg are both present: give only one of them"
    );
    assert_eq!(
        refused([zeros("root", 2).with("same-as", Text(&["one/root"]))]),
        "/root: size and same-as are both present: give only one of them"
    );
    assert_eq!(
        refused([data("root", 0)]),
        "/root: data (0 bytes) is empty: give at least one byte"
    );
    assert_eq!(
        refused([Spec::new("root").with("reg", Cells(&[0, 0x1000, 0, 0x1000]))]),
        "/root: reg = <0x0 0x1000 0x0 0x1000> is not the start of 4 KiB of memory"
    );
}

#[test]
fn disks_with_wrong_properties() {
    assert_eq!(
        refused([data("root", 1).with("readonly", Nothing)]),
        "/root has an unknown property \"readonly\"; the nearest name is \"read-only\""
    );
    assert_eq!(
        refused([data("root", 1).with("read-only", Cells(&[1]))]),
        "/root: read-only (4 bytes) is not a property without a value"
    );
    assert_eq!(
        refused([data("root", 1).child(Spec::new("part"))]),
        "/root/part is an unknown node: its parent has no child nodes"
    );
    assert_eq!(
        fault(one().child(disks([]).with("count", Cells(&[1])))),
        "/disks has an unknown property \"count\"; the nearest name is \"phandle\""
    );
    assert_eq!(
        refused([zeros("scratch", 2).with("read-only", Nothing)]),
        "/scratch: read-only is for a disk with data: this one would stay zeros"
    );
    assert_eq!(
        refused([zeros("scratch", 2).with("interface", Text(&["virtio-blk"]))]),
        "/scratch: interface = \"virtio-blk\" is neither \"pmem\", the default, nor \"virtio\""
    );
}

#[test]
fn disks_of_wrong_sizes() {
    for (cells, value) in [
        (Cells(&[0, 0]), "<0x0 0x0>"),
        (Cells(&[0, 0x10_0000]), "<0x0 0x100000>"),
        (Cells(&[1, 0x20_0001]), "<0x1 0x200001>"),
    ] {
        assert_eq!(
            refused([Spec::new("scratch").with("size", cells)]),
            std::format!("/scratch: size = {value} is not a multiple of 2 MiB, 0x200000")
        );
    }
    assert_eq!(
        refused([Spec::new("scratch").with("size", Cells(&[0x20_0000]))]),
        "/scratch: size (4 bytes) is not the bytes in two cells, as in <0x0 0x8000000>"
    );
    assert_eq!(
        refused([zeros("scratch", 2048)]),
        "/scratch: size = <0x0 0x80000000> does not fit beside the partitions: the largest disk \
         that does is 1918 MiB"
    );
    let all = Cells(&[0xffff_ffff, 0xffe0_0000]);
    assert_eq!(
        refused([Spec::new("scratch").with("size", all)]),
        "/scratch: size = <0xffffffff 0xffe00000> does not fit beside the partitions: the largest \
         disk that does is 1918 MiB"
    );
}

#[test]
fn disks_that_no_guest_address_is_left_for() {
    let one = one().with("guest-base", Cells(&[0x7f, 0xf000_0000]));
    assert_eq!(
        fault(one.child(disks([zeros("scratch", 2)]))),
        "/disks/scratch (2 MiB) does not fit between 0x7ff0000000-0x7ff0ffffff and the last guest \
         address, 0x7fffffffff: give a lower guest-base"
    );
}

/// The shared disk lies in memory at the address of an emulated device.
#[test]
fn disks_that_unprotected_dma_leaves_no_choice() {
    let mut machine = machine(gic_v2());
    machine.console = None;
    machine.memory = vec![region(0x900_0000, 2 * MIB), region(0x5000_0000, 256 * MIB)];
    let root = data("root", 1).with("read-only", Nothing);
    let one = partition("one").child(disks([root]));
    let two = partition("two").with("dma", Text(&["unprotected"]));
    assert_eq!(
        refusal_on(&machine, &system([one, two.child(disks([same("root", "one/root")]))])),
        "/partitions/two/disks/root (2 MiB) overlaps its PL011, which the guest sees at \
         0x09000000-0x09000fff"
    );
}

#[test]
fn disks_that_are_the_same_as_none() {
    assert_eq!(
        refused([same("root", "two/root")]),
        "/root: same-as = \"two/root\" is no disk: no partition has one with data and read-only"
    );
    let root = || data("root", 1).with("read-only", Nothing);
    assert_eq!(
        refused([root(), same("copy", "one/rot")]),
        "/copy: same-as = \"one/rot\" is no disk; the nearest that can be shared is \"one/root\""
    );
    for (other, name) in [
        (data("other", 1), "one/other"),
        (zeros("other", 2), "/partitions/one/disks/other"),
        (same("other", "one/root"), "one/other"),
    ] {
        assert_eq!(
            refused([same("copy", name), other, root()]),
            std::format!(
                "/copy: same-as = \"{name}\" is not a disk that can be shared: name one with data \
                 and read-only"
            )
        );
    }
    assert_eq!(
        refused([same("root", "one/root")]),
        "/root: same-as = \"one/root\" is not a disk that can be shared: name one with data and \
         read-only"
    );
    assert_eq!(
        refused([Spec::new("root").with("same-as", Cells(&[1]))]),
        "/root: same-as (4 bytes) is not a string"
    );
}

#[test]
fn disks_by_virtio_that_no_interrupt_is_left_for() {
    let mut machine = machine(gic_v2());
    machine.free_interrupts = 100..101;
    let list = [virtio(zeros("one", 2)), virtio(zeros("two", 2))];
    assert_eq!(
        refusal_on(&machine, &system([one().child(disks(list))])),
        "/partitions/one/disks/two: interface = \"virtio\", but no SPIs above those of the \
         machine's devices are left: give \"pmem\""
    );
}

#[test]
fn too_many_disks_by_virtio() {
    let names: Vec<_> = (0..17).map(|number| &*std::format!("disk{number}").leak()).collect();
    let list = names.into_iter().map(|name| virtio(zeros(name, 2)));
    assert_eq!(
        refused(list),
        "/disk16: interface = \"virtio\" is one device too many: a partition has at most 16, links \
         and its console among them"
    );
}
