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

/// The code for links and virtio devices is there if the description has some of that kind, whether
/// its partitions use them or not, and no more of it is.
fn links_are_left_out_if_there_are_none(gic: Gic) {
    let both = "partitions = \"one\", \"two\";";
    let link =
        |kind, more| format!("    links {{ link {{ type = \"{kind}\"; {both} {more} }}; }};\n");
    let size = "size = <0x0 0x1000>;";
    let disk = "disks { own { size = <0x0 0x200000>; interface = \"virtio\"; }; };";
    let console = "console = \"virtio\";";
    // The links and a property of a partition; the wings that are there; and which are not.
    let cases: [(String, &str, &[&str], &str); 6] = [
        (String::new(), "", &[], "links"),
        (link("network", ""), "", &["virtio", "links"], "streams, disks, terminal, memory"),
        (link("vsock", ""), "", &["virtio", "links", "streams"], "disks, terminal, memory"),
        (link("memory", size), "", &["memory"], "virtio"),
        (String::new(), disk, &["virtio", "disks"], "streams, terminal, memory, links"),
        (String::new(), console, &["virtio", "terminal"], "streams, disks, memory, links"),
    ];
    for (links, property, wings, left_out) in cases {
        let guests =
            [Partition::new("one", "hello").property(property), Partition::new("two", "hello")];
        let outcome = Machine::new(gic).initrd(&compile(&system(&links, &guests))).boot();
        outcome.expect_success();
        let wings: Vec<_> = wings.iter().map(|name| format!(".{name}.text")).collect();
        let sections = [".text", ".entropy.text"].into_iter().chain(wings.iter().map(|it| &**it));
        let sections: Vec<_> = sections.collect();
        expect_report(
            &outcome,
            &report(&sections, &format!(" (monitor, {left_out}, pcie, dma, uart left out)")),
        );
    }
}
