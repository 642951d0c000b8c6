//! Waiting for another CPU.

use core::arch::asm;
use core::cell::UnsafeCell;
use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicBool, Ordering};
use spin::RelaxStrategy;

/// A lock that waits by [`relax`]. What is inlined where it is taken is short, since that is in many
/// places.
pub struct Mutex<T> {
    is_taken: AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: one CPU at a time has the guard, which alone leads to the value.
unsafe impl<T: Send> Sync for Mutex<T> {}

impl<T> Mutex<T> {
    /// A lock that is free, with what it guards.
    pub const fn new(value: T) -> Self {
        Self { is_taken: AtomicBool::new(false), value: UnsafeCell::new(value) }
    }

    /// Takes the lock, as soon as it is free.
    #[inline(always)]
    pub fn lock(&self) -> MutexGuard<'_, T> {
        if self.is_taken.swap(true, Ordering::Acquire) {
            take_once_free(&self.is_taken);
        }
        MutexGuard(self)
    }

    /// Takes the lock if it is free.
    #[inline(always)]
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        (!self.is_taken.swap(true, Ordering::Acquire)).then(|| MutexGuard(self))
    }
}

#[cold]
#[inline(never)]
fn take_once_free(is_taken: &AtomicBool) {
    while is_taken.swap(true, Ordering::Acquire) {
        while is_taken.load(Ordering::Relaxed) {
            relax();
        }
    }
}

/// A lock that is taken, for as long as this lives.
pub struct MutexGuard<'a, T>(&'a Mutex<T>);

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: the lock is taken, by whoever has this guard.
        unsafe { &*self.0.value.get() }
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the lock is taken, by whoever has this guard alone.
        unsafe { &mut *self.0.value.get() }
    }
}

impl<T> Drop for MutexGuard<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        self.0.is_taken.store(false, Ordering::Release);
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
