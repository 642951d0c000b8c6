//! Between memory and the list registers.
//!
//! The usual case is short: a physical interrupt arrives, or an SGI, a list register is free, and
//! nothing waits. Everything else takes all list registers back into memory and fills them again
//! with the interrupts that need them most:
//!
//! 1. pending ones that the guest can take, by priority, then by INTID from the lowest;
//! 2. active ones, whether pending again or not, in the same order;
//! 3. pending ones of a group that the guest has disabled at its CPU interface.
//!
//! What is left over is waited for with maintenance interrupts: until no list register is pending
//! or a group is switched, for those that are pending; until an EOI finds no list register, for
//! those that are active. No INTID is in two list registers of a CPU at once, as both architectures
//! demand: an SGI from a second source waits for the end of the first.

use crate::arch::intid::Intid;

use super::config::{Delivery, Version};
use super::controller::Vgic;
use super::cpu_mask::CpuMask;
use super::hardware::{Hardware, StateRegister};
use super::intid_set::{IntidSet, SGIS, bits};
use super::list_register::ListRegister;
use super::selection::{Candidate, Need, Selection};

impl Vgic {
    /// A physical interrupt was acknowledged and its priority dropped on this CPU, and its
    /// [`Arrivals`](super::Arrivals) did not list it. `None` where the partition does not own it. An SGI is
    /// to be deactivated at once; on GICv2 `source` is the vCPU that sent it.
    pub fn interrupt(
        &mut self,
        intid: Intid,
        source: u8,
        hw: &mut impl Hardware,
    ) -> Option<CpuMask> {
        if intid.is_sgi() && self.physical_sgis >> intid.get() & 1 != 0 {
            return Some(self.sgi_arrived(intid.get() as usize, source, hw));
        }
        let set = IntidSet::one(hw.vcpu(), intid);
        if set.word() >= self.words() || self.bank(set).hardware & set.mask() == 0 {
            return None;
        }
        let bank = self.bank_mut(set);
        if bank.active & set.mask() == 0 {
            bank.pending |= set.mask();
            self.summarize(set);
        } else if bank.edge & set.mask() != 0 {
            // The guest made it active itself, by ISACTIVER. A list register cannot have it pending
            // as well, but the physical GIC can.
            hw.write_state(StateRegister::SetPending, set);
        }
        Some(self.settle(CpuMask::EMPTY, set, hw))
    }

    /// A physical SGI arrived on this CPU. On GICv3 it stands for one of Group 1.
    fn sgi_arrived(&mut self, sgi: usize, source: u8, hw: &mut impl Hardware) -> CpuMask {
        let vcpu = hw.vcpu();
        let bank = &mut self.banks[vcpu];
        let is_meant = self.version == Version::V2 || bank.group1 >> sgi & 1 != 0;
        let is_raised = is_meant && bank.raise_sgi(sgi, source);
        let kicks = if is_raised { CpuMask::one(vcpu) } else { CpuMask::EMPTY };
        self.settle(kicks, IntidSet::NONE, hw)
    }

    /// The maintenance interrupt came in.
    pub fn maintenance(&mut self, hw: &mut impl Hardware) -> CpuMask {
        let mut kicks = self.recall(hw);
        kicks |= self.fill(hw);
        kicks
    }

    /// Brings this CPU's list registers up to date: after a doorbell, and before a vCPU is entered
    /// that was off or recalled.
    pub fn refill(&mut self, hw: &mut impl Hardware) -> CpuMask {
        if self.delivery == Delivery::Direct || self.list_sgis(hw) {
            CpuMask::EMPTY
        } else {
            self.maintenance(hw)
        }
    }

