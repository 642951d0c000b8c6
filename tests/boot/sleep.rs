//! Guests that sleep while QEMU's GICv2 does not signal their timer's interrupt: see
//! `Gic::loses_level` in `src/el2/drivers/gic/`.

use std::env;

use common::{Gic, Machine, Outcome, Partition, compile, source};

/// The longest time that a guest may sleep, in milliseconds.
const LONGEST_MS: u64 = 100;

/// The timer's line is high when its interrupt ends. On four CPUs the console's CPU makes QEMU
/// evaluate the controller; on one CPU the guest's own has to.
#[test]
fn a_timer_that_expires_before_its_interrupt_ends_wakes_its_guest() {
    for (gic, cpus) in [(Gic::V2, 4), (Gic::V2, 1), (Gic::V3, 1)] {
        let description = compile(&source(&[Partition::new("rearm", "rearm")]));
        let machine = Machine::new(gic).cpus(cpus).counting_instructions();
        let outcome = machine.initrd(&description).boot();
        outcome.expect_success();
        let line = outcome.of("rearm").containing("rearm: 20 ticks, the longest sleep took ");
        let sleep = line.0.first().and_then(|line| line.rsplit_once("took ")?.1.split_once(' '));
        let sleep: u64 = sleep
            .and_then(|(sleep, _)| sleep.parse().ok())
            .unwrap_or_else(|| outcome.fail("the longest sleep is not printed"));
        println!("{gic:?} with {cpus} CPUs: the longest sleep took {sleep} ms");
        outcome.check(sleep <= LONGEST_MS, &format!("the guest slept for {sleep} ms"));
    }
}

/// Linux programs its timer in the timer's handler. `make soak` reboots it 50 times.
#[test]
fn linux_alone_on_one_cpu_reboots() {
    let reboots = env::var("BULKHEAD_REBOOTS").ok();
    let reboots = reboots.map_or(2, |it| it.parse().expect("BULKHEAD_REBOOTS is a number"));
    let linux = Partition::linux("linux")
        .memory(192 << 20)
        .bootargs("console=ttyAMA0 quiet bulkhead.end=reboot")
        .property(&format!("max-restarts = <{reboots}>;"));
    let machine = Machine::new(Gic::V2).initrd(&compile(&source(&[linux])));
    expect_starts(&machine.deadline(120 + 60 * reboots).boot(), reboots + 1);
}

#[track_caller]
fn expect_starts(outcome: &Outcome, expected: u64) {
    outcome.expect_success();
    let starts = outcome.of("linux").containing("bulkhead-linux: userspace reached").0.len();
    outcome.check(starts as u64 == expected, &format!("Linux started {starts} times"));
}
