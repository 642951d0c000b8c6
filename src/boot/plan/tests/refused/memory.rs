//! Refused memory.

use super::*;

#[test]
fn memory_of_a_size_or_guest_base_that_is_impossible() {
    assert_eq!(
        fault(one().without("memory")),
        ": memory is missing: give the bytes in two cells, as in <0x0 0x1000000>"
    );
    assert_eq!(
        fault(one().with("memory", Cells(&[0, 0]))),
        ": memory = <0x0 0x0> is empty: give at least one page"
    );
    assert_eq!(
        fault(one().with("memory", Cells(&[0, 0x100_0800]))),
        ": memory = <0x0 0x1000800> is not a multiple of the page size, 0x1000"
    );
    assert_eq!(
        fault(one().with("memory", Cells(&[0, 0x8000_0000]))),
        ": memory = <0x0 0x80000000> does not fit: the largest free block is 1918 MiB"
    );
    assert_eq!(
        fault(one().with("guest-base", Cells(&[0, 0x4000_0800]))),
        ": guest-base = <0x0 0x40000800> is not a multiple of the page size, 0x1000"
    );
    assert_eq!(
        fault(one().with("guest-base", Cells(&[0x7f, 0xff80_0000]))),
        ": guest-base = <0x7f 0xff800000> ends past the last guest address, 0x7fffffffff"
    );
}

#[test]
fn memory_that_leaves_no_room_for_tables() {
    let mut machine = machine(gic_v2());
    machine.memory = vec![region(0x8000_0000, 16 * MIB)];
    assert_eq!(
        refusal_on(&machine, &system([one()])),
        "/partitions leaves no memory for the translation tables: 36 KiB are needed"
    );
}

#[test]
fn a_host_base_that_is_not_free_memory() {
    let at = |name, base| partition(name).with("host-base", Cells(base));
    assert_eq!(
        fault(at("one", &[0, 0x5000_0800])),
        ": host-base = <0x0 0x50000800> is not a multiple of the page size, 0x1000"
    );
    assert_eq!(
        fault(at("one", &[0, 0xbf80_0000])),
        ": host-base = <0x0 0xbf800000> is not the start of 16 MiB of memory"
    );
    assert_eq!(
        fault(at("one", &[0xffff_ffff, 0xffff_f000])),
        ": host-base = <0xffffffff 0xfffff000> is not the start of 16 MiB of memory"
    );
    assert_eq!(
        fault(at("one", &[0, 0x4000_0000])),
        ": host-base = <0x0 0x40000000> needs memory that is in use: 0x40200000-0x403fffff \
         belongs to Bulkhead"
    );
    assert_eq!(
        fault(at("one", &[0, 0x4800_0000])),
        ": host-base = <0x0 0x48000000> needs memory that is in use: 0x48000000-0x48001fff \
         belongs to /partitions/one/kernel"
    );
    assert_eq!(
        refusal(&system([at("one", &[0, 0x5000_0000]), at("two", &[0, 0x5080_0000])])),
        "/partitions/two: host-base = <0x0 0x50800000> needs memory that is in use: \
         0x50000000-0x50ffffff belongs to /partitions/one"
    );
}

#[test]
fn memory_that_overlaps_a_device() {
    assert_eq!(
        fault(
            one()
                .with("guest-base", Cells(&[0, 0x700_0000]))
                .with("memory", Cells(&[0, 0x100_1000]))
        ),
        ": guest-base = <0x0 0x7000000> overlaps its distributor, which the guest sees at \
         0x08000000-0x0800ffff"
    );
    assert_eq!(
        fault(
            one()
                .with("guest-base", Cells(&[0, 0x902_0000]))
                .with("devices", Text(&["/pl061@9030000"]))
        ),
        ": guest-base = <0x0 0x9020000> overlaps /pl061@9030000, which the guest sees at \
         0x09030000-0x09030fff"
    );
}

#[test]
fn memory_that_el2_cannot_map() {
    let mut machine = machine(gic_v2());
    machine.memory.push(region(1 << 39, 64 * MIB));
    let far = partition("one").with("host-base", Cells(&[0x80, 0]));
    assert_eq!(
        refusal_on(&machine, &system([far])),
        "/partitions/one: host-base = <0x80 0x0> is not the start of 16 MiB of memory"
    );
}
