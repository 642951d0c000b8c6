//! A partition that does not feed its watchdog ends, and none that does.

use std::fs;

use crate::support::{
    CRASHED, Gic, Machine, Outcome, Partition, compile, in_all_modes, scratch, system,
};

in_all_modes!(bare_metal_guests_are_watched, feeding_costs_its_own_exit, stock_linux_is_watched);

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

fn watched(name: &str, milliseconds: u32, bootargs: &str) -> Partition {
    let watchdog = format!("watchdog-ms = <{milliseconds}>;");
    Partition::new(name, "hello").bootargs(bootargs).property(&watchdog)
}

/// A guest that feeds its watchdog for a while and then loops with everything masked, in each of three
/// lives.
pub fn starved_guest() -> Partition {
    let guest = watched("starved", 1000, "watchdog=starve ticks=5");
    guest.property("on-crash = \"restart\"; max-restarts = <2>;")
}

/// What is expected of it, and of what runs beside it.
#[track_caller]
pub fn judge_starved_guest(outcome: &Outcome) {
    outcome.ends_with(CRASHED).nobody_says("FAIL").nobody_says("panic");
    let lives = starved(outcome, "starved");
    let all = lives.len() == 3 && lives.iter().all(|life| (1.0..10.0).contains(life));
    outcome.check(all, &format!("it starves after {lives:?} s"));
    let said = outcome.of("starved").with("hello: starves its watchdog").0.len();
    outcome.check(said == 3, &format!("it comes to starving {said} times"));
    outcome.says("bulkhead", "it stays stopped, restarted 2 times already");
}

/// Beside it, one feeds for longer than it may go hungry, one has never touched the watchdog, and of one
/// another CPU feeds, which then is off.
fn bare_metal_guests_are_watched(gic: Gic) {
    let smp = Partition::new("handed-over", "smp").cpus(2).bootargs("watchdog");
    let guests = [
        starved_guest(),
        watched("fed", 2000, "watchdog=feed period-us=200000 ticks=20"),
        watched("heedless", 500, "loop").property("on-crash = \"stop\";"),
        smp.property("watchdog-ms = <2000>;"),
    ];
    let outcome = Machine::new(gic).cpus(5).initrd(&compile(&system(&guests))).boot();
    judge_starved_guest(&outcome);
    outcome.says("fed", "hello: done, ticks=20").says("bulkhead", "fed: powered off");
    outcome.says("bulkhead", "fed              stop      -             2000         -");
    let lives = starved(&outcome, "heedless");
    let one = lives.len() == 1 && (0.5..5.0).contains(&lives[0]);
    outcome.check(one, &format!("it is ended after {lives:?} s"));
    outcome.says("handed-over", "smp: nobody feeds the watchdog");
    let lives = starved(&outcome, "handed-over");
    let one = lives.len() == 1 && (5.0..15.0).contains(&lives[0]);
    outcome.check(one, &format!("with two CPUs it is ended after {lives:?} s"));
}

/// Of a guest that feeds in time, forty times in twelve seconds, EL2's timer wants nothing.
fn feeding_costs_its_own_exit(gic: Gic) {
    const TICKS: usize = 40;
    let exits = |bootargs: &str, property: &str| {
        let guest = Partition::new("guest", "hello");
        let guest = guest.bootargs(&format!("{bootargs} ticks={TICKS} period-us=300000"));
        let guest = guest.property(property);
        let log = scratch("exceptions");
        let machine = Machine::new(gic).cpus(1).option("-icount", "shift=0,sleep=off");
        let machine = machine.option("-d", "int").option("-D", log.display());
        let outcome = machine.initrd(&compile(&system(&[guest]))).boot();
        outcome.ends_well();
        let log = fs::read_to_string(log).expect("QEMU has written its log");
        let lines: Vec<_> = log.lines().collect();
        let count = |kind: &str| {
            let is_exit = |two: &&[&str]| two[0].contains(kind) && two[1] == "...from EL1 to EL2";
            lines.windows(2).filter(|two| is_exit(two)).count()
        };
        (count("[IRQ]") + count("[FIQ]"), count("[Data Abort]"))
    };
    let (irqs, aborts) = exits("", "");
    let (fed_irqs, fed_aborts) = exits("watchdog=feed", "watchdog-ms = <1000>;");
    if gic == Gic::V3 {
        assert_eq!(irqs, 0, "direct interrupts exit");
    } else {
        assert!(irqs >= TICKS, "only {irqs} interrupts");
    }
    assert_eq!((fed_irqs, fed_aborts), (irqs, aborts + TICKS));
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
    let machine = Machine::new(gic).initrd(&compile(&system(&guests))).deadline(240);
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
