//! Locks, barriers and cells that are set once, for data that several CPUs share.

use core::arch::asm;
use core::ops::Deref;
use core::sync::atomic::{AtomicU32, Ordering};
use spin::{Once, RelaxStrategy};

/// A spinlock. CPUs that wait for it get it in the order in which they came. One that finds it free
/// by [`try_lock`](Self::try_lock), which is inlined for hot paths, does not queue.
pub struct Mutex<T> {
    lock: spin::mutex::Mutex<T, Relax>,
    /// The number of CPUs that have ever waited. Wraps.
    tickets: AtomicU32,
    /// The ticket of the CPU that gets the lock next. Wraps.
    turn: AtomicU32,
}

/// A held lock, which is released when the guard is dropped.
pub type MutexGuard<'a, T> = spin::mutex::MutexGuard<'a, T>;

impl<T> Mutex<T> {
    /// Returns a lock, which is free, around `value`.
    pub const fn new(value: T) -> Self {
        let [tickets, turn] = [const { AtomicU32::new(0) }; 2];
        Self { lock: spin::mutex::Mutex::new(value), tickets, turn }
    }

    /// Waits until the lock is free, and takes it. In a section of its own, because the compiler
    /// merges the instances for all types into one, whose symbol may match a boot pattern of the
    /// linker script.
    #[inline(never)]
    #[unsafe(link_section = ".text.lock")]
    pub fn lock(&self) -> MutexGuard<'_, T> {
        if let Some(guard) = self.try_lock() {
            return guard;
        }
        let ticket = self.tickets.fetch_add(1, Ordering::Relaxed);
        while self.turn.load(Ordering::Relaxed) != ticket {
            relax();
        }
        loop {
            if let Some(guard) = self.try_lock() {
                self.turn.store(ticket.wrapping_add(1), Ordering::Relaxed);
                return guard;
            }
            relax();
        }
    }

    /// Takes the lock if it is free.
    #[inline(always)]
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        self.lock.try_lock()
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
