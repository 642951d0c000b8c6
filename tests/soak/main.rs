//! Everything at once, for long: a busy Linux, a victim, an attacker and a guest that restarts all the
//! time. `make soak` runs this; BULKHEAD_SOAK_SECONDS says how long Linux works on each machine.

#[allow(dead_code, unused_imports, unused_macros, reason = "the boot tests use the rest of it")]
#[path = "../boot/support/mod.rs"]
mod support;

use std::env;
use support::{Gic, Machine, Outcome, Partition, SUCCESS, compile, file, system};

/// How long Linux works where BULKHEAD_SOAK_SECONDS does not say.
const SECONDS: u64 = 120;
/// How much longer than that everything may take, in seconds.
const SLACK: u64 = 600;
/// Half of the partitions have their interrupts go by way of EL2, where the others need not.
const TRAPPED: &str = "interrupts = \"trapped\";";
/// Opens the monitor.
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
    let tree = file("target/linux/bcm2711-rpi-4-b.dtb");
    let image = file("target/bulkhead.img");
    soak("Raspberry Pi 4", Machine::raspberry_pi(image, &tree, &file("target/default.dtb")), 1);
}

fn soak(name: &str, machine: Machine, linux_cpus: usize) {
    let seconds = env::var("BULKHEAD_SOAK_SECONDS").ok();
    let seconds =
        seconds.map_or(SECONDS, |it| it.parse().expect("BULKHEAD_SOAK_SECONDS is a number"));
    let linux = Partition::with_kernel("linux", "linux/Image").cpus(linux_cpus).memory(256 << 20);
    let linux = linux.bootargs(&format!("console=ttyAMA0 quiet bulkhead.work={seconds}"));
    let guests = [
        linux.property("ramdisk { data = /incbin/(\"linux/initramfs.cpio.gz\"); };"),
        Partition::new("victim", "victim").property(TRAPPED),
        Partition::new("attacker", "attacker").bootargs("again"),
        Partition::new("reborn", "reborn").memory(4 << 20).bootargs("end=reset").property(TRAPPED),
    ];
    let outcome = machine
        .initrd(&compile(&system(&guests)))
        .deadline(seconds + SLACK)
        .watched()
        .type_after("linux: powered off", MONITOR)
        .type_after("the monitor has the console", "stop attacker\r")
        .type_after_any(&["attacker: stopped at", "attacker: is built"], "stop reborn\r")
        .type_after_any(&["reborn: stopped at", "reborn: is built"], "stats\r")
        .type_after("4 reborn ", "\x1d2")
        .type_after("victim has the console", "\r")
        .type_after("victim: powered off", MONITOR)
        .type_after("the monitor has the console", "poweroff\r")
        .boot();
    outcome.ends_with(SUCCESS).nobody_says("FAIL").nobody_says("PANIC").nobody_says("panic");
    let clean = outcome.lines().with("victim: done, clean").0.len();
    outcome.check(clean == 1, "the victim is not clean");
    nothing_is_lost(&outcome, seconds);
    nothing_is_torn(&outcome);
    println!("\nsoak on {name}, Linux at work for {seconds} s:\n{}\n", figures(&outcome));
}

/// What is counted by those who print it has no gap.
#[track_caller]
fn nothing_is_lost(outcome: &Outcome, seconds: u64) {
    let beats = outcome.of("linux").with("bulkhead-linux: beat ").0;
    let expected: Vec<_> =
        (1..=beats.len()).map(|it| format!("bulkhead-linux: beat {it}")).collect();
    outcome.check(beats == expected, "not every beat of Linux is told once, in order");
    outcome.says("linux", &format!("worked for {seconds} s, {} beats", beats.len()));
    for name in ["attacker", "reborn"] {
        let restarts = restarts(outcome, name);
        let all = restarts.iter().copied().eq(1..=restarts.len() as u64);
        outcome.check(all, &format!("the restarts of {name} are told as {restarts:?}"));
        outcome.check(!restarts.is_empty(), &format!("{name} never restarts"));
    }
    let lives = outcome.of("reborn").0.len();
    let restarts = restarts(outcome, "reborn").len();
    let is_right = lives == restarts || lives == restarts + 1;
    outcome.check(is_right, &format!("reborn tells of {lives} lives and has {restarts} restarts"));
    let done = outcome.of("attacker").with("attacker: done, ").0;
    let wrong = done.iter().any(|it| *it != "attacker: done, 0 wrong");
    outcome.check(!wrong && !done.is_empty(), &format!("the attacks end with {done:?}"));
}

