//! Locks, barriers and cells that are set once, for data that several CPUs share.

use bulkhead::util::fair_lock::FairLock;
use core::arch::asm;
use core::cell::UnsafeCell;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};
#[cfg(feature = "check-locks")]
use core::panic::Location;
use spin::{Once, RelaxStrategy};

#[cfg(feature = "check-locks")]
use super::lock_checks::LockChecks;

/// A spinlock around a value. CPUs that wait for it get it in the order in which they came: see
/// [`FairLock`].
#[repr(C)]
pub struct Mutex<T> {
    lock: Lock,
    value: UnsafeCell<T>,
}

// SAFETY: only a `MutexGuard` gives access to the value, and `FairLock` lets one guard exist at a
// time, so that a shared mutex moves the value from CPU to CPU, which `T: Send` allows.
unsafe impl<T: Send> Sync for Mutex<T> {}

/// A held lock, which is released when the guard is dropped.
/// The guard stands for an exclusive reference to the value, so CPUs share it only if that allows it.
pub struct MutexGuard<'a, T>(&'a Mutex<T>, PhantomData<&'a mut T>);

/// The state of a lock. Not generic, so that the mutexes of all types share its code.
struct Lock {
    fair: FairLock,
    #[cfg(feature = "check-locks")]
    checks: LockChecks,
}

impl<T> Mutex<T> {
    /// Returns a lock, which is free, around `value`.
    pub const fn new(value: T) -> Self {
        let lock = Lock {
            fair: FairLock::new(),
            #[cfg(feature = "check-locks")]
            checks: LockChecks::new(),
        };
        Self { lock, value: UnsafeCell::new(value) }
    }

    /// Returns a lock, which is free, around `value`. No CPU may wait for it, so that it may be held
    /// for longer than others.
    pub const fn tried(value: T) -> Self {
        #[cfg_attr(
            not(feature = "check-locks"),
            expect(unused_mut, reason = "checks alone differ")
        )]
        let mut mutex = Self::new(value);
        #[cfg(feature = "check-locks")]
        {
            mutex.lock.checks = LockChecks::of_tried();
        }
        mutex
    }

    /// Waits until the lock is free, and takes it.
    #[inline(always)]
    #[cfg_attr(feature = "check-locks", track_caller)]
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.lock.acquire();
        MutexGuard(self, PhantomData)
    }

    /// Takes the lock if it is free, as [`try_lock`](Self::try_lock) does, where it matters more
    /// that the caller is small.
    #[cfg_attr(feature = "check-locks", track_caller)]
    pub fn attempt(&self) -> Option<MutexGuard<'_, T>> {
        if self.lock.attempt() { Some(MutexGuard(self, PhantomData)) } else { None }
    }

    /// Takes the lock if it is free and no CPU waits for it. For hot paths.
    #[inline(always)]
    #[cfg_attr(feature = "check-locks", track_caller)]
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        if self.lock.try_acquire() { Some(MutexGuard(self, PhantomData)) } else { None }
    }
}

impl Lock {
    #[inline(never)]
    #[cfg_attr(feature = "check-locks", track_caller)]
    fn attempt(&self) -> bool {
        self.try_acquire()
    }

    #[inline(never)]
    #[cfg(not(feature = "check-locks"))]
    fn acquire(&self) {
        self.fair.take(relax);
    }

    #[cfg(feature = "check-locks")]
    #[track_caller]
    fn acquire(&self) {
        let mut waits_since = None;
        self.fair.take(|| {
            waits_since.get_or_insert_with(|| self.checks.taken());
            relax();
        });
        self.checks.take(Location::caller(), waits_since);
    }

    #[inline(always)]
    #[cfg_attr(feature = "check-locks", track_caller)]
    fn try_acquire(&self) -> bool {
        let is_taken = self.fair.try_take();
        #[cfg(feature = "check-locks")]
        if is_taken {
            self.checks.take(Location::caller(), None);
        }
        is_taken
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: guards are created after `Lock` was acquired, which the guard's `drop` alone
        // releases, so no other guard of this mutex exists.
        unsafe { &*self.0.value.get() }
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in `deref`; and this guard is borrowed exclusively.
        unsafe { &mut *self.0.value.get() }
    }
}

impl<T> Drop for MutexGuard<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        #[cfg(feature = "check-locks")]
        self.0.lock.checks.release();
        self.0.lock.fair.release();
    }
}

/// A barrier at which CPUs wait for each other.
pub type Barrier = spin::barrier::Barrier<Relax>;

/// The strategy by which loops of the `spin` crate wait: [`relax`].
pub struct Relax;

impl RelaxStrategy for Relax {
    #[inline(always)]
    fn relax() {
        relax();
    }
}

/// Slows down a loop that polls memory. The ISB delays the next poll; YIELD lets a multithreaded
/// core, or an emulator that runs the CPUs in turn, continue with another thread.
#[inline(always)]
pub fn relax() {
    // SAFETY: neither instruction changes memory, general registers or flags.
    unsafe { asm!("isb", "yield", options(nomem, nostack, preserves_flags)) };
}

/// A value that boot sets once and that is read-only afterwards.
pub struct SetOnce<T>(Once<T>);

impl<T> SetOnce<T> {
    /// Returns a cell that is not set.
    pub const fn new() -> Self {
        Self(Once::new())
    }

    /// Sets the value unless it is set already, and returns the cell's value.
    pub fn set(&self, value: T) -> &T {
        self.0.call_once(|| value)
    }

    /// Returns the value, if it is set.
    pub fn get(&self) -> Option<&T> {
        self.0.get()
    }
}

/// Returns the value.
///
/// # Panics
///
/// If the value is not set.
impl<T> Deref for SetOnce<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.get().unwrap_or_else(|| unset())
    }
}

/// Panics because a boot-time value was read before it was set. One function for all types; the
/// backtrace shows the caller.
#[cold]
#[inline(never)]
fn unset() -> ! {
    panic!("a boot-time value was read before it was set");
}
