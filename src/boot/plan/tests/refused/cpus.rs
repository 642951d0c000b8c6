//! Refused CPUs.

use super::*;

#[test]
fn counts_of_cpus() {
    assert_eq!(
        fault(one().without("cpus")),
        ": cpus is missing: give how many, as in <1>, or cpu-ids, as in <0x0 0x1>"
    );
    assert_eq!(
        fault(one().with("cpu-ids", Cells(&[1]))),
        ": cpus and cpu-ids are both present: give only one of them"
    );
    assert_eq!(fault(one().with("cpus", Cells(&[0]))), ": cpus = <0> is empty: give at least one");
    assert_eq!(
        fault(one().with("cpus", Cells(&[5]))),
        ": cpus = <5> is more than the CPUs that are left: 4 of 4"
    );
    let three = partition("three").with("cpus", Cells(&[3]));
    let two = partition("two").with("cpus", Cells(&[2]));
    assert_eq!(
        refusal(&system([three, two])),
        "/partitions/two: cpus = <2> is more than the CPUs that are left: 1 of 4"
    );
}

#[test]
fn cpu_ids_that_are_not_free() {
    let ids = |name, ids| partition(name).without("cpus").with("cpu-ids", Cells(ids));
    assert_eq!(fault(ids("one", &[])), ": cpu-ids is empty: give at least one");
    assert_eq!(
        fault(ids("one", &[4])),
        ": cpu-ids = <0x4> is not a CPU of this machine, which has 0x0 0x1 0x2 0x3"
    );
    assert_eq!(fault(ids("one", &[1, 1])), ": cpu-ids = <0x1> is already given to /partitions/one");
    assert_eq!(
        refusal(&system([ids("one", &[2]), ids("two", &[0, 2])])),
        "/partitions/two: cpu-ids = <0x2> is already given to /partitions/one"
    );
    let mut machine = machine(gic_v2());
    machine.cpus[0].start = CpuStart::Unknown;
    machine.cpus[1].start = CpuStart::Unknown;
    assert!(plan_on(&machine, &system([ids("boot", &[0])])).is_ok());
    assert_eq!(
        refusal_on(&machine, &system([ids("one", &[1])])),
        "/partitions/one: cpu-ids = <0x1> cannot be started: its enable-method is neither \"psci\" \
         nor a usable \"spin-table\""
    );
    assert_eq!(
        refusal_on(&machine, &system([one().with("cpus", Cells(&[4]))])),
        "/partitions/one: cpus = <4> is more than the CPUs that are left: 3 of 3"
    );
}

#[test]
fn a_console_cpu_that_cannot_be_used() {
    let with = |cells| system([one()]).with("console-cpu", Cells(cells));
    assert_eq!(
        refusal(&with(&[9])),
        "/: console-cpu = <0x9> is not a CPU of this machine, which has 0x0 0x1 0x2 0x3"
    );
    let like = "one cell, Aff2 to Aff0, as in <0x3>";
    for (cells, bytes) in [(&[][..], 0), (&[1, 2], 8), (&[0x100_0000], 4)] {
        let sentence = std::format!("/: console-cpu ({bytes} bytes) is not {like}");
        assert_eq!(refusal(&with(cells)), sentence);
    }
    let mut machine = machine(gic_v2());
    machine.cpus[3].start = CpuStart::Unknown;
    assert_eq!(
        refusal_on(&machine, &with(&[3])),
        "/: console-cpu = <0x3> cannot be started: its enable-method is neither \"psci\" nor a \
         usable \"spin-table\""
    );
}

#[test]
fn more_vcpus_than_the_gic_serves() {
    for (gic, most) in [(gic_v2(), 8), (gic_v3(), 123)] {
        let mut machine = machine(gic);
        machine.cpus = (0..130)
            .map(|number| MachineCpu { mpidr: Mpidr::new(number), ..machine.cpus[0].clone() })
            .collect();
        let nine = system([one().with("cpus", Cells(&[124]))]);
        assert_eq!(
            refusal_on(&machine, &nine),
            std::format!(
                "/partitions/one: cpus = <124> is more than the {most} CPUs that a partition can \
                 have here"
            )
        );
    }
}
