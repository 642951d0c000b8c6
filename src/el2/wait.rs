//! Waiting for another CPU.

use core::arch::asm;
use spin::RelaxStrategy;

/// A lock that waits by [`relax`].
pub type Mutex<T> = spin::mutex::Mutex<T, Relax>;

/// A place where CPUs wait for each other by [`relax`].
pub type Barrier = spin::barrier::Barrier<Relax>;

/// See [`relax`].
pub struct Relax;

impl RelaxStrategy for Relax {
    #[inline(always)]
    fn relax() {
        relax();
    }
}

/// What a CPU does each time round: the ISB keeps it from hammering what it looks at, and YIELD tells
/// a core with several threads, or an emulator that runs the CPUs in turn, to go on with another.
#[inline(always)]
pub fn relax() {
    // SAFETY: neither instruction changes anything that a program can see.
    unsafe { asm!("isb", "yield", options(nomem, nostack, preserves_flags)) };
}
