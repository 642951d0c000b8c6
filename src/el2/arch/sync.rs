//! Waiting for another CPU.

use core::arch::asm;
use spin::RelaxStrategy;

/// A lock that waits by [`relax`]. Where every instruction counts, [`try_lock`](Self::try_lock) comes first: it is
/// inlined.
pub struct Mutex<T>(spin::mutex::Mutex<T, Relax>);

/// A lock that is taken, for as long as this lives.
pub type MutexGuard<'a, T> = spin::mutex::MutexGuard<'a, T>;

impl<T> Mutex<T> {
    /// A lock that is free, with what it guards.
    pub const fn new(value: T) -> Self {
        Self(spin::mutex::Mutex::new(value))
    }

    /// Takes the lock, as soon as it is free. In a section of its own: the linker script tells boot's code by
    /// names, and what one lock guards may be boot's, while this code is one for all of them.
    #[inline(never)]
    #[unsafe(link_section = ".text.wait")]
    pub fn lock(&self) -> MutexGuard<'_, T> {
        loop {
            if let Some(guard) = self.0.try_lock() {
                return guard;
            }
            relax();
        }
    }

    /// Takes the lock if it is free.
    #[inline(always)]
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        self.0.try_lock()
    }
}

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
