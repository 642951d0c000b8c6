//! Work for a lane whose lock no CPU waits for.

use crate::util::atomic::{AtomicU64, Ordering, fence};

/// Which senders of a lane may have something to send, one bit for each port.
///
/// A CPU tries to take the lane's lock. If another CPU holds it, it notices its senders and tries
/// once more: that CPU finds the notice after it has released the lock. So each notice is followed
/// by an attempt, and no CPU waits for another: see [`WorkMark`](crate::util::work_mark::WorkMark), of which this is the form
/// that says where the work is.
#[derive(Debug, Default)]
pub struct Notices {
    senders: AtomicU64,
}

impl Notices {
    /// Takes all notices.
    #[inline(always)]
    fn take(&self) -> u64 {
        match self.senders.load(Ordering::Acquire) {
            0 => 0,
            _ => self.senders.swap(0, Ordering::AcqRel),
        }
    }

    /// Returns whether there is a notice. One that comes later is followed by its author's attempt.
    #[must_use]
    #[inline]
    pub fn has_any(&self) -> bool {
        self.senders.load(Ordering::Relaxed) != 0
    }

    /// Serves senders, and those that were noticed, if the lock is free.
    ///
    /// `try_lock` tries to take the lock. `serve` does a bounded piece of the work of some senders,
    /// releases the lock, and returns those that have more to send.
    ///
    /// Returns whether there may be work that nobody does: the caller must call this again soon, if
    /// with no senders.
    #[must_use]
    #[inline]
    pub fn attend<L>(
        &self,
        mut senders: u64,
        try_lock: impl Fn() -> Option<L>,
        serve: impl FnOnce(L, u64) -> u64,
    ) -> bool {
        let mut is_noticed = false;
        let lock = loop {
            match try_lock() {
                Some(lock) => break lock,
                None if is_noticed => return false,
                None => {
                    // A read-modify-write, as a store would hide earlier notices and what was stored
                    // before them from the CPU that takes them.
                    self.senders.fetch_or(senders, Ordering::AcqRel);
                    fence(Ordering::SeqCst);
                    (senders, is_noticed) = (0, true);
                }
            }
        };
        let more = serve(lock, senders | self.take());
        if more != 0 {
            self.senders.fetch_or(more, Ordering::AcqRel);
        }
        fence(Ordering::SeqCst);
        self.senders.load(Ordering::Relaxed) != 0
    }
}

#[cfg(not(loom))]
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_that_is_left_or_comes_during_an_attempt_is_for_the_next_one() {
        let notices = Notices::default();
        let is_left = notices.attend(
            1,
            || Some(()),
            |(), senders| {
                assert_eq!(senders, 1);
                let is_left = notices.attend(2, || None, |(), _| unreachable!());
                assert!(!is_left, "the holder of the lock sees it");
                assert!(notices.has_any());
                4
            },
        );
        assert!(is_left);
        let is_left = notices.attend(
            0,
            || Some(()),
            |(), senders| {
                assert_eq!(senders, 6);
                0
            },
        );
        assert!(!is_left);
    }
}

/// Models of CPUs that have work at the same time.
#[cfg(loom)]
#[cfg(test)]
mod models {
    use super::*;
    use crate::util::atomic::{AtomicBool, AtomicU32};
    use loom::sync::Arc;

    #[derive(Default)]
    struct Machine {
        notices: Notices,
        is_locked: AtomicBool,
        /// What each CPU has sent, and how much of it was delivered.
        sent: [AtomicU32; 2],
        delivered: [AtomicU32; 2],
    }

    impl Machine {
        fn notify(&self, sender: usize) {
            let mut senders = 1 << sender;
            let try_lock = || {
                let (order, failed) = (Ordering::Acquire, Ordering::Relaxed);
                self.is_locked.compare_exchange(false, true, order, failed).ok()
            };
            while self.notices.attend(senders, try_lock, |_, noticed| {
                for (index, (sent, delivered)) in self.sent.iter().zip(&self.delivered).enumerate()
                {
                    if noticed >> index & 1 != 0 {
                        delivered.store(sent.load(Ordering::Relaxed), Ordering::Relaxed);
                    }
                }
                self.is_locked.store(false, Ordering::Release);
                0
            }) {
                senders = 0;
            }
        }
    }

    #[test]
    fn loom_what_is_sent_is_delivered_by_one_of_two_cpus() {
        let mut model = loom::model::Builder::new();
        // Keeps the model short.
        model.preemption_bound = Some(3);
        model.check(|| {
            let machine = Arc::new(Machine::default());
            let other = machine.clone();
            let thread = loom::thread::spawn(move || {
                other.sent[0].store(1, Ordering::Relaxed);
                other.notify(0);
            });
            machine.sent[1].store(1, Ordering::Relaxed);
            machine.notify(1);
            thread.join().unwrap();
            for delivered in &machine.delivered {
                assert_eq!(delivered.load(Ordering::Relaxed), 1);
            }
        });
    }
}
