//! The console, which the partitions share.

use crate::linux::linux;
use crate::raspberry_pi::machine_with_pl011;
use common::{
    Gic, Machine, MakeMachine, Outcome, Partition, compile, in_all_modes, on_all_machines, scratch,
    source,
};
use std::time::Duration;

in_all_modes!(
    lines_of_two_guests_are_not_mixed,
    input_goes_to_the_first_partition,
    session_at_a_terminal,
    guest_that_does_not_read_does_not_block_the_console,
);

on_all_machines!(lines_of_two_linuxes_and_two_guests_are_not_mixed);

/// Both guests print as fast as they can.
fn lines_of_two_guests_are_not_mixed(gic: Gic) {
    const LINES: usize = 100;
    let names = ["one", "other"];
    let guests =
        names.map(|name| Partition::new(name, "hello").bootargs(&format!("lines={LINES}")));
    let outcome = Machine::new(gic).initrd(&compile(&source(&guests))).boot();
    outcome.expect_success();
    for name in names {
        expect_lines(&outcome, name, "hello", LINES);
    }
    let named = |line: &&str| line.starts_with('[') || line.is_empty();
    let whole = outcome.lines().0.iter().all(named);
    outcome.check(whole, "a line does not begin with the name of its source");
}

/// Expects that the `count` numbered lines of `program` are complete and in order.
#[track_caller]
fn expect_lines(outcome: &Outcome, name: &str, program: &str, count: usize) {
    let line = |line| format!("{program}: line {line} of {count}, with more text to make it long");
    let lines = outcome.of(name);
    let mut printed = lines.0.iter().filter(|it| it.contains("line ") && it.contains("with more"));
    for number in 1..=count {
        let (printed, expected) = (printed.next(), line(number));
        let is_right = printed.is_some_and(|printed| **printed == expected);
        outcome.check(is_right, &format!("[{name}] prints {printed:?}, not `{expected}`"));
    }
    outcome.check(printed.next().is_none(), &format!("[{name}] prints more than {count} lines"));
}

/// Returns a guest that never stops taking timer interrupts.
///
/// If a level-sensitive interrupt is raised again before a guest ends it, QEMU's GICv2 evaluates it
/// only at the next event at any CPU interface. Without a neighbour that causes such events, the
/// last Linux might sleep for ever.
fn ticking(name: &str, bootargs: &str) -> Partition {
    Partition::new(name, "hello").bootargs(&format!("{bootargs} ticks=1000000000"))
}

fn lines_of_two_linuxes_and_two_guests_are_not_mixed(machine: MakeMachine) {
    const LINES: usize = 2000;
    let bootargs = format!("console=ttyAMA0 quiet bulkhead.lines={LINES}");
    let linuxes = ["north", "south"].map(|name| linux(name, &bootargs).cpus(1).memory(256 << 20));
    let hello = |name| ticking(name, &format!("lines={LINES}"));
    let partitions = [&linuxes[..], &["east", "west"].map(hello)].concat();
    let machine = machine(&compile(&source(&partitions))).deadline(180);
    // Either Linux may be the first to power off.
    let machine = machine.type_after(": powered off after", "");
    let outcome = machine.kill_after(": powered off after", Duration::from_secs(1)).boot();
    outcome.expect_killed();
    for name in ["north", "south"] {
        expect_lines(&outcome, name, "bulkhead-linux", LINES);
    }
    for name in ["east", "west"] {
        expect_lines(&outcome, name, "hello", LINES);
    }
}

fn input_goes_to_the_first_partition(gic: Gic) {
    let guests = ["listening", "untouched"].map(|it| Partition::new(it, "probe").bootargs("echo"));
    let description = compile(&source(&guests));
    let machine = Machine::new(gic).initrd(&description);
    let machine =
        machine.type_after("[listening] probe: waiting for a line", "only for the first one\r");
    let machine = machine.kill_after("listening: powered off", Duration::from_secs(1));
    let outcome = machine.boot();
    outcome
        .expect_killed()
        .expect_line("listening", "only for the first one")
        .expect_line("listening", "ok uart-rx-interrupts")
        .expect_line("listening", "ok uart-empty");
    // With QEMU's GICv2 one CPU can clear the private interrupts of another, as two probes do.
    if gic != Gic::V2 {
        outcome.expect_line("listening", ", 0 failed");
    }
    outcome.check(
        outcome.of("untouched").containing("only for").is_empty(),
        "the second partition gets input for the first",
    );
}

