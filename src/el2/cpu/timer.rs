//! EL2's own timer (CNTHP) and the counter.

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::*;
use bulkhead::util::deadlines::{Setting, User};

use crate::el2::arch::registers::write_register;
use crate::el2::cpu;

/// The physical counter, in ticks.
pub fn now() -> u64 {
    barrier::isb(barrier::SY);
    CNTPCT_EL0.get()
}

/// How many ticks the counter makes in so many milliseconds.
// Out of line, for there are several callers.
#[inline(never)]
pub fn milliseconds(count: u64) -> u64 {
    CNTFRQ_EL0.get() * count / 1000
}

/// The milliseconds since the counter was at `start`.
#[inline(never)]
pub fn milliseconds_since(start: u64) -> u64 {
    now().saturating_sub(start) / milliseconds(1).max(1)
}

/// Has this CPU's EL2 timer interrupt raised once the counter reaches `deadline`, or the deadline of
/// another user. Who wants `None` may be interrupted all the same.
pub fn set_deadline(user: User, deadline: Option<u64>) {
    match cpu::current().deadlines.set(user, deadline) {
        Setting::Same => return,
        Setting::At(deadline) => {
            write_register!("cnthp_cval_el2", deadline);
            CNTHP_CTL_EL2.write(CNTHP_CTL_EL2::ENABLE::SET);
        }
        Setting::Off => CNTHP_CTL_EL2.set(0),
    }
    barrier::isb(barrier::SY);
}
