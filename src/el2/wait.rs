//! Waiting for another CPU.

use core::arch::asm;
use core::cell::UnsafeCell;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};
use core::ptr;
use core::sync::atomic::{AtomicBool, Ordering};
use spin::RelaxStrategy;

/// A lock that waits by [`relax`]. Where every instruction counts, [`try_lock`](Self::try_lock) comes first: it is
/// inlined.
#[repr(C)]
pub struct Mutex<T> {
    is_taken: AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: a value is reached through a guard alone, and `is_taken` is set for as long as there is one.
unsafe impl<T: Send> Sync for Mutex<T> {}

impl<T> Mutex<T> {
    /// A lock that is free, with what it guards.
    pub const fn new(value: T) -> Self {
        Self { is_taken: AtomicBool::new(false), value: UnsafeCell::new(value) }
    }

    /// Takes the lock, as soon as it is free.
    #[inline(always)]
    pub fn lock(&self) -> MutexGuard<'_, T> {
        let taken: *const Self = take(ptr::from_ref(self).cast()).cast();
        // SAFETY: that is the address of `self`, whose first field `take` was given.
        MutexGuard::new(unsafe { &*taken })
    }

    /// Takes the lock if it is free.
    #[inline(always)]
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        if try_take(&self.is_taken) { Some(MutexGuard::new(self)) } else { None }
    }
}

/// Takes the lock that begins with this, and returns its address: one piece of code for all locks. Who calls it goes
/// on with that address, since the optimizer is kept from knowing which one it is; else it would have to keep another
/// one meanwhile.
#[inline(never)]
fn take(is_taken: *const AtomicBool) -> *const AtomicBool {
    // SAFETY: `lock`, which alone calls this, has a reference to the whole lock.
    while !try_take(unsafe { &*is_taken }) {
        relax();
    }
    let mut taken = is_taken;
    // SAFETY: this is no instruction at all.
    unsafe { asm!("/* {} */", inout(reg) taken, options(nostack, preserves_flags)) };
    taken
}

#[inline(always)]
fn try_take(is_taken: &AtomicBool) -> bool {
    is_taken.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).is_ok()
}

/// A lock that is taken, for as long as this lives.
pub struct MutexGuard<'a, T> {
    mutex: &'a Mutex<T>,
    /// It is shared among CPUs where such a reference can be.
    value: PhantomData<&'a mut T>,
}

impl<'a, T> MutexGuard<'a, T> {
    /// The guard of a lock that has just been taken for it.
    #[inline(always)]
    fn new(mutex: &'a Mutex<T>) -> Self {
        Self { mutex, value: PhantomData }
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: there is no other guard, and this one is not borrowed mutably meanwhile.
        unsafe { &*self.mutex.value.get() }
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: there is no other guard, and this one is not borrowed otherwise meanwhile.
        unsafe { &mut *self.mutex.value.get() }
    }
}

impl<T> Drop for MutexGuard<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        self.mutex.is_taken.store(false, Ordering::Release);
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
