//! What a CPU needs to list an interrupt that arrives there, without the partition's lock.
//!
//! For each interrupt that may go straight into a list register, the value that goes there is prepared. Who
//! holds the lock changes that on any CPU and at any time, while the vCPU's own CPU uses it. They do not
//! miss each other: the CPU notes what it lists before it looks whether it may, and who wants an
//! interrupt back forbids it before looking who lists it. A sequentially consistent fence is between
//! the two on either side, so that one of them at least sees what the other has done.

use alloc::boxed::Box;
use core::num::NonZeroU16;

use super::intid_set::bits;
use crate::arch::intid::Intid;
use crate::util::atomic::{AtomicU16, AtomicU64, Ordering, fence};

/// As what [`Arrivals`] list: a list register that was never written.
pub(super) const NO_INTID: u16 = 1023;

/// The part of a vCPU's virtual interrupt controller that needs no lock.
#[derive(Debug)]
pub struct Arrivals {
    /// A bit for each list register; none while something waits for one, or has to be looked at.
    usable_mask: AtomicU16,
    /// The INTID last written to each list register, which may have ended since.
    injected: [AtomicU16; 16],
    /// For each INTID the list register that it gets, as the hardware takes it; zero where it may not.
    prepared: Box<[AtomicU64]>,
}

impl Arrivals {
    /// For this many words of interrupts: none may be injected.
    pub(super) fn new(words: usize) -> Self {
        Self {
            usable_mask: AtomicU16::new(0),
            injected: core::array::from_fn(|_| AtomicU16::new(NO_INTID)),
            prepared: (0..words * 32).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// As [`new`](Self::new), while the vCPU does not run.
    pub(super) fn reset(&self) {
        self.disable();
        self.injected.iter().for_each(|injected| injected.store(NO_INTID, Ordering::Relaxed));
        self.prepared.iter().for_each(|prepared| prepared.store(0, Ordering::Relaxed));
    }

    /// Where an interrupt goes that arrived on this CPU, and what is to be written there, given the list
    /// registers that are `empty`. `None` if that is not all there is to do: then
    /// [`Vgic::interrupt`](super::Vgic::interrupt) must see to it. On the vCPU's own CPU alone.
    #[inline(always)]
    pub fn inject(&self, intid: Intid, empty: u32) -> Option<(usize, u64)> {
        let usable_mask = self.usable_mask.load(Ordering::Relaxed);
        let usable = NonZeroU16::new(empty as u16 & usable_mask)?;
        // Nothing keeps an SGI from arriving again while a list register holds it.
        if intid.is_sgi() && usable.get() != usable_mask {
            return None;
        }
        let index = usable.trailing_zeros() as usize;
        let prepared = self.prepared.get(intid.get() as usize)?;
        self.injected.get(index)?.store(intid.get() as u16, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        let value = prepared.load(Ordering::Relaxed);
        (value != 0).then_some((index, value))
    }

    /// Prepares the list register of an interrupt.
    pub(super) fn prepare(&self, intid: usize, value: u64) {
        self.prepared[intid].store(value, Ordering::Relaxed);
    }

    /// From now on none of these interrupts of a word is injected that is not [`injected`](Self::injected) now.
    pub(super) fn revoke(&self, word: usize, mask: u32) {
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
    pub(super) fn is_enabled(&self) -> bool {
        self.usable_mask.load(Ordering::Relaxed) != 0
    }

    /// Nothing waits for one of so many list registers, 1 to 16.
    pub(super) fn enable(&self, list_registers: usize) {
        self.usable_mask.store(u16::MAX >> (16 - list_registers), Ordering::Relaxed);
    }

    /// The next refill must look at everything, not only at what is new.
    pub(super) fn disable(&self) {
        self.usable_mask.store(0, Ordering::Relaxed);
    }

    /// The INTID last written to a list register.
    pub(super) fn injected(&self, index: usize) -> u16 {
        self.injected[index].load(Ordering::Relaxed)
    }

    /// The same for all, each with the number of its list register.
    pub(super) fn all_injected(&self) -> impl Iterator<Item = (usize, usize)> {
        (0..16).map(|index| (index, usize::from(self.injected(index))))
    }

    /// The same, if there is one, for a list register that is taken back.
    pub(super) fn take_injected(&self, index: usize) -> Option<Intid> {
        let injected = self.injected(index);
        self.set_injected(index, NO_INTID);
        Intid::new(u32::from(injected))
    }

    /// Notes what is written to a list register.
    pub(super) fn set_injected(&self, index: usize, intid: u16) {
        self.injected[index].store(intid, Ordering::Relaxed);
    }
}

#[cfg(all(test, loom))]
mod loom_models {
    use loom::sync::Arc;
    use loom::thread;
    use std::sync::atomic::AtomicBool;

    use super::*;

    const PPI: u32 = 27;

    /// One thread injects an interrupt on the vCPU's CPU while another one revokes it. The revoker sees
    /// the INTID in `injected`, or the interrupt is not injected.
    #[test]
    fn loom_arrival_is_seen_by_the_revoker_or_is_not_injected() {
        // Outside the model: whether some execution had each outcome, by whether it was injected.
        static OUTCOMES: [AtomicBool; 2] = [const { AtomicBool::new(false) }; 2];
        loom::model(|| {
            let arrivals = Arc::new(Arrivals::new(1));
            arrivals.enable(4);
            arrivals.prepare(PPI as usize, 1);
            let cpu = thread::spawn({
                let arrivals = Arc::clone(&arrivals);
                move || arrivals.inject(Intid::new(PPI).unwrap(), 0xf).is_some()
            });
            arrivals.revoke(0, 1 << PPI);
            let is_seen = u32::from(arrivals.injected(0)) == PPI;
            let is_injected = cpu.join().unwrap();
            assert!(is_seen || !is_injected, "injected, but the revoker does not know");
            OUTCOMES[usize::from(is_injected)].store(true, Ordering::Relaxed);
        });
        assert!(OUTCOMES.iter().all(|it| it.load(Ordering::Relaxed)), "an outcome is missing");
    }
}
