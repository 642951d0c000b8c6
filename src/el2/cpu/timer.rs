//! The physical counter, and EL2's physical timer (CNTHP).

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::*;
use bulkhead::util::deadlines::{TimerSetting, User};
use core::sync::atomic::Ordering;

use crate::el2::arch::registers::write_register;
use crate::el2::cpu;

/// Returns the physical counter's value, in ticks.
pub fn now() -> u64 {
    barrier::isb(barrier::SY);
    CNTPCT_EL0.get()
}

/// Returns the frequency of the counter, in Hz.
fn frequency() -> u64 {
    cpu::current().frequency.load(Ordering::Relaxed)
}

/// Returns the number of ticks in `count` milliseconds, which are less than 2^32.
// One copy for all callers.
#[inline(never)]
pub fn milliseconds(count: u64) -> u64 {
    frequency().wrapping_mul(count) / 1000
}

/// Returns the number of ticks in `count` microseconds, which are less than 2^32.
// One copy for all callers.
#[inline(never)]
pub fn microseconds(count: u64) -> u64 {
    frequency().wrapping_mul(count) / 1_000_000
}

/// Returns the number of milliseconds since the physical counter had the value `start`.
#[inline(never)]
pub fn milliseconds_since(start: u64) -> u64 {
    now().saturating_sub(start) / milliseconds(1).max(1)
}

/// Sets a user's deadline, as a counter value, and sets this CPU's EL2 timer to the earliest of all
/// users' deadlines. Each timer interrupt is handled for all users, so a user may be called before
/// its deadline or without one.
pub fn set_deadline(user: User, deadline: Option<u64>) {
    match cpu::current().deadlines.set(user, deadline) {
        TimerSetting::Same => return,
        TimerSetting::At(deadline) => {
            write_register!("cnthp_cval_el2", deadline);
            CNTHP_CTL_EL2.write(CNTHP_CTL_EL2::ENABLE::SET);
        }
        TimerSetting::Off => CNTHP_CTL_EL2.set(0),
    }
    barrier::isb(barrier::SY);
}
