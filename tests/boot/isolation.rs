//! What a guest does wrong stays inside its partition.

use std::time::Duration;

use crate::support::{Gic, Machine, Partition, SUCCESS, compile, on_both_gics, system};

on_both_gics!(
    reading_outside_the_partition_is_an_abort,
    crash_of_a_guest_leaves_its_neighbour,
    spinning_guest_does_not_keep_its_neighbour_from_ending,
);

/// Memory of the machine that is not the partition's.
fn reading_outside_the_partition_is_an_abort(gic: Gic) {
    let guests = [
        Partition::new("prying", "hello").bootargs("poke=0x70000000"),
        Partition::new("neighbour", "hello").bootargs("ticks=50"),
    ];
    let outcome = Machine::new(gic).initrd(&compile(&system(&guests))).boot();
    outcome.ends_well().says("neighbour", "hello: done, ticks=50");
    // A data abort from the same level (class 0x25), 32-bit instruction, external (0x10).
    outcome.says("prying", "poke: 0x70000000 ESR 0x96000010, FAR 0x70000000");
    outcome.says("prying", "hello: done, ticks=10");
    let lines = outcome.of("bulkhead").with("prying").with("0x70000000").0.len();
    outcome.check(lines == 1, &format!("{lines} lines tell of the access, not 1"));
}

fn crash_of_a_guest_leaves_its_neighbour(gic: Gic) {
    let guests = [
        Partition::new("crashing", "hello").bootargs("crash"),
        Partition::new("neighbour", "hello").bootargs("ticks=50"),
    ];
    let outcome = Machine::new(gic).initrd(&compile(&system(&guests))).boot();
    outcome
        .ends_with(SUCCESS)
        .says("crashing", "PANIC: synchronous exception on CPU 0: ESR 0x2000000");
    outcome.says("bulkhead", "crashing: powered off");
    outcome.says("neighbour", "hello: done, ticks=50");
}

fn spinning_guest_does_not_keep_its_neighbour_from_ending(gic: Gic) {
    let guests = [
        Partition::new("spinning", "hello").bootargs("loop"),
        Partition::new("neighbour", "hello").bootargs("ticks=50"),
    ];
    let machine = Machine::new(gic).initrd(&compile(&system(&guests)));
    let outcome = machine.unplug_after("neighbour: powered off", Duration::from_secs(2)).boot();
    outcome.was_unplugged().says("spinning", "hello: looping");
    outcome.says("neighbour", "hello: done, ticks=50");
    outcome.nobody_says("every partition has stopped");
}