fn session_at_a_terminal(gic: Gic) {
    session(|partitions| Machine::new(gic).initrd(&compile(&source(partitions))));
}

/// The console is the PL011, the first UART of a machine in a terminal.
#[test]
fn session_at_a_raspberry_pi() {
    session(|it| machine_with_pl011(it).second_uart_to(&scratch("mini-uart")));
}

/// A user edits a command line in the shell of one Linux, switches to another one, and returns.
fn session(machine: impl FnOnce(&[Partition]) -> Machine) {
    const LEFT: &str = "\x1b[D";
    const BACKSPACE: &str = "\x7f";
    let shell = "console=ttyAMA0 quiet bulkhead.shell";
    let linuxes = ["first", "second"].map(|it| linux(it, shell).cpus(1).memory(256 << 20));
    let partitions = [&linuxes[..], &[ticking("ticker", "")]].concat();
    let machine = machine(&partitions).deadline(180);
    let step = |machine: Machine, (after, keys): (&str, &str)| machine.type_after(after, keys);
    let edited = format!("echo $((6 * 9{BACKSPACE}7))\r");
    let inserted = format!("echo $((5 + 8)){}0\r", LEFT.repeat(6));
    // The terminal prints CR LF for each LF, as with `make run`.
    let steps = [
        ("[first]    bulkhead-linux: shell", "\x1d?\x1d1"),
        ("first has the console", ""),
        ("\n/ # ", &edited),
        // The other Linux may print lines before the prompt appears again.
        ("\n42\r\r\n", ""),
        ("/ # ", &inserted),
        ("\n58\r\r\n", ""),
        ("/ # ", "cat -v\r"),
        ("cat -v\r\r\n", "\x1d]\r"),
        ("^]", "\x04\x1ds"),
        ("second has the console", ""),
        ("\n/ # ", "echo $((70 + 7))\r"),
        ("\n77\r\r\n/ # ", "\x1df"),
        // Bulkhead repeats the last line, which is the prompt.
        ("first has the console; Ctrl-] 0 shows all\r\r\n/ # ", "\x1d0"),
        ("first has the input", "poweroff -f\r"),
        ("first: powered off", "\x1d2"),
        ("second has the console", "poweroff -f\r"),
    ];
    let machine = steps.into_iter().fold(machine.in_terminal(), step);
    let outcome = machine.kill_after("second: powered off", Duration::from_secs(1)).boot();
    outcome.expect_killed();
    let choices = "after Ctrl-]: 0 all, 1 first, 2 second, 3 ticker";
    outcome.expect_line("bulkhead", choices);
    for raw in ["42", "58", "77"] {
        let alone = outcome.lines().0.iter().any(|line| line.trim() == raw);
        outcome.check(alone, &format!("there is no line `{raw}` without a name"));
    }
}

/// Input beyond the buffers is dropped and counted: Bulkhead buffers 256 bytes, the guest's UART
/// 32.
fn guest_that_does_not_read_does_not_block_the_console(gic: Gic) {
    let busy = Partition::new("busy", "hello").bootargs("loop");
    let partitions = [busy, Partition::new("listening", "probe").bootargs("echo")];
    let machine = Machine::new(gic).initrd(&compile(&source(&partitions)));
    let typed = "x".repeat(1000) + "\x1dl";
    let outcome = machine
        .type_after("probe: waiting for a line", "\x1d0")
        .type_after("busy has the input", &typed)
        .type_after("listening has the console", "heard\r")
        .kill_after("listening: powered off", Duration::from_secs(1))
        .boot();
    outcome
        .expect_killed()
        .expect_line("bulkhead", "busy does not read: 712 bytes typed for it are dropped");
    let heard = outcome.lines().0.contains(&"probe: echo heard");
    outcome.check(heard, "input after the switch does not arrive");
}