/// Every line has its author in front, and those that are always the same are whole.
#[track_caller]
fn nothing_is_torn(outcome: &Outcome) {
    const LIFE: &str =
        "reborn: nothing of an earlier life in 262144 words, the interrupts, the registers";
    // Before the first come QEMU's own lines; behind the last the screen is the monitor's.
    let lines = outcome.lines().between("[bulkhead] Bulkhead", "[bulkhead] the monitor has");
    let authors =
        ["bulkhead", "linux", "victim", "attacker", "reborn"].map(|it| format!("[{it}] "));
    let has_author = |line: &&&str| authors.iter().any(|author| line.starts_with(author));
    let torn = lines.0.iter().find(|line| !has_author(line));
    outcome.check(torn.is_none(), &format!("nobody's line: {torn:?}"));
    let lives = outcome.of("reborn").0;
    // The last one may have been stopped while it wrote.
    let is_whole = |(index, line): (usize, &&str)| {
        *line == LIFE || index + 1 == lives.len() && LIFE.starts_with(line)
    };
    let torn = lives.iter().enumerate().find(|life| !is_whole(*life));
    outcome.check(torn.is_none(), &format!("a line of reborn's is torn: {torn:?}"));
}

/// The numbers of a partition's restarts.
fn restarts(outcome: &Outcome, name: &str) -> Vec<u64> {
    let lines = outcome.of("bulkhead").with(&format!("{name}: reset itself after ")).0;
    let number = |line: &&str| line.rsplit_once(" s; restart ")?.1.parse().ok();
    lines.iter().filter_map(number).collect()
}

/// What came of it: the monitor's statistics, their sums, and how the victim's ticks went with the time.
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
    let restarts = restarts(outcome, "attacker").len() + restarts(outcome, "reborn").len();
    let workers = outcome.of("linux").with(" rounds");
    format!(
        "{}\n{}\n{}\n{exits} exits, {interrupts} interrupts, {injected} injected exceptions, {restarts} \
         restarts, {} lines: nothing lost, nothing torn",
        stats.join("\n"),
        workers.0.join("\n"),
        ticks(outcome),
        lines.0.len(),
    )
}

/// The victim's ticks, which must be as many as Bulkhead's own time has room for.
#[track_caller]
fn ticks(outcome: &Outcome) -> String {
    /// Milliseconds between two.
    const PERIOD: u64 = 2;
    /// Before the first and behind the last on a host that is busy, in milliseconds.
    const APART: u64 = 5000;
    let account = outcome.lines().with("victim: ").with(" ticks, the latest by ").last().tail(1);
    let ticks = account.split_once(" rounds, ").and_then(|it| it.1.split(' ').next());
    let end = outcome.lines().with("victim: powered off after ").last().tail(1);
    let time = end.trim_end_matches(" s").rsplit(' ').next().map(|it| it.replace('.', ""));
    let (Some(ticks), Some(time)) = (ticks, time) else {
        outcome.fail("the victim has no account")
    };
    let number = |text: &str| text.parse::<u64>().unwrap_or_else(|_| outcome.fail(&end));
    let (ticked, time) = (number(ticks) * PERIOD, number(&time));
    let is_right = ticked <= time && time - ticked <= APART;
    outcome.check(is_right, &format!("the victim has ticked for {ticked} ms in {time} ms"));
    format!("{account}, {time} ms from its start to its end")
}
