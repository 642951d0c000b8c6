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
        Partition::new("victim", "victim"),
        Partition::new("attacker", "attacker").bootargs("again"),
        Partition::new("reborn", "reborn").memory(4 << 20).bootargs("end=reset"),
    ];
    let outcome = machine
        .initrd(&compile(&system(&guests)))
        .deadline(seconds + SLACK)
        .type_after("linux: powered off", MONITOR)
        .type_after("the monitor has the console", "stop attacker\r")
        .type_after("attacker: stopped at", "stop reborn\r")
        .type_after("reborn: stopped at", "stats\r")
        .type_after("4 reborn ", "\x1d2")
        .type_after("victim has the console", "\r")
        .type_after("victim: powered off", MONITOR)
        .type_after("the monitor has the console", "poweroff\r")
        .boot();
    outcome.ends_with(SUCCESS).nobody_says("FAIL").nobody_says("PANIC").nobody_says("panic");
    let clean = outcome.lines().with("victim: done, clean").0.len();
    outcome.check(clean == 1, "the victim is not clean");
    nothing_is_lost(&outcome, seconds);
    println!("\nsoak on {name}, Linux at work for {seconds} s:\n{}", figures(&outcome));
}

/// What is counted by those who print it has no gap, and all of it is whole.
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
    let lives = outcome.of("reborn").with("reborn: nothing of an earlier life").0.len();
    let restarts = restarts(outcome, "reborn").len();
    let is_right = lives == restarts || lives == restarts + 1;
    outcome.check(is_right, &format!("reborn tells of {lives} lives and has {restarts} restarts"));
    let done = outcome.of("attacker").with("attacker: done, ").0;
    let wrong = done.iter().any(|it| *it != "attacker: done, 0 wrong");
    outcome.check(!wrong && !done.is_empty(), &format!("the attacks end with {done:?}"));
}

/// The numbers of a partition's restarts.
fn restarts(outcome: &Outcome, name: &str) -> Vec<u64> {
    let lines = outcome.of("bulkhead").with(&format!("{name}: reset itself")).0;
    let number = |line: &&str| line.rsplit_once("; restart ")?.1.parse().ok();
    lines.iter().filter_map(number).collect()
}

/// What came of it, as a table.
#[track_caller]
fn figures(outcome: &Outcome) -> String {
    let lines = outcome.lines();
    let begin = lines.0.iter().position(|line| line.contains("interrupts/s"));
    let stats = begin.map_or(&[][..], |begin| &lines.0[begin..begin + 5]).join("\n");
    outcome.check(!stats.is_empty(), "there are no statistics");
    let victim = outcome.lines().with("victim: ").with("ticks").last().tail(1);
    let rounds = outcome.of("linux").with(" rounds").tail(8);
    let restarts = ["attacker", "reborn"].map(|name| restarts(outcome, name).len());
    let [attacker, reborn] = restarts;
    format!(
        "{stats}\nrestarts: attacker {attacker}, reborn {reborn}; lines: {}\n{victim}\n{rounds}\n",
        lines.0.len()
    )
}
