//! The latency of the virtual timer, to a running and to a sleeping CPU.

use runtime::tree::machine;
use runtime::{gic, timer, write_register};

use crate::figures::{Samples, TIMES, keep, keep_in};
use crate::interrupts::{self, Routines, TICKS};

/// The time to which the timer is set, in microseconds: far longer than going to sleep takes.
const AHEAD_US: u64 = 20;

/// Measures the latencies.
pub fn measure() {
    gic::enable(machine().virtual_timer);
    TICKS.install();
    keep_in("ticks", "timer-to-handler", samples(|| to_handler(&TICKS)));
    keep_in("ticks", "timer-to-sleeper", samples(|| to_sleeper(&TICKS)));
    let routines = interrupts::routines();
    routines.install();
    keep("timer-to-resumed", samples(|| from_handler(routines)));
    TICKS.install();
    gic::disable(machine().virtual_timer);
    gic::enable(machine().virtual_timer);
    let ended_first = interrupts::ending_first(|| samples(|| whole(&TICKS)));
    keep_in("ticks", "timer-ended-first", ended_first);
    routines.install();
    gic::disable(machine().virtual_timer);
}

fn samples(mut measure: impl FnMut() -> u64) -> Samples {
    let mut samples = Samples::new();
    (0..TIMES).for_each(|_| samples.add(measure()));
    samples
}

/// Sets the timer, and returns the count at which it expires.
fn arm() -> u64 {
    let due = timer::now() + timer::microseconds(AHEAD_US);
    write_register!("cntv_cval_el0", due);
    write_register!("cntv_ctl_el0", 1);
    due
}

/// Measures from the expiry of the timer to the first instruction of the vector.
fn to_handler(routines: &Routines) -> u64 {
    let due = arm();
    routines.spin().at_vector - due
}

/// Measures from the expiry of the timer to the interrupted instruction, with all interrupts that
/// the expiry causes.
fn whole(routines: &Routines) -> u64 {
    let due = arm();
    routines.spin().counts.after - due
}

/// Measures from the vector to the interrupted instruction.
fn from_handler(routines: &Routines) -> u64 {
    arm();
    let taken = routines.spin();
    taken.counts.after - taken.at_vector
}

/// Measures from the expiry of the timer to the instruction after WFI, with interrupts masked.
fn to_sleeper(routines: &Routines) -> u64 {
    let due = arm();
    let woken = routines.sleep().after;
    routines.spin();
    woken - due
}
