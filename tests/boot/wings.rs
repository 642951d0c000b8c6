//! Code that is left out unless it is used: the monitor, and random numbers for guests.

use common::{
    Gic, Machine, Outcome, Partition, SUCCESS, compile, on_both_gics, section_size, source,
    source_with_monitor, system,
};

on_both_gics!(
    monitor_is_left_out_if_nothing_uses_it,
    monitor_for_the_console,
    monitor_for_a_partition_alone,
    links_are_left_out_if_there_are_none,
);

/// The keys that open the monitor: Ctrl-] twice.
const OPEN: &str = "\x1d\x1d";
const REFUSAL: &str = "there is no monitor: the description has no `monitor;` for it";
const WAITS: &str = "[waiting]  probe: waiting for a line";

/// Returns a guest that waits for a line at the console.
fn waiting() -> Partition {
    Partition::new("waiting", "probe").bootargs("echo")
}

/// Returns the report's line about the code in these sections, with what is left out.
fn report(sections: &[&str], left_out: &str) -> String {
    let bytes: u64 = sections.iter().map(|name| section_size(name)).sum();
    format!("code        {} KiB stay{left_out}", bytes.div_ceil(1 << 10))
}

/// Expects that the boot report has this line, with nothing after it.
#[track_caller]
fn expect_report(outcome: &Outcome, line: &str) {
    let lines = outcome.of("bulkhead").containing("KiB stay").0;
    outcome.check(lines == [line], &format!("the report says {lines:?}, not `{line}`"));
}

/// The keys that would open the monitor have no effect on the guests, of which the first still has
/// the input.
fn monitor_is_left_out_if_nothing_uses_it(gic: Gic) {
    let ticking = Partition::new("ticking", "hello").bootargs("ticks=20 period-us=100000");
    let outcome = Machine::new(gic)
        .initrd(&compile(&source(&[waiting(), ticking])))
        .type_after(WAITS, OPEN)
        .type_after(REFUSAL, "list\r")
        .boot();
    outcome.expect_success();
    expect_report(
        &outcome,
        &report(&[".text", ".entropy.text"], " (monitor, links, pcie, dma, uart left out)"),
    );
    outcome
        .expect_line("bulkhead", REFUSAL)
        .expect_line("waiting", "probe: echo list")
        .expect_line("ticking", "hello: done, ticks=20")
        .expect_no_line("bulkhead> ");
}

fn monitor_for_the_console(gic: Gic) {
    let outcome = Machine::new(gic)
        .initrd(&compile(&source_with_monitor(&[waiting()])))
        .type_after(WAITS, OPEN)
        .type_after("bulkhead> ", "list\r")
        .type_after("uptime-s", "poweroff\r")
        .boot();
    outcome.expect_status(SUCCESS).expect_no_line("there is no monitor");
    expect_report(
        &outcome,
        &report(&[".text", ".monitor.text", ".entropy.text"], " (links, pcie, dma, uart left out)"),
    );
    outcome.expect_line("bulkhead", "the machine powers off at the monitor's order");
}

/// The console has no monitor although its code is there. A guest that ticks until Linux has the
/// machine powered off keeps QEMU's GICv2 from losing the interrupts of the last guest.
fn monitor_for_a_partition_alone(gic: Gic) {
    let linux = Partition::linux("linux")
        .memory(192 << 20)
        .bootargs("console=ttyAMA0 quiet bulkhead.monitor=list bulkhead.monitor=poweroff")
        .property("monitor;");
    let ticking = Partition::new("ticking", "hello").bootargs("ticks=1000000000");
    let outcome = Machine::new(gic)
        .initrd(&compile(&source(&[waiting(), linux, ticking])))
        .deadline(120)
        .type_after(WAITS, OPEN)
        .type_after(REFUSAL, "list\r")
        .boot();
    outcome.expect_status(SUCCESS).expect_no_line("FAIL");
    expect_report(
        &outcome,
        &report(&[".text", ".monitor.text", ".entropy.text"], " (links, pcie, dma, uart left out)"),
    );
    outcome
        .expect_line("bulkhead", REFUSAL)
        .expect_line("waiting", "probe: echo list")
        .expect_line("linux", "bulkhead-linux: monitor: 2 linux")
        .expect_line("linux", "bulkhead-linux: monitor: ok")
        .expect_no_line("bulkhead> ");
}

/// Links are there if the description has one, whether its partitions use it or not.
fn links_are_left_out_if_there_are_none(gic: Gic) {
    let guests = || [Partition::new("one", "hello"), Partition::new("two", "hello")];
    let linked = "    links { lan { type = \"network\"; partitions = \"one\", \"two\"; }; };\n";
    for (links, wing, left_out) in [
        ("", None, "monitor, links, pcie, dma, uart"),
        (linked, Some(".links.text"), "monitor, pcie, dma, uart"),
    ] {
        let outcome = Machine::new(gic).initrd(&compile(&system(links, &guests()))).boot();
        outcome.expect_success();
        let sections: Vec<_> = [".text", ".entropy.text"].into_iter().chain(wing).collect();
        expect_report(&outcome, &report(&sections, &format!(" ({left_out} left out)")));
    }
}
