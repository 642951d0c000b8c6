//! Work behind a lock that no CPU waits for.

use crate::util::atomic::{AtomicBool, Ordering, fence};

/// The mark that there is work for the holder of a lock.
///
/// A CPU that has work marks it and tries to take the lock. If another CPU holds it, that CPU finds
/// the mark after it has released the lock, and attempts the work again soon. So each mark is
/// followed by an attempt, and no CPU waits for another.
///
/// Both sides store, fence and then load: one stores the mark and then loads the lock's state, the
/// other stores that the lock is free and then loads the mark. At least one of them sees the
/// other's store.
#[derive(Debug, Default)]
pub struct WorkMark {
    marked: AtomicBool,
}

impl WorkMark {
    /// Creates a mark that is not set.
    #[cfg(not(all(test, loom)))]
    pub const fn new() -> Self {
        Self { marked: AtomicBool::new(false) }
    }

    /// Sets the mark, and returns whether it was set already: then the CPU that has set it, or the
    /// one that attempts the work, sees what the caller stored before.
    pub fn set(&self) -> bool {
        self.marked.swap(true, Ordering::AcqRel)
    }

    /// Clears the mark. The holder of the lock calls this before it looks for work.
    pub fn clear(&self) {
        self.marked.swap(false, Ordering::AcqRel);
    }

    /// Sets the mark and attempts the work.
    ///
    /// `attempt` tries to take the lock. If it is free, it calls [`WorkMark::clear`], does a
    /// bounded piece of the work, releases the lock and returns true; if not, it returns false.
    ///
    /// Returns false if there is a mark that the attempt may not have seen: the caller must call
    /// this again soon.
    #[must_use]
    pub fn attend(&self, mut attempt: impl FnMut() -> bool) -> bool {
        // A read-modify-write, as a store would hide an earlier mark and what was stored before it
        // from the CPU that clears the mark.
        self.set();
        fence(Ordering::SeqCst);
        if !attempt() {
            return true;
        }
        fence(Ordering::SeqCst);
        !self.marked.load(Ordering::Relaxed)
    }
}

#[cfg(not(loom))]
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_that_comes_during_an_attempt_is_attempted_by_the_next_call() {
        let mark = WorkMark::new();
        let attend = |has_more: bool| {
            mark.attend(|| {
                mark.clear();
                if has_more {
                    assert!(!mark.set());
                }
                true
            })
        };
        assert_eq!([attend(false), attend(true)], [true, false]);
        assert!(mark.set(), "the mark is kept for the next call");
        assert!(mark.attend(|| false), "the holder of the lock sees the mark");
    }
}

/// Models of CPUs that have work at the same time.
#[cfg(loom)]
#[cfg(test)]
mod models {
    use super::*;
    use crate::util::atomic::AtomicU32;
    use loom::sync::Arc;

    #[derive(Default)]
    struct Machine {
        mark: WorkMark,
        is_locked: AtomicBool,
        /// The work of each CPU, and how much of it was done.
        work: [AtomicU32; 2],
        done: [AtomicU32; 2],
    }

    impl Machine {
        fn attend(&self) {
            while !self.mark.attend(|| {
                let (order, failed) = (Ordering::Acquire, Ordering::Relaxed);
                if self.is_locked.compare_exchange(false, true, order, failed).is_err() {
                    return false;
                }
                self.mark.clear();
                for (work, done) in self.work.iter().zip(&self.done) {
                    done.store(work.load(Ordering::Relaxed), Ordering::Relaxed);
                }
                self.is_locked.store(false, Ordering::Release);
                true
            }) {}
        }
    }

    #[test]
    fn loom_no_work_is_left_when_no_cpu_attends_to_it() {
        let mut model = loom::model::Builder::new();
        // Keeps the model short.
        model.preemption_bound = Some(3);
        model.check(|| {
            let machine = Arc::new(Machine::default());
            let other = machine.clone();
            let thread = loom::thread::spawn(move || {
                other.work[0].store(1, Ordering::Relaxed);
                other.attend();
            });
            machine.work[1].store(1, Ordering::Relaxed);
            machine.attend();
            thread.join().unwrap();
            for done in &machine.done {
                assert_eq!(done.load(Ordering::Relaxed), 1);
            }
        });
    }
}
