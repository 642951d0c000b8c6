//! The monitor: used at the console, and by a script in a guest.

use std::fs;
use std::time::Duration;

use common::{
    Gic, Machine, MakeMachine, Outcome, Partition, SUCCESS, compile, file, in_all_modes,
    on_all_machines, on_both_gics, source, source_with_monitor,
};

on_both_gics!(
    sleep_with_all_priorities_active_is_stopped_by_default,
    links_are_shown_while_a_network_runs,
);

in_all_modes!(
    partitions_are_shown_and_controlled_at_the_console,
    answers_are_not_mixed_with_a_flood_of_output,
);

on_all_machines!(
    loop_with_all_interrupts_masked_is_stopped_and_restarted,
    linux_restarts_its_neighbour
);

/// The keys that open the monitor: Ctrl-] twice.
pub const OPEN: &str = "\x1d\x1d";
pub const PROMPT: &str = "bulkhead> ";
const WAITS: &str = "[waiting]  probe: waiting for a line";

fn waiting() -> Partition {
    Partition::new("waiting", "probe").bootargs("echo")
}

/// Returns the fields, separated by spaces, of the lines that begin with these fields.
pub fn rows<'a>(outcome: &'a Outcome, begin: &[&str]) -> Vec<Vec<&'a str>> {
    let fields = |line: &&'a str| line.split_ascii_whitespace().collect::<Vec<_>>();
    let lines = outcome.lines().0;
    lines.iter().map(fields).filter(|fields| fields.starts_with(begin)).collect()
}

fn partitions_are_shown_and_controlled_at_the_console(gic: Gic) {
    // With direct interrupts, the virtual-only interrupts follow those of all devices.
    let interrupt = if gic == Gic::V3Direct { 80 } else { 33 };
    // The second guest keeps the machine on when the first has stopped.
    let guests = [waiting(), Partition::new("hello", "hello").bootargs("loop")];
    let outcome = Machine::new(gic)
        .initrd(&compile(&source_with_monitor(&guests)))
        .type_after(WAITS, OPEN)
        .type_after(PROMPT, "lisp\x7ft\r")
        .type_after("uptime-s", "stop wait\r")
        .type_after("stopped at the monitor's order", "\x10\x10\r")
        .type_after("uptime-s", "start 1\r")
        .type_after(WAITS, "stats waiting\r")
        .type_after("exits", "show waiting\r")
        .type_after(&format!("interrupt   {interrupt}"), "attach waiting\r")
        .type_after("waiting has the console", "a line for the guest\r")
        .type_after("echo a line for the guest", OPEN)
        .type_after("the monitor has the console", "poweroff\r")
        .boot();
    outcome.expect_status(SUCCESS);
    let list = rows(&outcome, &["1", "waiting"]);
    let states: Vec<_> = list.iter().map(|row| (row[2], row[5])).collect();
    let expected = [("running", "0"), ("stopped", "0")];
    outcome.check(states == expected, &format!("the states and restarts are {states:?}"));
    let restarts = rows(&outcome, &["restarts"]);
    outcome.check(restarts == [["restarts", "1"]], "the restart is not counted");
    outcome.check(rows(&outcome, &["2", "hello"]).len() == 2, "hello is not listed");
    let count = |name| rows(&outcome, &[name]).first().and_then(|row| row[1].parse::<u64>().ok());
    for name in ["hvc", "console", "distributor", "injected", "exits"] {
        outcome.check(count(name).is_some_and(|it| it > 0), &format!("no {name} is counted"));
    }
    let interrupts = count("interrupt").is_some_and(|it| it > 0);
    outcome.check(
        interrupts == (gic != Gic::V3Direct),
        "interrupts are counted exactly where they are trapped",
    );
    outcome.check(
        count("device") == Some(0),
        "accesses to another device are counted, and there is none",
    );
    outcome.check(!rows(&outcome, &["last-fault", "fetch"]).is_empty(), "the fault is not shown");
    outcome.expect_line("bulkhead", "the machine powers off at the monitor's order");
}

/// By default a guest cannot block Bulkhead's interrupts at its CPU: one that has made every
/// priority active, and sleeps with all interrupts masked, is stopped.
fn sleep_with_all_priorities_active_is_stopped_by_default(gic: Gic) {
    let guests = [Partition::new("deaf", "hello").bootargs("loop=asleep"), waiting()];
    let outcome = Machine::new(gic)
        .initrd(&compile(&source_with_monitor(&guests)))
        .type_after("hello: looping", OPEN)
        .type_after(PROMPT, "stop deaf\r")
        .type_after("deaf: stopped at the monitor's order", "restart deaf\r")
        .type_after("hello: looping", "poweroff\r")
        .boot();
    outcome.expect_status(SUCCESS);
}

/// The guest masks every interrupt at EL1 and, with direct interrupts, makes every priority active
/// at the physical CPU interface, and never leaves its loop. The console is on the CPU of the other
/// guest.
fn loop_with_all_interrupts_masked_is_stopped_and_restarted(machine: MakeMachine) {
    let trapped = waiting().property("interrupts = \"trapped\";");
    let guests = [Partition::new("stuck", "hello").bootargs("loop=masked"), trapped];
    let outcome = machine(&compile(&source_with_monitor(&guests)))
        .type_after("hello: looping", OPEN)
        .type_after(PROMPT, "stop stuck\r")
        .type_after("stuck: stopped at the monitor's order", "start stuck\r")
        .type_after("hello: looping", "restart stuck\r")
        .type_after("hello: looping", "list\r")
        .type_after("uptime-s", "poweroff\r")
        .boot();
    outcome.expect_status(SUCCESS);
    let list = rows(&outcome, &["1", "stuck", "running"]);
    outcome.check(list.len() == 1 && list[0][5] == "2", "it was not restarted twice");
}

