//! The generic timer's virtual and physical EL1 timers (Arm ARM D12).

use core::sync::atomic::{AtomicU64, Ordering};

use crate::{read_register, write_register};

/// The physical count at the guest's first instruction.
static ENTERED: AtomicU64 = AtomicU64::new(0);

pub(crate) fn set_entered(count: u64) {
    ENTERED.store(count, Ordering::Relaxed);
}

/// The physical count when the boot CPU was entered: at the guest's first instruction.
pub fn entered() -> u64 {
    ENTERED.load(Ordering::Relaxed)
}

/// Ticks in a second.
pub fn frequency() -> u64 {
    read_register!("cntfrq_el0")
}

/// The virtual count.
pub fn now() -> u64 {
    // SAFETY: a barrier only; without it the count could be read early.
    unsafe { core::arch::asm!("isb", options(nostack)) };
    read_register!("cntvct_el0")
}

/// How many ticks that many microseconds are.
pub fn microseconds(count: u64) -> u64 {
    count * frequency() / 1_000_000
}

/// The physical count.
pub fn now_physical() -> u64 {
    // SAFETY: as in `now`.
    unsafe { core::arch::asm!("isb", options(nostack)) };
    read_register!("cntpct_el0")
}

/// Lets the virtual timer fire after `ticks`; also takes back an interrupt that it still asserts.
///
/// Not in the handler of its interrupt, which is to [`disarm`] it. On a busy host it may expire again before
/// the handler ends the interrupt, and QEMU's GICv2 loses sight of that: see [`gic::look_again`].
///
/// [`gic::look_again`]: crate::gic::look_again
pub fn arm_after(ticks: u64) {
    write_register!("cntv_tval_el0", ticks);
    write_register!("cntv_ctl_el0", 1);
}

/// Turns the virtual timer off.
pub fn disarm() {
    write_register!("cntv_ctl_el0", 0);
}

/// Lets the physical timer fire after `ticks`.
pub fn arm_physical_after(ticks: u64) {
    write_register!("cntp_tval_el0", ticks);
    write_register!("cntp_ctl_el0", 1);
}

/// Turns the physical timer off.
pub fn disarm_physical() {
    write_register!("cntp_ctl_el0", 0);
}

/// Waits until `done`, for at most that many microseconds; says whether it came to be.
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
