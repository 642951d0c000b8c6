//! Disturbances: a guest that does one thing all the time, beside one that must not notice it.
//!
//! `BULKHEAD_DISTURB_ROUNDS=N` makes each disturbance N times as long.

use std::env;
use std::time::{Duration, Instant};

use common::{Gic, Lines, Machine, Outcome, Partition, SUCCESS, compile, in_all_modes, source};

in_all_modes!(
    control_sequences_do_not_reach_the_terminal,
    flood_of_line_ends_delays_no_tick,
    faults_and_resets_do_not_flood_the_log,
    orders_and_resets_at_any_moment_never_hang,
);

/// Returns how many times as long as usual each disturbance is.
fn rounds() -> u64 {
    match env::var("BULKHEAD_DISTURB_ROUNDS") {
        Ok(rounds) => rounds.parse().expect("BULKHEAD_DISTURB_ROUNDS is a number"),
        Err(_) => 1,
    }
}

/// The partition that only makes this disturbance.
fn disturber(name: &str, disturbance: &str) -> Partition {
    Partition::new(name, "attacker").memory(2 << 20).bootargs(&format!("only={disturbance}"))
}

/// A guest with a tick each millisecond.
fn metronome(bootargs: &str) -> Partition {
    Partition::new("metronome", "metronome").bootargs(bootargs)
}

/// Returns the metronome's last line, its number of periods and its number of late beats.
#[track_caller]
fn result(outcome: &Outcome) -> (String, u64, u64) {
    outcome.expect_no_line("FAIL").expect_no_line("PANIC");
    let line = outcome.of("metronome").containing(" beats in ").last().tail(1);
    let after = |text: &str| line.split_once(text)?.1.split(' ').next()?.parse().ok();
    match (after(" beats in "), after(", late ")) {
        (Some(periods), Some(late)) => (line, periods, late),
        _ => outcome.fail("the metronome prints no result"),
    }
}

/// Two CPUs store line ends into their UART as fast as they can; each store needs more of the
/// console than the partition's own buffer. The metronome prints a line at each tick, and takes
/// every tick before the next is due. Times are instructions: see `neighbour_is_not_delayed` in
/// `restart.rs`.
fn flood_of_line_ends_delays_no_tick(gic: Gic) {
    let all = 200 * rounds();
    let clock = Partition::new("clock", "metronome").bootargs("beats=100000000 period-us=20");
    let beats = metronome(&format!("beats={all} print=1 busy"));
    let guests = [beats, disturber("flood", "flood").cpus(2), clock];
    let machine = Machine::new(gic).cpus(4).counting_instructions();
    let machine = machine.initrd(&compile(&source(&guests))).deadline(60 * rounds());
    let outcome = machine.kill_after("metronome: powered off", Duration::ZERO).boot();
    let (line, periods, late) = result(outcome.expect_killed());
    println!("{gic:?}: {line}");
    outcome.check(late == 0 && periods <= all + 1, "ticks are late");
    let lines = outcome.of("metronome").containing("metronome: beat ").0;
    let expected = (1..=all).map(|beat| format!("metronome: beat {beat}"));
    outcome.check(expected.eq(lines), "lines of the metronome are lost or torn");
}

/// The limit of lines about faults and restarts is the partition's for as long as the machine runs.
fn faults_and_resets_do_not_flood_the_log(gic: Gic) {
    let (beats, restarts) = (2000 * rounds(), 200 * rounds());
    /// The lines of one kind at once, after which there is one each second.
    const BURST: u64 = 8;
    let faults = disturber("faults", "faults").property(&format!("max-restarts = <{restarts}>;"));
    let machine = Machine::new(gic).cpus(2);
    let metronome = metronome(&format!("beats={beats}"));
    let machine = machine.initrd(&compile(&source(&[metronome, faults]))).deadline(60 * rounds());
    // The machine's clock does not run faster than the host's.
    let start = Instant::now();
    let outcome = machine.boot();
    let seconds = start.elapsed().as_secs() + 1;
    outcome.expect_status(SUCCESS);
    let (_, periods, _) = result(&outcome);
    // A busy host gives the metronome's CPU no time at all now and then.
    outcome.check(periods <= 3 * beats, "ticks are lost");
    let log = outcome.of("bulkhead");
    let count = |text: &str| log.containing(text).0.len() as u64;
    // The last line of a partition that stays stopped is never left out.
    let last = format!("it stays stopped, restarted {restarts} times already");
    outcome.expect_line("bulkhead", &last);
    for (lines, what) in [("faults: load", "faults"), ("; restart ", "restarts")] {
        let (lines, most) = (count(lines), BURST + seconds);
        let found = format!("{lines} lines about {what} in {seconds} s, of at most {most}");
        println!("{gic:?}: {found}");
        outcome.check(lines >= BURST && lines <= most, &found);
    }
}

