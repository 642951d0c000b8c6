//! Requests to a CPU that may be asleep.

use crate::util::atomic::{AtomicU32, Ordering};

/// The work that other CPUs request of one CPU, as a bit mask.
///
/// A CPU that requests work stores the request and then sends a kick: an interrupt that stays
/// pending until the other CPU acknowledges it, and that ends or prevents its WFI. A kick carries
/// no data, and one acknowledgement can answer the kicks of several requests. So the CPU that
/// sleeps must read the requests after the last kick that it acknowledged and before WFI.
/// [`wait_for_any`] is the loop that does so, whatever its caller's work acknowledges.
#[derive(Debug, Default)]
pub struct Wake {
    requested: AtomicU32,
}

impl Wake {
    /// Creates a mask without requests.
    #[cfg(not(all(test, loom)))]
    pub const fn new() -> Self {
        Self { requested: AtomicU32::new(0) }
    }

    /// Requests work: adds the bits of `work` to the mask. The caller must send the kick next,
    /// after a barrier (DSB ISHST) that makes the request visible before the kick arrives.
    ///
    /// Whatever the caller stored before is visible to the CPU that takes the request.
    pub fn request(&self, work: u32) {
        self.requested.fetch_or(work, Ordering::Release);
    }

    /// Returns whether work is requested that was not taken. It may be out of date unless a kick
    /// was acknowledged before.
    pub fn is_requested(&self) -> bool {
        self.requested.load(Ordering::Relaxed) != 0
    }

    /// Takes all requested work; 0 if there is none.
    pub fn take(&self) -> u32 {
        // A load is cheaper where there is none, which is the rule.
        if self.is_requested() { self.requested.swap(0, Ordering::Acquire) } else { 0 }
    }

    /// Takes the requested work of these bits; 0 if there is none.
    pub fn take_some(&self, bits: u32) -> u32 {
        let is_requested = self.requested.load(Ordering::Relaxed) & bits != 0;
        if is_requested { self.requested.fetch_and(!bits, Ordering::Acquire) & bits } else { 0 }
    }
}

/// Waits until work is requested in one of these masks, of which some may be missing.
///
/// `wait` must execute WFI and then acknowledge the pending interrupts, in this order: a kick that
/// is acknowledged between the read of the requests and WFI no longer prevents the sleep. Interrupts
/// must be masked for the same reason.
#[inline(always)]
pub fn wait_for_any<const COUNT: usize>(wakes: [Option<&Wake>; COUNT], mut wait: impl FnMut()) {
    while !wakes.iter().flatten().any(|wake| wake.is_requested()) {
        wait();
    }
}

#[cfg(not(loom))]
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_add_up_until_they_are_taken() {
        let wake = Wake::new();
        wake.request(0b01);
        wake.request(0b10);
        wake.request(0b100);
        assert_eq!((wake.take_some(0b101), wake.take_some(0b101)), (0b101, 0));
        assert_eq!((wake.take(), wake.take()), (0b10, 0));
    }

    #[test]
    fn a_wait_ends_with_a_request_in_any_mask() {
        let wakes = [Wake::new(), Wake::new()];
        for which in 0..2 {
            let mut waits = 0;
            wait_for_any([Some(&wakes[0]), None, Some(&wakes[1])], || {
                waits += 1;
                wakes[which].request(waits / 3);
            });
            assert_eq!((waits, wakes[which].take(), wakes[1 - which].take()), (3, 1, 0));
        }
    }
}

/// Models of a CPU that sleeps and of two that request work of it.
#[cfg(loom)]
#[cfg(test)]
mod models {
    use super::*;
    use loom::sync::{Arc, Condvar, Mutex};

    /// Whether a kick is pending at a CPU.
    #[derive(Default)]
    struct Interrupt {
        pending: Mutex<bool>,
        changed: Condvar,
    }

    impl Interrupt {
        fn kick(&self) {
            *self.pending.lock().unwrap() = true;
            self.changed.notify_one();
        }

        fn acknowledge(&self) {
            *self.pending.lock().unwrap() = false;
        }

        /// Models WFI: returns at once if a kick is pending, which it stays.
        fn wait(&self) {
            let mut pending = self.pending.lock().unwrap();
            while !*pending {
                pending = self.changed.wait(pending).unwrap();
            }
        }
    }

    #[derive(Default)]
    struct Machine {
        wakes: [Wake; 2],
        interrupt: Interrupt,
        /// What the requests are about.
        arguments: [AtomicU32; 2],
    }

    #[test]
    fn loom_a_cpu_does_not_sleep_while_work_is_requested() {
        let mut model = loom::model::Builder::new();
        // Keeps the model short: without a bound it takes half a minute.
        model.preemption_bound = Some(3);
        model.check(|| {
            let machine = Arc::new(Machine::default());
            for index in 0..2 {
                let machine = machine.clone();
                loom::thread::spawn(move || {
                    machine.arguments[index].store(7, Ordering::Relaxed);
                    machine.wakes[index].request(1 << index);
                    machine.interrupt.kick();
                });
            }
            let mut done = 0;
            while done != 0b11 {
                let [first, second] = &machine.wakes;
                wait_for_any([Some(first), Some(second)], || {
                    machine.interrupt.wait();
                    machine.interrupt.acknowledge();
                });
                let work = first.take() | second.take();
                for (index, argument) in machine.arguments.iter().enumerate() {
                    let is_requested = work & 1 << index != 0;
                    assert!(!is_requested || argument.load(Ordering::Relaxed) == 7);
                }
                done |= work;
                machine.interrupt.acknowledge(); // in the work, as a nested barrier does
            }
        });
    }
}
