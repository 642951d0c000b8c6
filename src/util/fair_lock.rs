//! A lock that CPUs which wait get in the order in which they came.

use crate::util::atomic::{AtomicBool, AtomicU32, Ordering};

/// The state of a lock, without what it guards.
///
/// A CPU that waits has a ticket, and takes the lock in its turn. Nobody else may take a lock for
/// which a CPU waits. One that has looked before the other began to wait may still do so, once: a
/// CPU that waits is overtaken at most once by each of the others. To hold the lock free for the
/// first in the queue would cost each release a read-modify-write operation.
#[derive(Debug, Default)]
pub struct FairLock {
    is_held: AtomicBool,
    /// The number of CPUs that wait.
    waiting: AtomicU32,
    /// The number of CPUs that have ever waited. Wraps.
    tickets: AtomicU32,
    /// The ticket of the CPU that gets the lock next. Wraps.
    turn: AtomicU32,
}

impl FairLock {
    /// Creates a lock that is free.
    #[cfg(not(all(test, loom)))]
    pub const fn new() -> Self {
        let [waiting, tickets, turn] = [const { AtomicU32::new(0) }; 3];
        Self { is_held: AtomicBool::new(false), waiting, tickets, turn }
    }

    /// Takes the lock if it is free and no CPU waits for it, and returns whether it did.
    #[inline(always)]
    pub fn try_take(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) == 0 && self.take_if_free()
    }

    #[inline(always)]
    fn take_if_free(&self) -> bool {
        let (taken, failed) = (Ordering::Acquire, Ordering::Relaxed);
        self.is_held.compare_exchange(false, true, taken, failed).is_ok()
    }

    /// Takes the lock. While the caller waits for it, calls `relax` repeatedly.
    #[inline(always)]
    pub fn take(&self, mut relax: impl FnMut()) {
        if self.try_take() {
            return;
        }
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let ticket = self.tickets.fetch_add(1, Ordering::Relaxed);
        while self.turn.load(Ordering::Relaxed) != ticket || !self.take_if_free() {
            relax();
        }
        self.turn.store(ticket.wrapping_add(1), Ordering::Relaxed);
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }

    /// Releases the lock, which the caller must have taken.
    #[inline(always)]
    pub fn release(&self) {
        self.is_held.store(false, Ordering::Release);
    }
}

#[cfg(not(loom))]
#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn a_lock_is_not_taken_while_it_is_held_or_a_cpu_waits() {
        let lock = FairLock::new();
        assert!(lock.try_take());
        assert!(!lock.try_take());
        let mut waited = 0;
        lock.take(|| {
            // Between the release and the turn of the CPU that waits.
            lock.release();
            assert!(!lock.try_take(), "it was overtaken");
            waited += 1;
        });
        assert_eq!(waited, 1);
        lock.release();
        assert!(lock.try_take());
    }

    #[test]
    fn cpus_that_wait_have_their_turns_in_order() {
        let lock = FairLock::new();
        assert!(lock.try_take());
        let order = AtomicU32::new(0);
        thread::scope(|scope| {
            for number in 0..3 {
                let (lock, order) = (&lock, &order);
                scope.spawn(move || {
                    lock.take(thread::yield_now);
                    assert_eq!(order.fetch_add(1, Ordering::Relaxed), number);
                    lock.release();
                });
                while lock.tickets.load(Ordering::Relaxed) <= number {
                    thread::yield_now();
                }
            }
            lock.release();
        });
        assert!(lock.try_take());
    }
}

/// A model of two CPUs that take a lock.
#[cfg(loom)]
#[cfg(test)]
mod models {
    use super::*;
    use loom::sync::Arc;
    use loom::thread;

    /// A lock and what it guards.
    #[derive(Default)]
    struct Machine {
        lock: FairLock,
        /// How often the lock was taken. The accesses order nothing.
        count: AtomicU32,
    }

    impl Machine {
        fn release_after_one_more(&self) {
            let count = self.count.load(Ordering::Relaxed);
            self.count.store(count + 1, Ordering::Relaxed);
            self.lock.release();
        }

        fn take(&self) {
            self.lock.take(thread::yield_now);
            self.release_after_one_more();
        }

        fn try_take(&self) -> u32 {
            let is_taken = self.lock.try_take();
            if is_taken {
                self.release_after_one_more();
            }
            is_taken.into()
        }
    }

    #[test]
    fn loom_what_a_lock_guards_is_changed_by_one_cpu_at_a_time() {
        let mut model = loom::model::Builder::new();
        // Keeps the model short.
        model.preemption_bound = Some(3);
        model.check(|| {
            let machine = Arc::new(Machine::default());
            let other = machine.clone();
            let thread = thread::spawn(move || {
                other.take();
                other.try_take()
            });
            let taken = machine.try_take();
            machine.take();
            let taken = taken + thread.join().unwrap();
            assert_eq!(machine.count.load(Ordering::Relaxed), 2 + taken);
        });
    }
}
