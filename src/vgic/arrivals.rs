//! Injection of arriving interrupts without the partition's lock.
//!
//! For each interrupt that may go straight into a list register of a vCPU, [`Arrivals`] has the
//! value to write. The holder of the partition's lock changes these values on any CPU at any time,
//! while the vCPU's own CPU uses them. Both sides store, fence and load:
//!
//! - the CPU publishes the INTID in `injected`, then reads `prepared`;
//! - the revoker clears `prepared`, then reads `injected`.
//!
//! The sequentially consistent fences between the two make at least one side see the other's store:
//! an interrupt is not injected, or the revoker knows that it may be. `tools/loom` checks this.

use alloc::boxed::Box;
use core::num::NonZeroU16;

use super::intid_set::bits;
use crate::arch::intid::Intid;
use crate::util::atomic::{AtomicU16, AtomicU64, Ordering, fence};

/// The entry in `Arrivals::injected` of a list register without an interrupt: the spurious INTID.
pub(super) const NO_INTID: u16 = 1023;

/// The interrupt state of a vCPU that its CPU uses without the partition's lock.
#[derive(Debug)]
pub struct Arrivals {
    /// The list registers that exist, one bit each. Zero while interrupts in memory have to be
    /// considered first, which needs the lock.
    usable: AtomicU16,
    /// The INTID last written to each list register, which can be inactive by now.
    injected: [AtomicU16; 16],
    /// For each INTID the list register value in the hardware's layout; zero if injection needs the
    /// lock.
    prepared: Box<[AtomicU64]>,
}

impl Arrivals {
    /// Creates the state for this number of words of interrupts, none of which may be injected.
    pub(super) fn new(words: usize) -> Self {
        Self {
            usable: AtomicU16::new(0),
            injected: core::array::from_fn(|_| AtomicU16::new(NO_INTID)),
            prepared: (0..words * 32).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// Restores the state after [`new`](Self::new). The vCPU must not be running.
    pub(super) fn reset(&self) {
        self.disable();
        self.injected.iter().for_each(|injected| injected.store(NO_INTID, Ordering::Relaxed));
        self.prepared.iter().for_each(|prepared| prepared.store(0, Ordering::Relaxed));
    }

    /// Returns the list register for an interrupt that arrived on this CPU, with the value to
    /// write. `empty` are the empty list registers, one bit each. `None` if the injection needs the
    /// lock: [`Vgic::interrupt`](super::Vgic::interrupt) must be called then. Called on the vCPU's
    /// own CPU only.
    #[inline(always)]
    pub fn inject(&self, intid: Intid, empty: u32) -> Option<(usize, u64)> {
        let usable = self.usable.load(Ordering::Relaxed);
        let free = NonZeroU16::new(empty as u16 & usable)?;
        if free.get() != usable && self.is_injected(intid, usable & !free.get()) {
            return None;
        }
        let index = free.trailing_zeros() as usize;
        let prepared = self.prepared.get(intid.get() as usize)?;
        self.injected.get(index)?.store(intid.get() as u16, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        let value = prepared.load(Ordering::Relaxed);
        (value != 0).then_some((index, value))
    }

    /// Returns whether one of the list registers in the mask `in_use` holds an interrupt. An SGI
    /// can arrive again while it does. So can another interrupt if it was deactivated in the
    /// physical GIC by somebody else: by a partition with direct delivery, which can write any
    /// INTID to ICC_EOIR1_EL1 or ICC_DIR_EL1.
    #[inline(always)]
    pub(super) fn is_injected(&self, intid: Intid, in_use: u16) -> bool {
        bits(in_use.into()).any(|index| u32::from(self.injected(index & 0xf)) == intid.get())
    }

    /// Allows the injection of an interrupt, with this list register value.
    pub(super) fn prepare(&self, intid: usize, value: u64) {
        self.prepared[intid].store(value, Ordering::Relaxed);
    }

    /// Forbids the injection of an interrupt. After this call and [`revoked`] every list register
    /// that may hold the interrupt has its INTID in [`injected`](Self::injected).
    pub(super) fn revoke(&self, intid: usize) {
        self.prepare(intid, 0);
    }

    /// Returns the list register value prepared for an interrupt.
    #[cfg(test)]
    pub(super) fn prepared(&self, intid: usize) -> u64 {
        self.prepared[intid].load(Ordering::Relaxed)
    }

    /// Returns whether interrupts can be injected without the lock.
    pub(super) fn is_enabled(&self) -> bool {
        self.usable.load(Ordering::Relaxed) != 0
    }

    /// Allows injection without the lock into this number of list registers, 1 to 16.
    pub(super) fn enable(&self, list_registers: usize) {
        self.usable.store(u16::MAX >> (16 - list_registers), Ordering::Relaxed);
    }

    /// Forbids injection without the lock until the next refill, which considers all interrupts.
    pub(super) fn disable(&self) {
        self.usable.store(0, Ordering::Relaxed);
    }

    /// Returns the INTID last written to a list register, or `NO_INTID`.
    pub(super) fn injected(&self, index: usize) -> u16 {
        self.injected[index].load(Ordering::Relaxed)
    }

    /// Returns the number of each list register with the INTID last written to it.
    pub(super) fn all_injected(&self) -> impl Iterator<Item = (usize, usize)> {
        (0..16).map(|index| (index, usize::from(self.injected(index))))
    }

    /// Removes and returns the INTID last written to a list register.
    pub(super) fn take_injected(&self, index: usize) -> Option<Intid> {
        let injected = self.injected(index);
        self.set_injected(index, NO_INTID);
        Intid::new(u32::from(injected))
    }

    /// Records the INTID written to a list register.
    pub(super) fn set_injected(&self, index: usize, intid: u16) {
        self.injected[index].store(intid, Ordering::Relaxed);
    }
}

/// Orders calls of [`Arrivals::revoke`], on any number of vCPUs, before the loads of
/// [`Arrivals::injected`] that follow.
pub(super) fn revoked() {
    fence(Ordering::SeqCst);
}

#[cfg(all(test, loom))]
mod loom_models {
    use loom::sync::Arc;
    use loom::thread;
    use std::sync::atomic::AtomicBool;

    use super::*;

    const PPI: u32 = 27;

    /// One thread injects an interrupt on the vCPU's CPU while another one revokes it. The revoker
    /// sees the INTID in `injected`, or the interrupt is not injected.
    #[test]
    fn loom_arrival_is_seen_by_the_revoker_or_is_not_injected() {
        // Outlive the executions: whether one of them refused the injection, and whether one did
        // not.
        static OUTCOMES: [AtomicBool; 2] = [const { AtomicBool::new(false) }; 2];
        loom::model(|| {
            let arrivals = Arc::new(Arrivals::new(1));
            arrivals.enable(4);
            arrivals.prepare(PPI as usize, 1);
            let cpu = thread::spawn({
                let arrivals = Arc::clone(&arrivals);
                move || arrivals.inject(Intid::new(PPI).unwrap(), 0xf).is_some()
            });
            arrivals.revoke(PPI as usize);
            revoked();
            let is_seen = u32::from(arrivals.injected(0)) == PPI;
            let is_injected = cpu.join().unwrap();
            assert!(is_seen || !is_injected, "injected, but the revoker does not know");
            OUTCOMES[usize::from(is_injected)].store(true, Ordering::Relaxed);
        });
        assert!(OUTCOMES.iter().all(|it| it.load(Ordering::Relaxed)), "an outcome is missing");
    }
}
