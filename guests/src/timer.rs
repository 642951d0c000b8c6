//! The generic timer's virtual and physical EL1 timers (Arm ARM D12).

use core::sync::atomic::{AtomicU64, Ordering};

use crate::{read_register, write_register};

/// The physical count at the guest's first instruction.
static ENTERED: AtomicU64 = AtomicU64::new(0);

pub(crate) fn set_entered(count: u64) {
    ENTERED.store(count, Ordering::Relaxed);
}

/// Returns the physical count at the guest's first instruction.
pub fn entered() -> u64 {
    ENTERED.load(Ordering::Relaxed)
}

/// Returns the frequency of the counter, in Hz.
pub fn frequency() -> u64 {
    read_register!("cntfrq_el0")
}

/// Returns the virtual count.
pub fn now() -> u64 {
    // SAFETY: only a barrier; without it the count could be read early.
    unsafe { core::arch::asm!("isb", options(nostack)) };
    read_register!("cntvct_el0")
}

/// Converts microseconds to ticks.
pub fn microseconds(count: u64) -> u64 {
    count * frequency() / 1_000_000
}

/// Returns the physical count.
pub fn now_physical() -> u64 {
    // SAFETY: as in `now`.
    unsafe { core::arch::asm!("isb", options(nostack)) };
    read_register!("cntpct_el0")
}

/// Sets the virtual timer to expire after `ticks`, and deasserts its interrupt until then.
///
/// The handler of its interrupt must not call this, but [`disarm`]: on a busy host the timer may
/// expire again before the interrupt ends, which QEMU's GICv2 does not notice; see
/// [`gic::reevaluate`].
///
/// [`gic::reevaluate`]: crate::gic::reevaluate
pub fn arm_after(ticks: u64) {
    write_register!("cntv_tval_el0", ticks);
    write_register!("cntv_ctl_el0", 1);
}

/// Disables the virtual timer.
pub fn disarm() {
    write_register!("cntv_ctl_el0", 0);
}

/// Masks the interrupt of the virtual timer, which stays enabled.
pub fn mask() {
    write_register!("cntv_ctl_el0", 3);
}

/// Sets the physical timer to expire after `ticks`.
pub fn arm_physical_after(ticks: u64) {
    write_register!("cntp_tval_el0", ticks);
    write_register!("cntp_ctl_el0", 1);
}

/// Disables the physical timer.
pub fn disarm_physical() {
    write_register!("cntp_ctl_el0", 0);
}

/// Waits until `done`, for at most `limit` microseconds, and returns whether it was done by then.
pub fn within(limit: u64, mut done: impl FnMut() -> bool) -> bool {
    let start = now();
    let limit = microseconds(limit);
    loop {
        if done() {
            return true;
        }
        if now() - start > limit {
            return done();
        }
        core::hint::spin_loop();
    }
}
