//! Delivery by list registers: moves interrupts between memory and a CPU's list registers.
//!
//! Usually a physical interrupt or an SGI arrives while a list register is free and nothing else is
//! pending in memory, and goes there directly. In all other cases all list registers are recalled
//! into memory and refilled with the most urgent interrupts:
//!
//! 1. pending interrupts that the guest can take, by priority, then by ascending INTID;
//! 2. active interrupts, pending again or not, in the same order;
//! 3. pending interrupts of a group that the guest has disabled at its CPU interface.
//!
//! Interrupts that do not fit are retried on a maintenance interrupt: pending ones when no list
//! register is pending or the guest enables or disables a group, active ones when an EOI matches no
//! list register. No INTID is in two list registers of a CPU at once, as both architectures
//! require: an SGI from a second source waits until the first is deactivated.

use super::config::Version;
use super::cpu_mask::CpuMask;
use super::hardware::{Hardware, StateRegister};
use super::intid_set::{IntidSet, SGIS, bits};
use super::list_register::ListRegister;
use super::list_registers::ListRegisters;
use super::selection::{Candidate, Need, Offer, leaves, maintenance};
use super::state::GicState;
use crate::arch::intid::Intid;

impl ListRegisters {
    /// Makes a physical interrupt pending that this CPU acknowledged: see
    /// [`Vgic::interrupt`](super::Vgic::interrupt).
    pub fn interrupt(
        &mut self,
        gic: &mut GicState,
        intid: Intid,
        source: u8,
        hw: &mut impl Hardware,
    ) -> Option<CpuMask> {
        if intid.is_sgi() && self.physical_sgis >> intid.get() & 1 != 0 {
            return Some(self.sgi_arrived(gic, intid.get() as usize, source, hw));
        }
        let set = IntidSet::one(hw.vcpu(), intid);
        if set.word() >= gic.words() {
            return None;
        }
        let bank = gic.bank(set);
        if (bank.hardware | bank.messages) & set.mask() == 0 {
            return None;
        }
        // Active here or in a list register, it was made active by ISACTIVER, or deactivated in the
        // physical GIC by another partition: see `Arrivals::is_injected`. One for which an LPI
        // stands is not active in the physical GIC, and can be both.
        let in_use = !hw.empty_list_registers() & self.mask();
        let is_held = gic.vcpus[hw.vcpu()].arrivals.is_injected(intid, in_use as u16);
        let bank = gic.bank_mut(set);
        if bank.messages & set.mask() != 0 || bank.active & set.mask() == 0 && !is_held {
            bank.latched |= set.mask();
            self.update_busy(gic, set);
        } else if bank.edge & set.mask() != 0 {
            // A list register with HW set cannot be both active and pending, but the physical GIC
            // can.
            hw.write_state(StateRegister::SetPending, set);
        }
        Some(self.deliver(gic, CpuMask::EMPTY, set, hw))
    }

    /// Makes the SGI pending for which a physical SGI arrived on this CPU. On GICv3 that is one of
    /// Group 1.
    fn sgi_arrived(
        &mut self,
        gic: &mut GicState,
        sgi: usize,
        source: u8,
        hw: &mut impl Hardware,
    ) -> CpuMask {
        let vcpu = hw.vcpu();
        let version = gic.version;
        let bank = gic.private_mut(vcpu);
        let in_group = version == Version::V2 || bank.group1 >> sgi & 1 != 0;
        let is_raised = in_group && bank.raise_sgi(sgi, source);
        let kicks = if is_raised { CpuMask::one(vcpu) } else { CpuMask::EMPTY };
        self.deliver(gic, kicks, IntidSet::NONE, hw)
    }

    /// Recalls and refills this CPU's list registers. Returns the vCPUs to kick: this one too after
    /// a change of the group enables, so that the refill is a visit of its own.
    pub fn maintenance(&mut self, gic: &mut GicState, hw: &mut impl Hardware) -> CpuMask {
        let mut kicks = self.recall(gic, hw);
        if gic.unsettled.contains(hw.vcpu()) {
            self.settle(gic, hw.vcpu());
            kicks |= CpuMask::one(hw.vcpu());
        } else {
            kicks |= self.fill(gic, hw);
        }
        kicks
    }

    /// Ends a change of the interrupts of `set`: see [`Backend::deliver`](super::backend::Backend).
    /// Mostly nothing has to be delivered, which is found at once.
    #[inline(always)]
    pub fn finish(
        &mut self,
        gic: &mut GicState,
        kicks: CpuMask,
        set: IntidSet,
        hw: &mut impl Hardware,
    ) -> CpuMask {
        self.prepare(gic, set);
        let bank = gic.bank_inlined(set);
        if kicks.is_empty()
            && (bank.ready() | bank.active) & set.mask() == 0
            && gic.vcpus[hw.vcpu()].arrivals.is_enabled()
        {
            return CpuMask::EMPTY;
        }
        self.deliver(gic, kicks, set, hw)
    }

