//! What a CPU needs to list an interrupt that arrives there, without the partition's lock.
//!
//! For each interrupt that may go straight into a list register, the value that goes there is prepared. Who
//! holds the lock changes that on any CPU and at any time, while the vCPU's own CPU uses it. They do not
//! miss each other: the CPU notes what it lists before it looks whether it may, and who wants an
//! interrupt back forbids it before looking who lists it. A sequentially consistent fence is between
//! the two on either side, so that one of them at least sees what the other has done.

use alloc::boxed::Box;
use core::num::NonZeroU16;
use core::sync::atomic::{AtomicU16, AtomicU64, Ordering, fence};

use super::intid_set::bits;
use crate::arch::intid::Intid;

/// As what [`Arrivals`] list: a list register that was never written.
pub(super) const UNUSED: u16 = 1023;

/// The part of a vCPU's virtual interrupt controller that needs no lock.
#[derive(Debug)]
pub struct Arrivals {
    /// A bit for each list register; none while something waits for one, or has to be looked at.
    room: AtomicU16,
    /// The INTID last written to each list register, which may have ended since.
    listed: [AtomicU16; 16],
    /// For each INTID the list register that it gets, as the hardware takes it; zero where it may not.
    prepared: Box<[AtomicU64]>,
}

impl Arrivals {
    /// For this many words of interrupts: none may be listed.
    pub(super) fn new(words: usize) -> Self {
        Self {
            room: AtomicU16::new(0),
            listed: [const { AtomicU16::new(UNUSED) }; 16],
            prepared: (0..words * 32).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// As [`new`](Self::new), while the vCPU does not run.
    pub(super) fn reset(&self) {
        self.unsettle();
        self.listed.iter().for_each(|listed| listed.store(UNUSED, Ordering::Relaxed));
        self.prepared.iter().for_each(|prepared| prepared.store(0, Ordering::Relaxed));
    }

    /// Where an interrupt goes that arrived on this CPU, and what is to be written there, given the list
    /// registers that are `empty`. `None` if that is not all there is to do: then
    /// [`Vgic::interrupt`](super::Vgic::interrupt) must see to it. On the vCPU's own CPU alone.
    #[inline(always)]
    pub fn list(&self, intid: Intid, empty: u32) -> Option<(usize, u64)> {
        let room = self.room.load(Ordering::Relaxed);
        let usable = NonZeroU16::new(empty as u16 & room)?;
        // Nothing keeps an SGI from arriving again while a list register holds it.
        if intid.is_sgi() && usable.get() != room {
            return None;
        }
        let index = usable.trailing_zeros() as usize;
        let prepared = self.prepared.get(intid.get() as usize)?;
        self.listed.get(index)?.store(intid.get() as u16, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        let value = prepared.load(Ordering::Relaxed);
        (value != 0).then_some((index, value))
    }

    /// Prepares the list register of an interrupt.
    pub(super) fn prepare(&self, intid: usize, value: u64) {
        self.prepared[intid].store(value, Ordering::Relaxed);
    }

    /// From now on none of these interrupts of a word is listed that is not [`listed`](Self::listed) now.
    pub(super) fn forbid(&self, word: usize, mask: u32) {
        for bit in bits(mask) {
            self.prepare(word * 32 + bit, 0);
        }
        fence(Ordering::SeqCst);
    }

    /// What is prepared for an interrupt.
    #[cfg(test)]
    pub(super) fn prepared(&self, intid: usize) -> u64 {
        self.prepared[intid].load(Ordering::Relaxed)
    }

    /// Whether nothing waits for a list register.
    pub(super) fn is_settled(&self) -> bool {
        self.room.load(Ordering::Relaxed) != 0
    }

    /// Nothing waits for one of so many list registers, 1 to 16.
    pub(super) fn settle(&self, list_registers: usize) {
        self.room.store(u16::MAX >> (16 - list_registers), Ordering::Relaxed);
    }

    /// The next refill must look at everything, not only at what is new.
    pub(super) fn unsettle(&self) {
        self.room.store(0, Ordering::Relaxed);
    }

    /// The INTID last written to a list register.
    pub(super) fn listed(&self, index: usize) -> u16 {
        self.listed[index].load(Ordering::Relaxed)
    }

    /// The same for all, each with the number of its list register.
    pub(super) fn all_listed(&self) -> impl Iterator<Item = (usize, usize)> {
        (0..16).map(|index| (index, usize::from(self.listed(index))))
    }

    /// The same, if there is one, for a list register that is taken back.
    pub(super) fn take_listed(&self, index: usize) -> Option<Intid> {
        let listed = self.listed(index);
        self.set_listed(index, UNUSED);
        Intid::new(u32::from(listed))
    }

    /// Notes what is written to a list register.
    pub(super) fn set_listed(&self, index: usize, intid: u16) {
        self.listed[index].store(intid, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::thread;
    use std::time::{Duration, Instant};
    use std::vec::Vec;

    use super::*;

    const ROUNDS: usize = if cfg!(miri) { 100 } else { 100_000 };
    /// On a busy machine the two threads seldom run at once.
    const TIME: Duration = Duration::from_secs(3);
    const PPI: u32 = 27;

    /// Waits until `turn` is past this round.
    fn wait(turn: &AtomicUsize, round: usize) {
        let mut spins = 0_u32;
        while turn.load(Ordering::Acquire) <= round {
            spins += 1;
            if spins.is_multiple_of(1000) {
                thread::yield_now();
            }
        }
    }

    #[test]
    fn what_is_listed_is_seen_or_was_forbidden() {
        let arrivals = Arrivals::new(1);
        arrivals.settle(4);
        let intid = Intid::new(PPI).unwrap();
        // How many rounds have begun and ended, and how many there are in all.
        let [begun, ended, end] = [0, 0, ROUNDS].map(AtomicUsize::new);
        let mut both = [0; 2];
        thread::scope(|scope| {
            let cpu = scope.spawn(|| {
                let mut listed = Vec::new();
                for round in 0..ROUNDS {
                    wait(&begun, round);
                    if round >= end.load(Ordering::Acquire) {
                        break;
                    }
                    listed.push(arrivals.list(intid, 0xf).is_some());
                    ended.store(round + 1, Ordering::Release);
                }
                listed
            });
            let start = Instant::now();
            let mut seen = Vec::new();
            for round in 0..ROUNDS {
                if start.elapsed() > TIME {
                    end.store(round, Ordering::Release);
                    begun.store(round + 1, Ordering::Release);
                    break;
                }
                arrivals.set_listed(0, UNUSED);
                arrivals.prepare(PPI as usize, 1);
                begun.store(round + 1, Ordering::Release);
                // Not always at the same time after the other.
                for _ in 0..round % 16 {
                    core::hint::spin_loop();
                }
                arrivals.forbid(0, 1 << PPI);
                seen.push(u32::from(arrivals.listed(0)) == PPI);
                wait(&ended, round);
            }
            let listed = cpu.join().unwrap();
            assert_eq!(listed.len(), seen.len());
            for (is_listed, is_seen) in listed.into_iter().zip(seen) {
                assert!(is_seen || !is_listed, "it was listed, and nobody knows");
                both[usize::from(is_listed)] += 1;
            }
        });
        std::println!("forbidden {} times, listed {} times", both[0], both[1]);
    }
}
