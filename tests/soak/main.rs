//! A long run of a busy Linux, a victim, an attacker and a guest that keeps restarting. `make soak`
//! runs this; the environment variable BULKHEAD_SOAK_SECONDS sets how long Linux works on each
//! machine.

use common::{Gic, Machine, Outcome, Partition, SUCCESS, compile, file, source_with_monitor};
use std::env;

/// How long Linux works by default, in seconds.
const SECONDS: u64 = 120;
/// How much longer than that a run may take, in seconds.
const SLACK: u64 = 600;
/// The property of partitions with trapped interrupts: half of them have it.
const TRAPPED: &str = "interrupts = \"trapped\";";
/// The keys that open the monitor: Ctrl-] twice.
const MONITOR: &str = "\x1d\x1d";

#[test]
fn gicv2() {
    soak("GICv2", Machine::new(Gic::V2).cpus(7), 4);
}

#[test]
fn gicv3() {
    soak("GICv3", Machine::new(Gic::V3).cpus(7), 4);
}

#[test]
fn raspi4b() {
    soak("Raspberry Pi 4", Machine::raspberry_pi(&file("target/default.dtb")), 1);
}

fn soak(name: &str, machine: Machine, linux_cpus: usize) {
    let seconds = env::var("BULKHEAD_SOAK_SECONDS").ok();
    let seconds =
        seconds.map_or(SECONDS, |it| it.parse().expect("BULKHEAD_SOAK_SECONDS is a number"));
    let linux = Partition::linux("linux").cpus(linux_cpus).memory(256 << 20);
    let linux = linux.bootargs(&format!("console=ttyAMA0 quiet bulkhead.work={seconds}"));
    let guests = [
        linux,
        Partition::new("victim", "victim").property(TRAPPED),
        Partition::new("attacker", "attacker").bootargs("again"),
        Partition::new("reborn", "reborn").memory(4 << 20).bootargs("end=reset").property(TRAPPED),
    ];
    let outcome = machine
        .initrd(&compile(&source_with_monitor(&guests)))
        .deadline(seconds + SLACK)
        .with_progress()
        .type_after("linux: powered off", MONITOR)
        .type_after("the monitor has the console", "stop attacker\r")
        .type_after_any(&["attacker: stopped at", "attacker: is built"], "stop reborn\r")
        .type_after_any(&["reborn: stopped at", "reborn: is built"], "list\r")
        // A list follows, before which the statistics are complete: rows come in pieces.
        .type_after("4 reborn ", "stats\rlist\r")
        .type_after("uptime-s", "\x1d2")
        .type_after("victim has the console", "\r")
        .type_after("victim: powered off", MONITOR)
        .type_after("the monitor has the console", "poweroff\r")
        .boot();
    outcome
        .expect_status(SUCCESS)
        .expect_no_line("FAIL")
        .expect_no_line("PANIC")
        .expect_no_line("panic");
    let clean = outcome.lines().containing("victim: done, clean").0.len();
    outcome.check(clean == 1, "the victim has found a disturbance");
    expect_no_gaps(&outcome, seconds);
    expect_whole_lines(&outcome);
    println!("\nsoak on {name}, Linux at work for {seconds} s:\n{}\n", figures(&outcome));
}

/// Expects that numbered lines have no gap.
#[track_caller]
fn expect_no_gaps(outcome: &Outcome, seconds: u64) {
    let beats = outcome.of("linux").containing("bulkhead-linux: beat ").0;
    let expected: Vec<_> =
        (1..=beats.len()).map(|it| format!("bulkhead-linux: beat {it}")).collect();
    outcome.check(beats == expected, "the beats of Linux are not complete and in order");
    outcome.expect_line("linux", &format!("worked for {seconds} s, {} beats", beats.len()));
    for name in ["attacker", "reborn"] {
        let (all, reported) = (restarts(outcome, name), reported_restarts(outcome, name));
        let is_right = reported.is_sorted_by(|a, b| a < b)
            && reported.first() == Some(&1)
            && reported.last() <= Some(&all);
        outcome.check(is_right, &format!("the restarts of {name} are {reported:?} of {all}"));
    }
    let starts = outcome.of("reborn").0.len() as u64;
    let restarts = restarts(outcome, "reborn");
    let is_right = starts == restarts || starts == restarts + 1;
    outcome.check(is_right, &format!("reborn started {starts} times and has {restarts} restarts"));
    let done = outcome.of("attacker").containing("attacker: done, ").0;
    let wrong = done.iter().any(|it| *it != "attacker: done, 0 wrong");
    outcome.check(!wrong && !done.is_empty(), &format!("the attacks end with {done:?}"));
}