    /// Updates this CPU's list registers. Returns the vCPUs to kick.
    pub fn refill(&mut self, gic: &mut GicState, hw: &mut impl Hardware) -> CpuMask {
        if self.inject_new_sgis(gic, hw) { CpuMask::EMPTY } else { self.maintenance(gic, hw) }
    }

    /// Refills this CPU's list registers if this vCPU is in `kicks`, is the target of a ready or
    /// active interrupt of `set`, or has interrupts that did not fit. Returns the vCPUs to kick:
    /// this one too if the access is a long one, concerns other vCPUs or changes several
    /// interrupts, so that the refill is a visit of its own.
    pub fn deliver(
        &mut self,
        gic: &mut GicState,
        mut kicks: CpuMask,
        set: IntidSet,
        hw: &mut impl Hardware,
    ) -> CpuMask {
        if set.mask() != 0 {
            kicks |= self.targets(gic, set);
        }
        let vcpu = hw.vcpu();
        if !kicks.contains(vcpu) && gic.vcpus[vcpu].arrivals.is_enabled() {
            return kicks;
        }
        let is_long = core::mem::take(&mut self.is_long)
            || !kicks.without(vcpu).is_empty()
            || set.mask() & set.mask().wrapping_sub(1) != 0;
        if is_long {
            kicks |= CpuMask::one(vcpu);
            return kicks;
        }
        let mut kicks = kicks.without(vcpu);
        kicks |= self.refill(gic, hw);
        kicks
    }

    /// Writes pending SGIs into free list registers. Returns false if there is more to do.
    fn inject_new_sgis(&mut self, gic: &mut GicState, hw: &mut impl Hardware) -> bool {
        let (count, mask, busy) = (self.count, self.mask(), self.busy);
        let (state, bank) = (&gic.vcpus[hw.vcpu()], &mut gic.banks[hw.vcpu()]);
        let ready = bank.ready();
        if !state.arrivals.is_enabled() || bank.active != 0 || busy != 0 || ready & !SGIS != 0 {
            return false;
        }
        let mut empty = hw.empty_list_registers();
        let full = !empty & mask;
        if state.holds(0, ready, full) {
            return false;
        }
        for sgi in bits(ready) {
            let index = empty.trailing_zeros() as usize;
            if index >= count {
                return false;
            }
            state.arrivals.set_injected(index, sgi as u16);
            let lr = bank.take_sgi(sgi, true, false);
            hw.write_list_register(index, lr);
            empty &= empty.wrapping_sub(1);
        }
        true
    }

    /// Moves the contents of this CPU's list registers into memory. Returns the other vCPUs to
    /// kick.
    pub fn recall(&mut self, gic: &mut GicState, hw: &mut impl Hardware) -> CpuMask {
        let vcpu = hw.vcpu();
        let mut kicks = CpuMask::EMPTY;
        if gic.vcpus[vcpu].overflowed {
            kicks = self.end_overflowed(gic, hw);
        }
        let state = &mut gic.vcpus[vcpu];
        state.arrivals.disable();
        state.request_maintenance(0, hw);
        for index in 0..self.count {
            if let Some(intid) = gic.vcpus[vcpu].arrivals.take_injected(index) {
                let lr = hw.read_list_register(index);
                hw.write_list_register(index, ListRegister::EMPTY);
                kicks |= self.save(gic, vcpu, intid, lr);
            }
        }
        kicks
    }

    /// Moves the contents of one list register into memory. Returns the other vCPU that must inject
    /// the interrupt, if its route has changed.
    fn save(&mut self, gic: &mut GicState, vcpu: usize, intid: Intid, lr: ListRegister) -> CpuMask {
        let set = IntidSet::one(vcpu, intid);
        let index = intid.get() as usize;
        let bank = gic.bank_mut(set);
        if intid.is_sgi() {
            if lr.is_pending() {
                bank.latch_sgi(index, lr.source());
            }
            if lr.is_active() {
                bank.active_source[index] = lr.source();
            }
        }
        if lr.is_active() {
            bank.set_active(index % 32, vcpu as u8);
        }
        // If only the line made it pending, `Bank::line` still has that.
        let latched = bank.hardware | bank.messages | bank.edge | bank.latched_in_lr;
        if !intid.is_sgi() && lr.is_pending() {
            bank.latched |= latched & set.mask();
        }
        bank.latched_in_lr &= !set.mask();
        self.update_busy(gic, set);
        self.targets(gic, set).without(vcpu)
    }

