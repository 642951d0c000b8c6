//! Locks, barriers and cells that are set once, for data that several CPUs share.

use core::arch::asm;
use core::cell::UnsafeCell;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use spin::{Once, RelaxStrategy};

/// A spinlock around a value. CPUs that wait for it get it in the order in which they came. One
/// that finds it free by [`try_lock`](Self::try_lock), which is inlined for hot paths, does not
/// queue.
#[repr(C)]
pub struct Mutex<T> {
    lock: Lock,
    value: UnsafeCell<T>,
}

// SAFETY: only a `MutexGuard` gives access to the value, and `Lock` lets one guard exist at a time,
// so that a shared mutex moves the value from CPU to CPU, which `T: Send` allows.
unsafe impl<T: Send> Sync for Mutex<T> {}

/// A held lock, which is released when the guard is dropped.
/// The guard stands for an exclusive reference to the value, so CPUs share it only if that allows it.
pub struct MutexGuard<'a, T>(&'a Mutex<T>, PhantomData<&'a mut T>);

/// The state of a lock. Not generic, so that the mutexes of all types share its code.
struct Lock {
    is_held: AtomicBool,
    /// The number of CPUs that have ever waited. Wraps.
    tickets: AtomicU32,
    /// The ticket of the CPU that gets the lock next. Wraps.
    turn: AtomicU32,
}

impl<T> Mutex<T> {
    /// Returns a lock, which is free, around `value`.
    pub const fn new(value: T) -> Self {
        let [tickets, turn] = [const { AtomicU32::new(0) }; 2];
        let lock = Lock { is_held: AtomicBool::new(false), tickets, turn };
        Self { lock, value: UnsafeCell::new(value) }
    }

    /// Waits until the lock is free, and takes it.
    #[inline(always)]
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.lock.acquire();
        MutexGuard(self, PhantomData)
    }

    /// Takes the lock if it is free, as [`try_lock`](Self::try_lock) does, where it matters more
    /// that the caller is small.
    pub fn attempt(&self) -> Option<MutexGuard<'_, T>> {
        if self.lock.attempt() { Some(MutexGuard(self, PhantomData)) } else { None }
    }

    /// Takes the lock if it is free. For hot paths.
    #[inline(always)]
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        if self.lock.try_acquire() { Some(MutexGuard(self, PhantomData)) } else { None }
    }
}

impl Lock {
    #[inline(never)]
    fn attempt(&self) -> bool {
        self.try_acquire()
    }

    #[inline(never)]
    fn acquire(&self) {
        if self.try_acquire() {
            return;
        }
        let ticket = self.tickets.fetch_add(1, Ordering::Relaxed);
        while self.turn.load(Ordering::Relaxed) != ticket {
            relax();
        }
        while !self.try_acquire() {
            relax();
        }
        self.turn.store(ticket.wrapping_add(1), Ordering::Relaxed);
    }

    /// Acquire: the new holder sees what the previous one wrote before it released the lock.
    #[inline(always)]
    fn try_acquire(&self) -> bool {
        self.is_held.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).is_ok()
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
        self.0.lock.is_held.store(false, Ordering::Release);
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