/// In the shared view only text reaches the terminal: printable characters, TAB, line ends, and
/// sequences that choose colours. The view of one partition passes every byte.
fn control_sequences_do_not_reach_the_terminal(gic: Gic) {
    const PRINTED: &str = "attacker: controls are printed";
    const RAW: &str = "[2A\x1b[2K\r[bulkhead] forged";
    let guests = [disturber("controls", "controls"), metronome("beats=1 print=1")];
    let outcome = Machine::new(gic)
        .cpus(2)
        .initrd(&compile(&source(&guests)))
        .type_after(PRINTED, "\x1d1")
        .type_after("controls has the console", "again\r")
        .type_after(PRINTED, "\r")
        .boot();
    outcome.expect_status(SUCCESS);
    let console = outcome.console();
    let (shared, focused) = console.split_once("controls has the console").unwrap_or_else(|| {
        outcome.fail("the console is not given to the partition");
    });
    if let Some(control) = first_control(shared) {
        outcome.fail(&format!("the shared view passes {control:?}"));
    }
    let lines = Lines::of(shared).from_source("controls");
    let text = |name: &str| lines.containing(&format!("attacker: {name} <")).last().tail(1);
    // A character beyond ASCII may be replaced by a question mark.
    let is_shown_as = |it: char, other: char| it == other || !it.is_ascii() && other == '?';
    let expected = "attacker: text <plain ~, Grüße, 漢字, 🦀> end";
    let found = text("text");
    let is_right = found.chars().count() == expected.chars().count()
        && expected.chars().zip(found.chars()).all(|(it, other)| is_shown_as(it, other))
        && text("tab") == "attacker: tab <\t.> end";
    outcome.check(is_right, "the shared view changes text");
    let sequences = (0..18).map(|index| format!("sequence {index}"));
    let bytes = (0..=255).filter(|byte| *byte != b'\n').map(|byte| format!("byte {byte}"));
    let lost = sequences.chain(bytes).find(|name| text(name).is_empty());
    outcome.check(lost.is_none(), &format!("the shared view loses the line of {lost:?}"));
    let is_reset = |line: &&str| match line.rsplit_once("\x1b[") {
        Some((_, last)) => last.starts_with('m') || last.starts_with("0m"),
        None => true,
    };
    let coloured = shared.lines().find(|line| !is_reset(line));
    outcome.check(coloured.is_none(), &format!("the colour outlives its line: {coloured:?}"));
    outcome.check(focused.contains(RAW), "the view of the partition changes control sequences");
}

/// Returns the first piece of the text that is neither printable nor TAB, CR or LF, nor part of a
/// sequence that chooses colours (SGR of ECMA-48). U+FFFD stands for bytes that are not UTF-8.
fn first_control(text: &str) -> Option<&str> {
    let mut rest = text;
    while let Some(at) = rest.find(|it: char| it.is_control() || it == '\u{fffd}') {
        let found = &rest[at..];
        let control = found.chars().next()?;
        let parameters = found.strip_prefix("\x1b[").and_then(|rest| rest.split_once('m'));
        let is_colour = |text: &str| text.chars().all(|it| it.is_ascii_digit() || it == ';');
        rest = match (control, parameters) {
            ('\t' | '\r' | '\n', _) => &found[1..],
            (_, Some((parameters, rest))) if is_colour(parameters) => rest,
            _ => return Some(found.lines().next().unwrap_or(found)),
        };
    }
    None
}

/// The racing partition resets itself, is reset by its other CPUs, ends by its watchdog, and is
/// stopped, started and restarted by another partition at any moment. All on one CPU of the host,
/// where a CPU of the machine can stand still between any two instructions.
fn orders_and_resets_at_any_moment_never_hang(gic: Gic) {
    let orders = 40 * rounds();
    let restarted = "on-crash = \"restart\"; watchdog-ms = <150>;";
    let guests = [
        Partition::new("operator", "operator")
            .bootargs(&format!("target=racer orders={orders}"))
            .property("monitor;"),
        disturber("racer", "race").cpus(3).property(restarted),
    ];
    let machine = Machine::new(gic).initrd(&compile(&source(&guests))).on_one_core();
    // The racing partition does not end by itself if the operator gives up.
    let machine = machine.kill_after("operator: powered off", Duration::ZERO);
    let outcome = machine.deadline(120 * rounds()).boot();
    outcome.expect_no_line("FAIL").expect_no_line("PANIC");
    outcome.expect_line("operator", &format!("operator: done, {orders} orders, "));
    println!("{gic:?}: {}", outcome.of("operator").containing(": done, ").tail(1));
}
