//! A partition that does not feed its watchdog ends, and none that does.

use crate::support::{CRASHED, Gic, Machine, Outcome, Partition, compile, on_both_gics, system};

on_both_gics!(bare_metal_guests_are_watched, stock_linux_is_watched);

/// How long the lives lasted, in seconds, that ended by the watchdog.
#[track_caller]
fn starved(outcome: &Outcome, name: &str) -> Vec<f64> {
    let end = format!("{name}: ended by its watchdog, which was not fed after ");
    let lines = outcome.of("bulkhead").with(&end);
    let rest = lines.0.iter().filter_map(|line| line.split_once(&end)?.1.split_once(" s"));
    let lives: Vec<f64> = rest.filter_map(|(seconds, _)| seconds.parse().ok()).collect();
    outcome.check(lives.len() == lines.0.len(), "the lives' lengths cannot be read");
    lives
}

/// One feeds for longer than it may go hungry, one then loops with everything masked, and one has never
/// touched the watchdog.
fn bare_metal_guests_are_watched(gic: Gic) {
    let watched = |name: &str, milliseconds: u32, bootargs: &str| {
        let watchdog = format!("watchdog-ms = <{milliseconds}>;");
        Partition::new(name, "hello").bootargs(bootargs).property(&watchdog)
    };
    let restart = "on-crash = \"restart\"; max-restarts = <2>;";
    let guests = [
        watched("fed", 2000, "watchdog=feed period-us=200000 ticks=20"),
        watched("starved", 1000, "watchdog=starve ticks=5").property(restart),
        watched("heedless", 500, "loop").property("on-crash = \"stop\";"),
    ];
    let outcome = Machine::new(gic).initrd(&compile(&system(&guests))).boot();
    outcome.ends_with(CRASHED).nobody_says("FAIL").nobody_says("panic");
    outcome.says("fed", "hello: done, ticks=20").says("bulkhead", "fed: powered off");
    let lives = starved(&outcome, "starved");
    let all = lives.len() == 3 && lives.iter().all(|life| (1.0..10.0).contains(life));
    outcome.check(all, &format!("it starves after {lives:?} s"));
    let said = outcome.of("starved").with("hello: starves its watchdog").0.len();
    outcome.check(said == 3, &format!("it comes to starving {said} times"));
    outcome.says("bulkhead", "it stays stopped, restarted 2 times already");
    let lives = starved(&outcome, "heedless");
    let one = lives.len() == 1 && (0.5..5.0).contains(&lives[0]);
    outcome.check(one, &format!("it is ended after {lives:?} s"));
    outcome.says("bulkhead", "fed              stop      -             2000         -");
}

/// Debian's own driver takes the watchdog over while it runs, and feeds it for longer than the time that it
/// has set. One Linux then powers off; the feeder of the other one is killed.
fn stock_linux_is_watched(gic: Gic) {
    let linux = |name: &str, properties: &str| {
        let initramfs = "ramdisk { data = /incbin/(\"linux/initramfs.cpio.gz\"); };";
        let linux = Partition::with_kernel(name, "linux/Image").memory(192 << 20);
        linux.property("watchdog-ms = <60000>;").property(properties).property(initramfs)
    };
    let guests = [
        linux("fed", "bootargs = \"console=ttyAMA0 bulkhead.watchdog=feed\";"),
        linux(
            "starved",
            "bootargs = \"console=ttyAMA0 bulkhead.watchdog=starve\"; on-crash = \"restart\"; \
             max-restarts = <1>;",
        ),
    ];
    let machine = Machine::new(gic).initrd(&compile(&system(&guests))).deadline(180);
    let outcome = machine.boot();
    outcome.ends_with(CRASHED).nobody_says("panic");
    for (name, lives) in [("fed", 1), ("starved", 2)] {
        for text in [
            "sbsa-gwdt 90f0000.watchdog: Initialized with 60s timeout",
            "action=0. [enabled]",
            "bulkhead-linux: watchdog fed for 6 s, its time is 4 s",
        ] {
            let said = outcome.of(name).with(text).0.len();
            outcome.check(said == lives, &format!("[{name}] says `{text}` {said} times"));
        }
    }
    outcome.says("fed", "reboot: Power down").says("bulkhead", "fed: powered off");
    outcome.says("starved", "bulkhead-linux: watchdog starves");
    let lives = starved(&outcome, "starved");
    let all = lives.len() == 2 && lives.iter().all(|life| *life > 10.0);
    outcome.check(all, &format!("it starves after {lives:?} s"));
    outcome.says("bulkhead", "it stays stopped, restarted 1 times already");
}
