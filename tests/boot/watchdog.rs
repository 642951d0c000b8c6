//! The watchdog stops partitions that do not feed it, and no others.

use std::fs;

use common::{CRASHED, Gic, Machine, Outcome, Partition, compile, in_all_modes, scratch, source};

in_all_modes!(bare_metal_guests_are_watched, feeding_costs_one_exit, stock_linux_is_watched);

/// Returns how long a partition ran before each of the times that its watchdog stopped it, in
/// seconds.
#[track_caller]
fn watchdog_times(outcome: &Outcome, name: &str) -> Vec<f64> {
    let end = format!("{name}: ended by its watchdog, which was not fed after ");
    let lines = outcome.of("bulkhead").containing(&end);
    let rest = lines.0.iter().filter_map(|line| line.split_once(&end)?.1.split_once(" s"));
    let times: Vec<f64> = rest.filter_map(|(seconds, _)| seconds.parse().ok()).collect();
    outcome.check(times.len() == lines.0.len(), "the times cannot be read");
    times
}

fn watched(name: &str, milliseconds: u32, bootargs: &str) -> Partition {
    let watchdog = format!("watchdog-ms = <{milliseconds}>;");
    Partition::new(name, "hello").bootargs(bootargs).property(&watchdog)
}

/// Returns a guest that feeds its watchdog for a while, then loops with all interrupts masked, and
/// is restarted twice.
pub fn starved_guest() -> Partition {
    let guest = watched("starved", 1000, "watchdog=starve ticks=5");
    guest.property("on-crash = \"restart\"; max-restarts = <2>;")
}

/// Expects that the watchdog has stopped the starved guest three times.
#[track_caller]
pub fn expect_starved_guest(outcome: &Outcome) {
    outcome.expect_status(CRASHED).expect_no_line("FAIL").expect_no_line("panic");
    let times = watchdog_times(outcome, "starved");
    let all = times.len() == 3 && times.iter().all(|time| (1.0..10.0).contains(time));
    outcome.check(all, &format!("its watchdog stops it after {times:?} s"));
    let count = outcome.of("starved").containing("hello: stops feeding its watchdog").0.len();
    outcome.check(count == 3, &format!("it stops feeding {count} times"));
    outcome.expect_line("bulkhead", "it stays stopped, restarted 2 times already");
}

/// Beside the starved guest, one feeds for longer than the watchdog's time, one never touches the
/// watchdog, and in one a second CPU feeds and is then turned off.
fn bare_metal_guests_are_watched(gic: Gic) {
    let smp = Partition::new("handed-over", "smp").cpus(2).bootargs("watchdog");
    let guests = [
        starved_guest(),
        watched("fed", 2000, "watchdog=feed period-us=200000 ticks=20"),
        watched("heedless", 500, "loop").property("on-crash = \"stop\";"),
        smp.property("watchdog-ms = <2000>;"),
    ];
    let outcome = Machine::new(gic).cpus(5).initrd(&compile(&source(&guests))).boot();
    expect_starved_guest(&outcome);
    outcome.expect_line("fed", "hello: done, ticks=20").expect_line("bulkhead", "fed: powered off");
    outcome.expect_line("bulkhead", "fed              stop      -             2000         -");
    let times = watchdog_times(&outcome, "heedless");
    let one = times.len() == 1 && (0.5..5.0).contains(&times[0]);
    outcome.check(one, &format!("its watchdog stops it after {times:?} s"));
    outcome.expect_line("handed-over", "smp: no CPU feeds the watchdog");
    let times = watchdog_times(&outcome, "handed-over");
    let one = times.len() == 1 && (5.0..15.0).contains(&times[0]);
    outcome.check(one, &format!("with two CPUs its watchdog stops it after {times:?} s"));
}

/// The guest feeds in time, forty times in twelve seconds, so EL2's timer causes no exit.
fn feeding_costs_one_exit(gic: Gic) {
    const TICKS: usize = 40;
    let exits = |bootargs: &str, property: &str| {
        let guest = Partition::new("guest", "hello");
        let guest = guest.bootargs(&format!("{bootargs} ticks={TICKS} period-us=300000"));
        let guest = guest.property(property);
        let log = scratch("exceptions");
        let machine = Machine::new(gic).cpus(1).option("-icount", "shift=0,sleep=off");
        let machine = machine.option("-d", "int").option("-D", log.display());
        let outcome = machine.initrd(&compile(&source(&[guest]))).boot();
        outcome.expect_success();
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
    if gic == Gic::V3Direct {
        // The console's timer interrupts this CPU, as no other is left over for the output.
        assert!(irqs < TICKS, "direct interrupts exit: {irqs} interrupts");
    } else {
        assert!(irqs >= TICKS, "only {irqs} interrupts");
    }
    assert_eq!(fed_aborts, aborts + TICKS);
    // With QEMU's GICv2 EL2's timer also interrupts every 80 ms (`Gic::loses_level`): the few
    // instructions of the feeding can move one of these past the end.
    let most = if gic == Gic::V2 { 1 } else { 0 };
    assert!(fed_irqs.abs_diff(irqs) <= most, "{fed_irqs} interrupts with a watchdog, else {irqs}");
}

/// Debian's driver sets a time and feeds the watchdog for longer than that. One Linux then powers
/// off; in the other one the process that feeds is killed.
fn stock_linux_is_watched(gic: Gic) {
    let linux = |name: &str, properties: &str| {
        let linux = Partition::linux(name).memory(192 << 20);
        linux.property("watchdog-ms = <60000>;").property(properties)
    };
    let guests = [
        linux("fed", "bootargs = \"console=ttyAMA0 bulkhead.watchdog=feed\";"),
        linux(
            "starved",
            "bootargs = \"console=ttyAMA0 bulkhead.watchdog=starve\"; on-crash = \"restart\"; \
             max-restarts = <1>;",
        ),
    ];
    let machine = Machine::new(gic).initrd(&compile(&source(&guests))).deadline(240);
    let outcome = machine.boot();
    outcome.expect_status(CRASHED).expect_no_line("panic");
    for (name, starts) in [("fed", 1), ("starved", 2)] {
        for text in [
            "sbsa-gwdt 90f0000.watchdog: Initialized with 60s timeout",
            "action=0. [enabled]",
            "bulkhead-linux: watchdog fed for 6 s, its timeout is 4 s",
        ] {
            let count = outcome.of(name).containing(text).0.len();
            outcome.check(count == starts, &format!("[{name}] prints `{text}` {count} times"));
        }
    }
    outcome.expect_line("fed", "reboot: Power down").expect_line("bulkhead", "fed: powered off");
    outcome.expect_line("starved", "bulkhead-linux: watchdog is not fed");
    let times = watchdog_times(&outcome, "starved");
    let all = times.len() == 2 && times.iter().all(|time| *time > 10.0);
    outcome.check(all, &format!("its watchdog stops it after {times:?} s"));
    outcome.expect_line("bulkhead", "it stays stopped, restarted 1 times already");
}
