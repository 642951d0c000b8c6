//! Every refusal, with its whole sentence.

mod copies;
mod cpus;
mod devices;
mod disks;
mod kernels;
mod memory;

use super::*;

fn refusal_on(machine: &Machine, system: &Spec) -> String {
    plan_on(machine, system).unwrap_err().to_string()
}

fn refusal(system: &Spec) -> String {
    refusal_on(&machine(gic_v2()), system)
}

/// Returns the refusal of the only partition, `/partitions/one`, without its path.
fn fault(partition: Spec) -> String {
    let sentence = refusal(&system([partition]));
    sentence.strip_prefix("/partitions/one").unwrap().to_string()
}

fn one() -> Spec {
    partition("one")
}

#[test]
fn bytes_that_are_not_a_description() {
    let refused = |bytes: &[u8]| PlanError::from(Tree::new(bytes).err().unwrap()).to_string();
    let tree = system([one()]).tree();
    assert_eq!(
        refused(&[0; 64]),
        "the system description is not a device tree: it starts with 0x00000000, not with \
         0xd00dfeed"
    );
    let size = tree.len();
    assert_eq!(
        refused(&tree[..size - 8]),
        std::format!(
            "the system description is truncated: {size} bytes are needed, {} are there",
            size - 8
        )
    );
}

#[test]
fn descriptions_of_another_kind() {
    let other = system([one()]).with("compatible", Text(&["xen,domain"]));
    assert_eq!(refusal(&other), "/: compatible = \"xen,domain\" is not \"bulkhead,system\"");
    assert_eq!(
        refusal(&system([one()]).without("compatible")),
        "/: compatible is missing: give \"bulkhead,system\""
    );
}

#[test]
fn names_of_partitions() {
    assert_eq!(
        refusal(&system([])),
        "/partitions has no partition: give each one a node below the node partitions"
    );
    assert_eq!(
        refusal(&system([]).without("partitions")),
        "/ has no partition: give each one a node below the node partitions"
    );
    assert_eq!(
        refusal(&system([partition("one@1")])),
        "/partitions/one@1: name = \"one@1\" is not 1 to 15 letters, digits, hyphens and \
         underscores"
    );
    assert_eq!(
        refusal(&system([partition("sixteen-letters-")])),
        "/partitions/sixteen-letters-: name = \"sixteen-letters-\" is not 1 to 15 letters, digits, \
         hyphens and underscores"
    );
    assert_eq!(
        refusal(&system([one(), one()])),
        "/partitions/one: name = \"one\" is already given to another partition"
    );
}

#[test]
fn unknown_properties_and_nodes() {
    assert_eq!(
        refusal(&system([one()]).child(Spec::new("partition"))),
        "/partition is an unknown node; the nearest name is \"partitions\""
    );
    assert_eq!(
        fault(one().with("memmory", Cells(&[1]))),
        " has an unknown property \"memmory\"; the nearest name is \"memory\""
    );
    assert_eq!(
        fault(one().child(Spec::new("ramdsk"))),
        "/ramdsk is an unknown node; the nearest name is \"ramdisk\""
    );
    assert_eq!(
        fault(one().child(image("kernel", &[0]).child(Spec::new("ramdisk")))),
        "/kernel/ramdisk is an unknown node: its parent has no child nodes"
    );
    assert_eq!(
        fault(one().child(image("kernel", &[0]).with("loadoffset", Cells(&[0])))),
        "/kernel has an unknown property \"loadoffset\"; the nearest name is \
         \"load-offset\""
    );
}

#[test]
fn values_of_the_wrong_type() {
    for (name, value, expected) in [
        ("cpus", Cells(&[1, 2]), ": cpus (8 bytes) is not one cell, as in <1>"),
        (
            "cpu-ids",
            Text(&["0"]),
            ": cpu-ids (2 bytes) is not one cell for each CPU, Aff2 to Aff0, as in <0x0 0x1>",
        ),
        (
            "memory",
            Cells(&[0x100_0000]),
            ": memory (4 bytes) is not two cells, as in <0x0 0x40000000>",
        ),
        ("devices", Cells(&[1]), ": devices (4 bytes) is not a list of strings"),
        ("bootargs", Cells(&[1]), ": bootargs (4 bytes) is not a string"),
        (
            "count-hypervisor",
            Cells(&[1]),
            ": count-hypervisor (4 bytes) is not a property without a value",
        ),
        ("monitor", Cells(&[1]), ": monitor (4 bytes) is not a property without a value"),
        ("on-crash", Nothing, ": on-crash (0 bytes) is not a string"),
        ("max-restarts", Cells(&[0, 1]), ": max-restarts (8 bytes) is not one cell, as in <1>"),
        ("watchdog-ms", Text(&["1"]), ": watchdog-ms (2 bytes) is not one cell, as in <1>"),
        ("dma", Text(&["yes"]), ": dma = \"yes\" is not \"unprotected\", the only value"),
        (
            "interrupts",
            Text(&["both"]),
            ": interrupts = \"both\" is neither \"trapped\" nor \"direct\"",
        ),
    ] {
        assert_eq!(fault(one().with(name, value)), expected);
    }
    assert_eq!(
        fault(one().child(Spec::new("kernel").with("reg", Cells(&[0, 1])))),
        "/kernel: reg (8 bytes) is not an address in two cells and a size in two cells"
    );
}

#[test]
fn direct_interrupts_that_the_machine_cannot_deliver() {
    let direct = || one().with("interrupts", Text(&["direct"]));
    let cannot = ": interrupts = \"direct\" needs a GICv3 with one Security state and no firmware \
                  at EL3: give \"trapped\"";
    assert_eq!(fault(direct()), cannot);
    let mut machine = machine(gic_v3());
    machine.free_interrupts = 100..102;
    machine.delivers_directly = true;
    let two = partition("two").with("watchdog-ms", Cells(&[1]));
    let two = two.with("interrupts", Text(&["direct"]));
    assert_eq!(
        refusal_on(&machine, &system([direct(), two])),
        "/partitions/two: interrupts = \"direct\" needs 2 SPIs above those of the machine's \
         devices, and 1 are left: give \"trapped\""
    );
}

#[test]
fn more_partitions_than_vmids() {
    let mut machine = machine(gic_v3());
    machine.cpus = vec![machine.cpus[0].clone(); 256];
    machine.memory = vec![region(0x4000_0000, 1 << 40)];
    let names = (0..256).map(|number| &*std::format!("p{number}").leak());
    assert_eq!(
        refusal_on(&machine, &system(names.map(partition))),
        "/partitions has more partitions than there are VMIDs, 255"
    );
}

#[test]
fn crash_policies_and_watchdog_times() {
    assert_eq!(
        fault(one().with("on-crash", Text(&["reboot"]))),
        ": on-crash = \"reboot\" is neither \"restart\" nor \"stop\""
    );
    for (milliseconds, value) in [("0", [0]), ("3600001", [3_600_001])] {
        assert_eq!(
            fault(one().with("watchdog-ms", Cells(value.to_vec().leak()))),
            std::format!(": watchdog-ms = <{milliseconds}> is not from 1 to 3600000, an hour")
        );
    }
}
