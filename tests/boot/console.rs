//! The console that partitions share.

use crate::support::{Gic, Machine, Partition, compile, on_both_gics, system};

on_both_gics!(lines_of_two_guests_at_once_are_whole, input_goes_to_the_first_partition);

/// Two guests print as fast as they can.
fn lines_of_two_guests_at_once_are_whole(gic: Gic) {
    const LINES: usize = 100;
    let names = ["one", "other"];
    let guests =
        names.map(|name| Partition::new(name, "hello").bootargs(&format!("lines={LINES}")));
    let outcome = Machine::new(gic).initrd(&compile(&system(&guests))).boot();
    outcome.ends_well();
    let line = |line| format!("hello: line {line} of {LINES}, with more behind it to make it long");
    let expected: Vec<_> = (1..=LINES).map(line).collect();
    for name in names {
        let printed = outcome.of(name).with("line");
        outcome.check(printed.0 == expected, &format!("[{name}]'s lines are not what it prints"));
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
        .says("listening", "ok uart-rx-interrupts")
        .says("listening", "ok uart-empty");
    // QEMU's GICv2 lets one CPU clear another's private interrupts, which two probes at once do.
    if gic == Gic::V3 {
        outcome.says("listening", ", 0 failed");
    }
    outcome.check(
        outcome.of("untouched").with("only for").is_empty(),
        "the second partition gets what was typed for the first",
    );
}
