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

use super::intid_set::bits;
use super::list_register::{OBSERVED, TREATED};
use super::virtual_timer::NO_EXPIRY;
use crate::arch::intid::Intid;
use crate::util::atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering, fence};

/// The entry in `Arrivals::injected` of a list register without an interrupt: the spurious INTID.
pub(super) const NO_INTID: u16 = 1023;

/// The value of `Arrivals::usable` without list registers. No value of ICH_ELRSR_EL2 equals it.
const NONE_USABLE: u32 = 1 << 31;

/// The interrupt state of a vCPU that its CPU uses without the partition's lock.
#[derive(Debug)]
pub struct Arrivals {
    /// The list registers that exist, one bit each; [`NONE_USABLE`] while interrupts in memory have
    /// to be considered first, which needs the lock.
    usable: AtomicU32,
    /// The INTID last written to each list register, which can be inactive by now.
    injected: [AtomicU16; 16],
    /// For each INTID the value of [`ListRegister::arriving`]; zero if injection needs the lock.
    ///
    /// [`ListRegister::arriving`]: super::ListRegister::arriving
    prepared: Box<[AtomicU64]>,
    /// CNTV_CVAL_EL0 when the virtual timer's interrupt was last observed or masked.
    pub(super) expiry: AtomicU64,
}

/// What [`Arrivals::inject`] and [`Arrivals::inject_beside_others`] decide.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Injection {
    /// The list register with this number gets this value.
    Write(usize, u64),
    /// The same, and EL2 masks the virtual timer, whose interrupt it is.
    WriteAndMaskTimer(usize, u64),
    /// The same, and EL2 observes the virtual timer, whose interrupt it is.
    WriteAndObserveTimer(usize, u64),
    /// The interrupt cannot be injected in this way. If neither can,
    /// [`Vgic::interrupt`](super::Vgic::interrupt) must be called, which needs the lock.
    Refused,
}

impl Arrivals {
    /// Creates the state for this number of words of interrupts, none of which may be injected.
    pub(super) fn new(words: usize) -> Self {
        Self {
            usable: AtomicU32::new(NONE_USABLE),
            injected: core::array::from_fn(|_| AtomicU16::new(NO_INTID)),
            prepared: (0..words * 32).map(|_| AtomicU64::new(0)).collect(),
            expiry: AtomicU64::new(NO_EXPIRY),
        }
    }

    /// Restores the state after [`new`](Self::new). The vCPU must not be running.
    pub(super) fn reset(&self) {
        self.disable();
        self.injected.iter().for_each(|injected| injected.store(NO_INTID, Ordering::Relaxed));
        self.prepared.iter().for_each(|prepared| prepared.store(0, Ordering::Relaxed));
        self.expiry.store(NO_EXPIRY, Ordering::Relaxed);
    }

    /// Decides how an interrupt that arrived on this CPU is injected if all list registers are
    /// empty: into the first one. `empty` are the empty list registers, one bit each. Called on the
    /// vCPU's own CPU only.
    #[inline(always)]
    pub fn inject(&self, intid: Intid, empty: u32) -> Injection {
        if empty == self.usable.load(Ordering::Relaxed) {
            self.inject_into(0, intid)
        } else {
            Injection::Refused
        }
    }

    /// Decides the same if other list registers are in use, unless one of them holds the interrupt.
    pub fn inject_beside_others(&self, intid: Intid, empty: u32) -> Injection {
        let usable = self.usable.load(Ordering::Relaxed) as u16;
        let free = empty as u16 & usable;
        if free == 0 || self.is_injected(intid, usable & !free) {
            return Injection::Refused;
        }
        self.inject_into(free.trailing_zeros() as usize, intid)
    }

    #[inline(always)]
    fn inject_into(&self, index: usize, intid: Intid) -> Injection {
        let Some(prepared) = self.prepared.get(intid.get() as usize) else {
            return Injection::Refused;
        };
        let Some(injected) = self.injected.get(index) else { return Injection::Refused };
        injected.store(intid.get() as u16, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        let value = prepared.load(Ordering::Relaxed);
        if value == 0 {
            Injection::Refused
        } else if value & TREATED == 0 {
            Injection::Write(index, value)
        } else if value & OBSERVED == 0 {
            Injection::WriteAndMaskTimer(index, value & !TREATED)
        } else {
            Injection::WriteAndObserveTimer(index, value & !(TREATED | OBSERVED))
        }
    }

    /// Records CNTV_CVAL_EL0 of an expiry at which EL2 has masked the virtual timer.
    #[inline(always)]
    pub fn timer_masked(&self, compare: u64) {
        self.expiry.store(compare, Ordering::Relaxed);
    }

    /// Returns whether one of the list registers in the mask `in_use` holds an interrupt. An SGI
    /// can arrive again while it does. So can another interrupt if it was deactivated in the
    /// physical GIC by somebody else: by a partition with direct delivery, which can write any
    /// INTID to ICC_EOIR1_EL1 or ICC_DIR_EL1.
    #[inline(always)]
    pub(super) fn is_injected(&self, intid: Intid, in_use: u16) -> bool {
        bits(in_use.into()).any(|index| u32::from(self.injected(index)) == intid.get())
    }

    /// Allows the injection of an interrupt, with this value of [`ListRegister::arriving`].
    ///
    /// [`ListRegister::arriving`]: super::ListRegister::arriving
    pub(super) fn prepare(&self, intid: usize, value: u64) {
        if let Some(prepared) = self.prepared.get(intid) {
            prepared.store(value, Ordering::Relaxed);
        }
    }

    /// Forbids the injection of an interrupt. After this call and [`revoked`] every list register
    /// that may hold the interrupt has its INTID in [`injected`](Self::injected).
    pub(super) fn revoke(&self, intid: usize) {
        self.prepare(intid, 0);
    }

    /// Returns the list register value prepared for an interrupt, without marks.
    #[cfg(test)]
    pub(super) fn prepared(&self, intid: usize) -> u64 {
        self.prepared[intid].load(Ordering::Relaxed) & !(TREATED | OBSERVED)
    }

    /// Returns whether interrupts can be injected without the lock.
    pub(super) fn is_enabled(&self) -> bool {
        self.usable.load(Ordering::Relaxed) != NONE_USABLE
    }

    /// Allows injection without the lock into this number of list registers, 1 to 16.
    pub(super) fn enable(&self, list_registers: usize) {
        self.usable.store(
            u32::MAX.wrapping_shr(32_u32.wrapping_sub(list_registers as u32)),
            Ordering::Relaxed,
        );
    }

    /// Forbids injection without the lock until the next refill, which considers all interrupts.
    pub(super) fn disable(&self) {
        self.usable.store(NONE_USABLE, Ordering::Relaxed);
    }

    /// Returns the INTID last written to a list register, 0 to 15, or `NO_INTID`.
    pub(super) fn injected(&self, index: usize) -> u16 {
        self.injected[index & 0xf].load(Ordering::Relaxed)
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

    /// Records the INTID written to a list register, 0 to 15.
    pub(super) fn set_injected(&self, index: usize, intid: u16) {
        self.injected[index & 0xf].store(intid, Ordering::Relaxed);
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
                move || arrivals.inject(Intid::new(PPI).unwrap(), 0xf) != Injection::Refused
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
