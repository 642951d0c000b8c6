//! Sets its timer in the timer's handler to a time that has passed, and sleeps: the line is high
//! when the interrupt ends, so the interrupt is pending again at once (IHI 0048B, 3.2.4).
//!
//! Prints the longest time that it slept. Linux programs its timer in the handler too; on a slow
//! host that time may have passed before the interrupt ends.

#![no_std]
#![no_main]

use core::sync::atomic::{AtomicU64, Ordering};

use runtime::gic::{self, Interrupt};
use runtime::tree::machine;
use runtime::{cpu, fail, println, read_register, timer};

runtime::guest!(main, interrupt);

/// The number of interrupts.
const TICKS: u64 = 20;
/// CNTV_CTL_EL0.ISTATUS: the timer has expired.
const ISTATUS: u64 = 1 << 2;

static TAKEN: AtomicU64 = AtomicU64::new(0);

fn main() {
    gic::enable(machine().virtual_timer);
    timer::arm_after(0);
    let mut longest = 0;
    for tick in 1..=TICKS {
        let start = timer::now();
        cpu::wait_until(|| TAKEN.load(Ordering::Relaxed) >= tick);
        longest = longest.max(timer::now() - start);
    }
    println!("rearm: {TICKS} ticks, the longest sleep took {} ms", milliseconds(longest));
}

/// Converts ticks of the counter to milliseconds, rounded up.
fn milliseconds(ticks: u64) -> u64 {
    ticks.div_ceil(timer::microseconds(1000))
}

fn interrupt(interrupt: Interrupt) {
    if interrupt.intid != machine().virtual_timer {
        fail!("unexpected interrupt {}", interrupt.intid);
    }
    if TAKEN.fetch_add(1, Ordering::Relaxed) + 1 >= TICKS {
        return timer::disarm();
    }
    // A compare value of its own for each tick, so that a hypervisor sees that the timer was set.
    timer::arm_after(0);
    while read_register!("cntv_ctl_el0") & ISTATUS == 0 {}
}