    /// Refills this CPU's list registers if it is among `kicks`, awaits an interrupt of `set`, or
    /// has to for its own reasons. Returns the others.
    pub(super) fn settle(
        &mut self,
        mut kicks: CpuMask,
        set: IntidSet,
        hw: &mut impl Hardware,
    ) -> CpuMask {
        if self.delivery == Delivery::Direct {
            return CpuMask::EMPTY;
        }
        if set.mask() != 0 {
            kicks |= self.awaiting(set);
        }
        let vcpu = hw.vcpu();
        if kicks.contains(vcpu) || !self.vcpus[vcpu].arrivals.is_settled() {
            kicks |= self.refill(hw);
        }
        kicks.without(vcpu)
    }

    /// Puts new SGIs into free list registers, if they are all there is to do.
    fn list_sgis(&mut self, hw: &mut impl Hardware) -> bool {
        let (room, busy) = (self.room, self.busy);
        let (state, bank) = (&self.vcpus[hw.vcpu()], &mut self.banks[hw.vcpu()]);
        let ready = bank.ready();
        if !state.arrivals.is_settled() || bank.active != 0 || busy != 0 || ready & !SGIS != 0 {
            return false;
        }
        let mut empty = hw.empty_list_registers();
        let full = !empty & ((1 << room) - 1);
        if state.lists(0, ready, full) {
            return false;
        }
        for sgi in bits(ready) {
            let index = empty.trailing_zeros() as usize;
            if index >= room {
                return false;
            }
            state.arrivals.set_listed(index, sgi as u16);
            let lr = bank.take_sgi(sgi, true, false);
            hw.write_list_register(index, lr);
            empty &= empty.wrapping_sub(1);
        }
        true
    }

    /// Takes everything out of this CPU's list registers: see [`Recall`](super::Recall); also
    /// before a vCPU is switched off.
    pub fn recall(&mut self, hw: &mut impl Hardware) -> CpuMask {
        let vcpu = hw.vcpu();
        let mut kicks = CpuMask::EMPTY;
        if self.delivery == Delivery::Direct {
            return kicks;
        }
        if self.vcpus[vcpu].spilled {
            kicks = self.end_spilled(hw);
        }
        let state = &mut self.vcpus[vcpu];
        state.arrivals.unsettle();
        state.ask_maintenance(0, hw);
        for index in 0..self.room {
            if let Some(intid) = self.vcpus[vcpu].arrivals.take_listed(index) {
                let lr = hw.read_list_register(index);
                hw.write_list_register(index, ListRegister::EMPTY);
                kicks |= self.take_back(vcpu, intid, lr);
            }
        }
        kicks
    }

    /// Notes in memory what a list register held. Another vCPU may have waited for that.
    fn take_back(&mut self, vcpu: usize, intid: Intid, lr: ListRegister) -> CpuMask {
        let set = IntidSet::one(vcpu, intid);
        let index = intid.get() as usize;
        let bank = self.bank_mut(set);
        if intid.is_sgi() {
            if lr.is_pending() {
                bank.latch_sgi(index, lr.source());
            }
            if lr.is_active() {
                bank.active_source[index] = lr.source();
            }
        }
        if lr.is_active() {
            bank.active |= set.mask();
            bank.routes[index % 32].active_on = vcpu as u8;
        }
        // Where it was only its line that made it pending, the line tells still.
        let latched = bank.hardware | bank.edge | bank.lent;
        if !intid.is_sgi() && lr.is_pending() {
            bank.pending |= latched & set.mask();
        }
        bank.lent &= !set.mask();
        self.summarize(set);
        self.awaiting(set).without(vcpu)
    }