/// The monitor's lines come between those of a guest, each in one piece.
fn answers_are_not_mixed_with_a_flood_of_output(gic: Gic) {
    let flood = Partition::new("flood", "hello").bootargs("lines=3000");
    let outcome = Machine::new(gic)
        .initrd(&compile(&source_with_monitor(&[waiting(), flood])))
        .type_after("[flood]    hello: line", OPEN)
        .type_after(PROMPT, "log\rhelp\rlist\r")
        .type_after("uptime-s", "help\r")
        .kill_after("hello: line 3000 of 3000", Duration::from_secs(1))
        .boot();
    outcome.expect_killed();
    for line in ["Bulkhead 0.1.0", "poweroff        switch the machine off, now"] {
        let lines = outcome.lines().0;
        outcome.check(lines.contains(&line), &format!("`{line}` is not shown in one piece"));
    }
    let lines = outcome.of("flood").containing("hello: line");
    outcome.check(lines.0.len() == 3000, &format!("{} lines of the flood", lines.0.len()));
}

/// The description that README.md shows, whose server stays on after the client's visit.
fn links_are_shown_while_a_network_runs(gic: Gic) {
    let source = fs::read_to_string(file("dts/network.dts")).expect("the file can be read");
    let source = source
        .replace("compatible = \"bulkhead,system\";", "compatible = \"bulkhead,system\"; monitor;")
        .replace(" bulkhead.web\"", " bulkhead.web bulkhead.idle=1000\"");
    let outcome = Machine::new(gic)
        .initrd(&compile(&source))
        .type_after("--- 10.0.0.1 ping statistics ---", OPEN)
        .type_after(PROMPT, "links\r")
        .type_after("client: powered off", "links\r")
        .type_after("drops", "stats client\r")
        .type_after("copied-bytes", "poweroff\r")
        .deadline(120)
        .boot();
    outcome.expect_status(SUCCESS);
    let lan = rows(&outcome, &["lan", "network"]);
    let ends: Vec<_> = lan.iter().map(|row| (row[2], row[3])).collect();
    let names = ["server", "client", "control"];
    outcome.check(ends.len() == 6, &format!("the ends are {ends:?}"));
    outcome.check(ends[..3] == names.map(|name| (name, "up")), &format!("at first {ends:?}"));
    outcome.check(ends[4] == ("client", "absent"), &format!("at the end {ends:?}"));
    // Three pings of 98 bytes, at least, by the client, and the answers of the server.
    for row in &lan[..2] {
        let numbers: Vec<u64> = row[4..].iter().filter_map(|it| it.parse().ok()).collect();
        let is_plausible = numbers.len() == 3 && numbers[0] >= 3 && numbers[1] >= numbers[0] * 42;
        outcome.check(is_plausible, &format!("{} has sent {numbers:?}", row[2]));
    }
    let count = |name| rows(&outcome, &[name]).first().and_then(|row| row[1].parse::<u64>().ok());
    let (notified, copied) = (count("notify"), count("copied-bytes"));
    outcome.check(notified.is_some_and(|it| it >= 6), &format!("{notified:?} notifications"));
    outcome.check(copied.is_some_and(|it| it >= 600), &format!("{copied:?} bytes are copied"));
}

/// The answers end with `ok` or `error: SENTENCE`, which the script in `guests/linux/init` waits
/// for.
fn linux_restarts_its_neighbour(machine: MakeMachine) {
    let commands = ["list", "restart,neighbour", "stop,unknown", "list", "stats,linux", "poweroff"];
    let words: String = commands.iter().map(|it| format!(" bulkhead.monitor={it}")).collect();
    let linux = Partition::linux("linux")
        .memory(192 << 20)
        .bootargs(&format!("console=ttyAMA0 quiet{words}"))
        .property("monitor;");
    let neighbour = Partition::new("neighbour", "hello").bootargs("loop");
    let machine = machine(&compile(&source(&[linux, neighbour])));
    let outcome = machine.deadline(120).boot();
    outcome.expect_status(SUCCESS);
    let answers = outcome.of("linux").containing("bulkhead-linux: monitor: ");
    let answers: Vec<_> = answers
        .0
        .iter()
        .filter_map(|line| line.strip_prefix("bulkhead-linux: monitor: "))
        .collect();
    let ends = answers.iter().filter(|line| **line == "ok").count();
    outcome.check(ends == 4, &format!("{ends} of 4 answers end with `ok`"));
    let error = "error: there is no partition \"unknown\"; all are shown by list";
    outcome.check(answers.contains(&error), "the mistake is not reported");
    let restarts: Vec<_> = answers
        .iter()
        .filter(|line| line.starts_with("2 neighbour"))
        .filter_map(|line| line.split_ascii_whitespace().nth(5))
        .collect();
    outcome.check(restarts == ["0", "1"], &format!("the restarts are {restarts:?}"));
    outcome.expect_line("bulkhead", "neighbour: stopped at the monitor's order");
    outcome.expect_line("bulkhead", "the machine powers off at the monitor's order");
    let starts = outcome.of("neighbour").containing("a bare-metal guest").0.len();
    outcome.check(starts == 2, &format!("the neighbour started {starts} times"));
}
