//! Errors of a guest affect only its own partition.

use std::time::Duration;

use common::{Gic, Machine, Partition, SUCCESS, compile, on_both_gics, source};

on_both_gics!(
    reading_outside_the_partition_is_an_abort,
    crash_of_a_guest_does_not_affect_its_neighbour,
    spinning_guest_does_not_affect_its_neighbour,
);

/// The address is memory of the machine, but not of the partition.
fn reading_outside_the_partition_is_an_abort(gic: Gic) {
    let guests = [
        Partition::new("prying", "hello").bootargs("poke=0x70000000"),
        Partition::new("neighbour", "hello").bootargs("ticks=50"),
    ];
    let outcome = Machine::new(gic).initrd(&compile(&source(&guests))).boot();
    outcome.expect_success().expect_line("neighbour", "hello: done, ticks=50");
    // A data abort from the same level (class 0x25), 32-bit instruction, external (0x10).
    outcome.expect_line("prying", "poke: 0x70000000 ESR 0x96000010, FAR 0x70000000");
    outcome.expect_line("prying", "hello: done, ticks=10");
    let lines = outcome.of("bulkhead").containing("prying").containing("0x70000000").0.len();
    outcome.check(lines == 1, &format!("{lines} lines report the access, not 1"));
}

fn crash_of_a_guest_does_not_affect_its_neighbour(gic: Gic) {
    let guests = [
        Partition::new("crashing", "hello").bootargs("crash"),
        Partition::new("neighbour", "hello").bootargs("ticks=50"),
    ];
    let outcome = Machine::new(gic).initrd(&compile(&source(&guests))).boot();
    outcome
        .expect_status(SUCCESS)
        .expect_line("crashing", "PANIC: synchronous exception on CPU 0: ESR 0x2000000");
    outcome.expect_line("bulkhead", "crashing: powered off");
    outcome.expect_line("neighbour", "hello: done, ticks=50");
}

fn spinning_guest_does_not_affect_its_neighbour(gic: Gic) {
    let guests = [
        Partition::new("spinning", "hello").bootargs("loop"),
        Partition::new("neighbour", "hello").bootargs("ticks=50"),
    ];
    let machine = Machine::new(gic).initrd(&compile(&source(&guests)));
    let outcome = machine.kill_after("neighbour: powered off", Duration::from_secs(2)).boot();
    outcome.expect_killed().expect_line("spinning", "hello: looping");
    outcome.expect_line("neighbour", "hello: done, ticks=50");
    outcome.expect_no_line("every partition has stopped");
}