    /// Carries out the guest's EOIs for which there was no list register: each ended the active
    /// interrupt of the highest priority. Another vCPU may have waited for that.
    #[cold]
    fn end_spilled(&mut self, hw: &mut impl Hardware) -> CpuMask {
        let vcpu = hw.vcpu();
        let mut kicks = CpuMask::EMPTY;
        for _ in 0..hw.take_eoi_count() {
            let mut highest = Candidate::NONE;
            for word in bits(self.busy | 1) {
                let bank = self.bank(IntidSet::new(vcpu, word, u32::MAX));
                for bit in bits(bank.active).filter(|&bit| bank.deliverer(bit) == vcpu) {
                    let priority = bank.entries[bit].priority();
                    let intid = word * 32 + bit;
                    highest = highest.min(Candidate::new(Need::Active, priority, intid, false));
                }
            }
            if highest != Candidate::NONE {
                let (word, bit) = (highest.intid() / 32, highest.intid() % 32);
                let set = IntidSet::new(vcpu, word, 1 << bit);
                self.write_state(StateRegister::ClearActive, set, hw);
                kicks |= self.awaiting(set).without(vcpu);
            }
        }
        kicks
    }

    /// Fills this CPU's empty list registers from memory. Returns the vCPUs that have to give
    /// something up first.
    fn fill(&mut self, hw: &mut impl Hardware) -> CpuMask {
        let mut selection = Selection::new(self.room, hw.group_enables());
        let mut kicks = CpuMask::EMPTY;
        for word in bits(self.busy | 1) {
            kicks |= self.select(hw.vcpu(), word, &mut selection);
        }
        for (index, candidate) in selection.chosen().enumerate() {
            self.list(index, candidate, hw);
        }
        let maintenance = selection.maintenance();
        let state = &mut self.vcpus[hw.vcpu()];
        if maintenance == 0 {
            state.arrivals.settle(self.room);
        }
        state.spilled = selection.leaves(Need::Active);
        state.ask_maintenance(maintenance, hw);
        self.unsettle(kicks);
        kicks
    }

    /// Has these vCPUs look at everything in their next refill.
    pub(super) fn unsettle(&mut self, vcpus: CpuMask) {
        for vcpu in vcpus {
            self.vcpus[vcpu].arrivals.unsettle();
        }
    }

    /// Offers the interrupts of a word that are this vCPU's to deliver.
    fn select(&self, vcpu: usize, word: usize, selection: &mut Selection) -> CpuMask {
        let set = IntidSet::new(vcpu, word, u32::MAX);
        let bank = self.bank(set);
        let ready = bank.ready();
        let mut holders = CpuMask::EMPTY;
        for bit in bits(ready | bank.active).filter(|&bit| bank.deliverer(bit) == vcpu) {
            let is_active = bank.active >> bit & 1 != 0;
            let mut pending = ready >> bit & 1 != 0;
            if is_active {
                pending &= usize::from(bank.routes[bit].vcpu) == vcpu;
                if word == 0 && bit < 16 {
                    pending &= bank.sources[bit] >> bank.active_source[bit] & 1 != 0;
                }
            }
            // A physical interrupt that is in a list register cannot arrive again.
            if bank.virtual_only >> bit & 1 != 0 {
                let others = self.holders(set.with(1 << bit));
                if !others.is_empty() {
                    holders |= others;
                    continue;
                }
            }
            let need = match selection.group_enables >> (bank.group1 >> bit & 1) & 1 {
                _ if is_active => Need::Active,
                0 => Need::DisabledGroup,
                _ => Need::Pending,
            };
            let priority = bank.entries[bit].priority();
            selection.offer(Candidate::new(need, priority, word * 32 + bit, pending));
        }
        holders
    }

    /// Moves an interrupt from memory into a list register.
    fn list(&mut self, index: usize, candidate: Candidate, hw: &mut impl Hardware) {
        let (intid, pending) = (candidate.intid(), candidate.is_pending());
        let (word, bit) = (intid / 32, intid % 32);
        let active = candidate.need() == Need::Active;
        let set = IntidSet::new(hw.vcpu(), word, 0);
        let bank = self.bank_mut(set);
        let lr = if intid < 16 {
            bank.take_sgi(bit, pending, active)
        } else {
            bank.take(bit, pending, active)
        };
        self.summarize(set);
        self.vcpus[hw.vcpu()].arrivals.set_listed(index, intid as u16);
        hw.write_list_register(index, lr);
    }
}
