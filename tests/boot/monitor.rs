//! The monitor: a person at the UART, and a script in a guest.

use std::time::Duration;

use crate::support::{
    Gic, Machine, MakeMachine, Outcome, Partition, SUCCESS, compile, in_all_modes, on_all_machines,
    system,
};

in_all_modes!(person_sees_and_steers_partitions, answers_are_whole_beside_a_flood,);

on_all_machines!(loop_with_all_masked_is_stopped_and_restarted, linux_restarts_its_neighbour);

/// Ctrl-] twice.
const OPEN: &str = "\x1d\x1d";
const PROMPT: &str = "bulkhead> ";
const WAITS: &str = "[waiting]  probe: waiting for a line";

fn waiting() -> Partition {
    Partition::new("waiting", "probe").bootargs("echo")
}

/// The fields of the lines that begin with these ones, spaces apart.
fn rows<'a>(outcome: &'a Outcome, begin: &[&str]) -> Vec<Vec<&'a str>> {
    let fields = |line: &&'a str| line.split_ascii_whitespace().collect::<Vec<_>>();
    let lines = outcome.lines().0;
    lines.iter().map(fields).filter(|fields| fields.starts_with(begin)).collect()
}

fn person_sees_and_steers_partitions(gic: Gic) {
    // Where interrupts are direct, Bulkhead's come behind those of all devices.
    let interrupt = if gic == Gic::V3 { 80 } else { 33 };
    // The other one keeps the machine on when this one is done.
    let guests = [waiting(), Partition::new("hello", "hello").bootargs("loop")];
    let outcome = Machine::new(gic)
        .initrd(&compile(&system(&guests)))
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
    outcome.ends_with(SUCCESS);
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
    outcome
        .check(interrupts == (gic != Gic::V3), "interrupts are counted, or not, as they must be");
    outcome.check(count("watchdog") == Some(0), "a watchdog is counted that there is not");
    outcome.check(!rows(&outcome, &["last-fault", "fetch"]).is_empty(), "the fault is not told");
    outcome.says("bulkhead", "the machine powers off at the monitor's order");
}

/// The guest has every interrupt masked at EL1 and, where its interrupts are direct, every priority active
/// at the physical CPU interface, and never leaves its loop. The console is on the other one's CPU.
fn loop_with_all_masked_is_stopped_and_restarted(machine: MakeMachine) {
    let trapped = waiting().property("interrupts = \"trapped\";");
    let guests = [Partition::new("stuck", "hello").bootargs("loop=deaf"), trapped];
    let outcome = machine(&compile(&system(&guests)))
        .type_after("hello: looping", OPEN)
        .type_after(PROMPT, "stop stuck\r")
        .type_after("stuck: stopped at the monitor's order", "start stuck\r")
        .type_after("hello: looping", "restart stuck\r")
        .type_after("hello: looping", "list\r")
        .type_after("uptime-s", "poweroff\r")
        .boot();
    outcome.ends_with(SUCCESS);
    let list = rows(&outcome, &["1", "stuck", "running"]);
    outcome.check(list.len() == 1 && list[0][5] == "2", "it was not started again twice");
}

/// The monitor's lines come between the others', each in one piece.
fn answers_are_whole_beside_a_flood(gic: Gic) {
    let flood = Partition::new("flood", "hello").bootargs("lines=3000");
    let outcome = Machine::new(gic)
        .initrd(&compile(&system(&[waiting(), flood])))
        .type_after("[flood]    hello: line", OPEN)
        .type_after(PROMPT, "log\rhelp\rlist\r")
        .type_after("uptime-s", "help\r")
        .unplug_after("hello: line 3000 of 3000", Duration::from_secs(1))
        .boot();
    outcome.was_unplugged();
    for line in ["Bulkhead 0.1.0", "poweroff        switch the machine off, now"] {
        let lines = outcome.lines().0;
        outcome.check(lines.contains(&line), &format!("`{line}` is not shown in one piece"));
    }
    let lines = outcome.of("flood").with("hello: line");
    outcome.check(lines.0.len() == 3000, &format!("{} lines of the flood", lines.0.len()));
}

/// The answers end with `ok` or `error: SENTENCE`, which the script in `guests/linux/init` waits for.
fn linux_restarts_its_neighbour(machine: MakeMachine) {
    let commands = ["list", "restart,neighbour", "stop,nobody", "list", "stats,linux", "poweroff"];
    let words: String = commands.iter().map(|it| format!(" bulkhead.monitor={it}")).collect();
    let linux = Partition::with_kernel("linux", "linux/Image").memory(192 << 20);
    let linux = linux
        .bootargs(&format!("console=ttyAMA0 quiet{words}"))
        .property("monitor;")
        .property("ramdisk { data = /incbin/(\"linux/initramfs.cpio.gz\"); };");
    let neighbour = Partition::new("neighbour", "hello").bootargs("loop");
    let machine = machine(&compile(&system(&[linux, neighbour])));
    let outcome = machine.deadline(120).boot();
    outcome.ends_with(SUCCESS);
    let answers = outcome.of("linux").with("bulkhead-linux: monitor: ");
    let answers: Vec<_> = answers
        .0
        .iter()
        .filter_map(|line| line.strip_prefix("bulkhead-linux: monitor: "))
        .collect();
    let ends = answers.iter().filter(|line| **line == "ok").count();
    outcome.check(ends == 4, &format!("{ends} of 4 answers end with `ok`"));
    let error = "error: there is no partition \"nobody\"; the nearest is \"linux\"";
    outcome.check(answers.contains(&error), "the mistake is not told");
    let restarts: Vec<_> = answers
        .iter()
        .filter(|line| line.starts_with("2 neighbour"))
        .filter_map(|line| line.split_ascii_whitespace().nth(5))
        .collect();
    outcome.check(restarts == ["0", "1"], &format!("the restarts are {restarts:?}"));
    outcome.says("bulkhead", "neighbour: stopped at the monitor's order");
    outcome.says("bulkhead", "the machine powers off at the monitor's order");
    let lives = outcome.of("neighbour").with("a bare-metal guest").0.len();
    outcome.check(lives == 2, &format!("the neighbour had {lives} lives"));
}