    /// Carries out the EOIs that matched no list register: each deactivates the active interrupt of
    /// the highest priority. Returns the other vCPUs to kick.
    #[cold]
    fn end_overflowed(&mut self, gic: &mut GicState, hw: &mut impl Hardware) -> CpuMask {
        let vcpu = hw.vcpu();
        let mut kicks = CpuMask::EMPTY;
        for _ in 0..hw.take_eoi_count() {
            let mut highest = Candidate::NONE;
            for word in bits(self.busy | 1) {
                let bank = gic.bank(IntidSet::new(vcpu, word, u32::MAX));
                let active = bank.active_on(vcpu);
                if active != 0 {
                    highest = highest.min(Candidate::best_of(Need::Active, active, bank));
                }
            }
            if highest != Candidate::NONE {
                let (word, bit) = (highest.intid() / 32, highest.intid() % 32);
                let set = IntidSet::new(vcpu, word, 1 << bit);
                self.clear_active(gic, set, hw);
                kicks |= self.targets(gic, set).without(vcpu);
            }
        }
        kicks
    }

    /// Fills this CPU's empty list registers from memory. Returns the vCPUs that must be recalled
    /// before an interrupt can be injected here.
    fn fill(&mut self, gic: &mut GicState, hw: &mut impl Hardware) -> CpuMask {
        let (words, group_enables) = (self.busy | 1, hw.group_enables());
        let mut kicks = CpuMask::EMPTY;
        for word in bits(words) {
            let (offer, others) = self.offer(gic, hw.vcpu(), word, group_enables);
            if let Some(kept) = self.offers.get_mut(word) {
                *kept = offer;
            }
            kicks |= others;
        }
        for index in 0..self.count {
            let offers = bits(words).filter_map(|word| self.offers.get(word));
            let best = offers.map(|offer| offer.best);
            let best = best.min().unwrap_or(Candidate::NONE);
            if best == Candidate::NONE {
                break;
            }
            self.inject(gic, index, best, hw);
            let word = best.intid() / 32;
            if let Some(offer) = self.offers.get_mut(word) {
                offer.take_best(gic.bank(IntidSet::new(hw.vcpu(), word, 0)));
            }
        }
        let offers = bits(words).filter_map(|word| self.offers.get(word));
        let left = offers.fold(0, |left, offer| left | offer.left());
        let maintenance = maintenance(left, group_enables, gic.version);
        let state = &mut gic.vcpus[hw.vcpu()];
        if maintenance == 0 {
            state.arrivals.enable(self.count);
        }
        state.overflowed = leaves(left, Need::Active);
        state.request_maintenance(maintenance, hw);
        self.require_full_refill(gic, kicks);
        kicks
    }

    /// Returns the interrupts of a word that this vCPU is the target of and that need a list
    /// register, and the other vCPUs that hold one of them.
    fn offer(
        &self,
        gic: &GicState,
        vcpu: usize,
        word: usize,
        group_enables: u32,
    ) -> (Offer, CpuMask) {
        let set = IntidSet::new(vcpu, word, u32::MAX);
        let bank = gic.bank(set);
        let active = bank.active_on(vcpu);
        let pending = bank.ready_for(vcpu) & !bank.active;
        let mut others = CpuMask::EMPTY;
        // A hardware interrupt in a list register is physically active and cannot arrive again.
        // Private interrupts are in no list register, since this CPU's are empty.
        let elsewhere = if word == 0 { 0 } else { bank.virtual_only & (pending | active) };
        let mut held = 0;
        for bit in bits(elsewhere) {
            let holders = self.holders(gic, set.with(1 << bit));
            held |= u32::from(!holders.is_empty()) << bit;
            others |= holders;
        }
        let enabled = bank.in_groups(group_enables);
        let needs = [pending & enabled, active, pending & !enabled].map(|mask| mask & !held);
        (Offer::new(needs, bank), others)
    }

    /// Moves an interrupt from memory into a list register.
    fn inject(
        &mut self,
        gic: &mut GicState,
        index: usize,
        candidate: Candidate,
        hw: &mut impl Hardware,
    ) {
        let intid = candidate.intid();
        let (word, bit) = (intid / 32, intid % 32);
        let active = candidate.need() == Need::Active;
        let set = IntidSet::new(hw.vcpu(), word, 0);
        let bank = gic.bank_mut(set);
        // An active one is pending again only here and, if it is an SGI, from the same source.
        let pending = !active
            || bank.ready() >> bit & 1 != 0
                && usize::from(bank.routes[bit].vcpu) == hw.vcpu()
                && (intid >= 16
                    || bank.sources[bit].wrapping_shr(bank.active_source[bit].into()) & 1 != 0);
        // If it is only pending, no other vCPU holds it any more: see `offer`.
        let found = if active { 0 } else { bank.astray & 1 << bit };
        bank.astray ^= found;
        let lr = if intid < 16 {
            bank.take_sgi(bit, pending, active)
        } else {
            bank.take(bit, pending, active)
        };
        self.update_busy(gic, set);
        gic.vcpus[hw.vcpu()].arrivals.set_injected(index, intid as u16);
        hw.write_list_register(index, lr);
        if found != 0 {
            self.prepare(gic, set.with(found));
        }
    }
}