/// Expects that every line begins with its source, and that lines with a constant text are whole.
#[track_caller]
fn expect_whole_lines(outcome: &Outcome) {
    const CLEAN: &str =
        "reborn: nothing of an earlier run in 262144 words, the interrupts, the registers";
    // QEMU prints lines before the first one; after the last one the console is the monitor's.
    let lines = outcome.lines().between("[bulkhead] Bulkhead", "[bulkhead] the monitor has");
    let sources =
        ["bulkhead", "linux", "victim", "attacker", "reborn"].map(|it| format!("[{it}] "));
    let has_source = |line: &&&str| sources.iter().any(|source| line.starts_with(source));
    let torn = lines.0.iter().find(|line| !has_source(line));
    outcome.check(torn.is_none(), &format!("a line without a source: {torn:?}"));
    let lines = outcome.of("reborn").0;
    // The last one may be incomplete: the partition was stopped.
    let is_whole = |(index, line): (usize, &&str)| {
        *line == CLEAN || index + 1 == lines.len() && CLEAN.starts_with(line)
    };
    let torn = lines.iter().enumerate().find(|line| !is_whole(*line));
    outcome.check(torn.is_none(), &format!("a line of reborn is not whole: {torn:?}"));
}

/// Returns the numbers of those of a partition's restarts that the log reports: those of a burst,
/// and then one each second.
fn reported_restarts(outcome: &Outcome, name: &str) -> Vec<u64> {
    let lines = outcome.of("bulkhead").containing(&format!("{name}: reset itself after ")).0;
    let number = |line: &&str| line.rsplit_once(" s; restart ")?.1.parse().ok();
    lines.iter().filter_map(number).collect()
}

/// Returns the number of a partition's restarts in the monitor's list.
#[track_caller]
fn restarts(outcome: &Outcome, name: &str) -> u64 {
    let list = outcome.lines().between("uptime-s", "interrupts/s");
    let rows = list.0.iter().map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
    let row = rows.into_iter().find(|row| row.get(1) == Some(&name));
    let restarts = row.and_then(|row| row.get(5)?.parse().ok());
    restarts.unwrap_or_else(|| outcome.fail(&format!("{name} is not listed")))
}

/// Returns the figures of a run: the monitor's statistics, their sums, and the victim's ticks and
/// its time.
#[track_caller]
fn figures(outcome: &Outcome) -> String {
    let lines = outcome.lines();
    let begin = lines.0.iter().position(|line| line.contains("interrupts/s"));
    let stats = begin.map_or(&[][..], |begin| &lines.0[begin..begin + 5]);
    outcome.check(!stats.is_empty(), "there are no statistics");
    let sum = |column: usize| -> u64 {
        let rows = stats[1..].iter().map(|row| row.split_ascii_whitespace().nth(column));
        rows.map(|it| it.and_then(|it| it.parse::<u64>().ok()).expect("a number")).sum()
    };
    let [exits, interrupts, injected] = [2, 4, 6].map(sum);
    let restarts = restarts(outcome, "attacker") + restarts(outcome, "reborn");
    let workers = outcome.of("linux").containing(" rounds");
    format!(
        "{}\n{}\n{}\n{exits} exits, {interrupts} interrupts, {injected} injected exceptions, \
         {restarts} restarts, {} lines: nothing lost, nothing torn",
        stats.join("\n"),
        workers.0.join("\n"),
        ticks(outcome),
        lines.0.len(),
    )
}

/// Expects as many ticks of the victim as fit into its time by Bulkhead's clock, and returns both.
#[track_caller]
fn ticks(outcome: &Outcome) -> String {
    /// The time between two ticks, in milliseconds.
    const PERIOD: u64 = 2;
    /// The time before the first tick and after the last on a busy host, in milliseconds.
    const MARGIN: u64 = 5000;
    let account = outcome.lines().containing("victim: ").containing(" us late").last().tail(1);
    let ticks = account.split_once(" rounds, ").and_then(|it| it.1.split(' ').next());
    let end = outcome.lines().containing("victim: powered off after ").last().tail(1);
    let time = end.trim_end_matches(" s").rsplit(' ').next().map(|it| it.replace('.', ""));
    let (Some(ticks), Some(time)) = (ticks, time) else {
        outcome.fail("the victim prints no result")
    };
    let number = |text: &str| text.parse::<u64>().unwrap_or_else(|_| outcome.fail(&end));
    let (ticked, time) = (number(ticks) * PERIOD, number(&time));
    let is_right = ticked <= time && time - ticked <= MARGIN;
    outcome.check(is_right, &format!("the victim has ticked for {ticked} ms in {time} ms"));
    format!("{account}, {time} ms from its start to its end")
}
