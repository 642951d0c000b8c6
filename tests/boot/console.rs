//! The console that partitions share.

use crate::support::{Gic, Machine, Partition, compile, on_both_gics, system};

on_both_gics!(lines_of_four_guests_at_once_are_whole, input_goes_to_the_first_partition);

/// Four guests print the same lines, some of them byte by byte, as fast as they can.
fn lines_of_four_guests_at_once_are_whole(gic: Gic) {
    let names = ["one", "two", "three", "four"];
    let description = compile(&system(&names.map(|name| Partition::new(name, "probe"))));
    let outcome = Machine::new(gic).initrd(&description).boot();
    outcome.ends_well();
    let first = outcome.of("one");
    outcome.check(first.0.len() > 60, "a guest prints fewer lines than it should");
    for name in names {
        outcome.check(outcome.of(name) == first, &format!("[{name}] and [one] print differently"));
    }
    let named = |line: &&str| line.starts_with('[') || line.is_empty();
    let whole = outcome.lines().0.iter().all(named);
    outcome.check(whole, "a line does not begin with the name of its source");
}

fn input_goes_to_the_first_partition(gic: Gic) {
    let guests = ["listening", "untouched"].map(|it| Partition::new(it, "probe").bootargs("echo"));
    let description = compile(&system(&guests));
    let machine = Machine::new(gic).initrd(&description);
    let machine =
        machine.type_after("[listening] probe: waiting for a line", "only for the first one\r");
    let machine = machine.unplug_after("listening: powered off", std::time::Duration::from_secs(1));
    let outcome = machine.boot();
    outcome
        .was_unplugged()
        .says("listening", "only for the first one")
        .says("listening", ", 0 failed");
    outcome.check(
        outcome.of("untouched").with("only for").is_empty(),
        "the second partition gets what was typed for the first",
    );
}
