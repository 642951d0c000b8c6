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

use crate::intid::Intid;

use super::hardware::{Hardware, StateRegister};
use super::list_register::ListRegister;
use super::selection::{Candidate, Need, Selection};
use super::state::{SGIS, UNUSED, bits, place};
use super::{CpuMask, Vgic};

impl Vgic {
    /// An owned physical interrupt was acknowledged and its priority dropped on this CPU.
    pub fn interrupt(&mut self, vcpu: usize, intid: Intid, hw: &mut impl Hardware) -> CpuMask {
        let state = &mut self.vcpus[vcpu];
        let arrival = if intid.is_private() {
            state.bank.arrival(intid)
        } else {
            let index = (intid.get() - Intid::SPI_START) as usize;
            match (self.spis.get(index / 32), self.routes.get(index)) {
                (Some(bank), Some(route)) if usize::from(route.vcpu) == vcpu => bank.arrival(intid),
                _ => None,
            }
        };
        match arrival {
            Some(lr) if state.list_new(intid, lr, hw) => CpuMask::EMPTY,
            _ => self.keep(vcpu, intid, hw),
        }
    }

    /// Notes in memory that a physical interrupt arrived, for the vCPU that it is routed to.
    #[cold]
    fn keep(&mut self, vcpu: usize, intid: Intid, hw: &mut impl Hardware) -> CpuMask {
        let (word, bit) = place(intid);
        if word >= self.words() || self.bank(vcpu, word).hardware & bit == 0 {
            return CpuMask::EMPTY;
        }
        let bank = self.bank_mut(vcpu, word);
        if bank.active & bit == 0 {
            bank.pending |= bit;
            self.summarize(word);
        } else if bank.edge & bit != 0 {
            // The guest made it active itself, by ISACTIVER. A list register cannot have it pending
            // as well, but the physical GIC can.
            hw.write_state(vcpu, StateRegister::SetPending, word, bit);
        }
        self.settle(vcpu, self.awaiting(vcpu, word, bit), hw)
    }

    /// The maintenance interrupt came in.
    pub fn maintenance(&mut self, vcpu: usize, hw: &mut impl Hardware) -> CpuMask {
        self.recall(vcpu, hw) | self.fill(vcpu, hw)
    }

    /// Brings this CPU's list registers up to date: after a doorbell, and before a vCPU is entered
    /// that was off or recalled.
    pub fn refill(&mut self, vcpu: usize, hw: &mut impl Hardware) -> CpuMask {
        if self.list_sgis(vcpu, hw) {
            return CpuMask::EMPTY;
        }
        self.recall(vcpu, hw) | self.fill(vcpu, hw)
    }

    /// Refills this CPU's list registers if it is among `kicks` or has to for its own reasons.
    /// Returns the others.
    pub(super) fn settle(
        &mut self,
        vcpu: usize,
        mut kicks: CpuMask,
        hw: &mut impl Hardware,
    ) -> CpuMask {
        if kicks.contains(vcpu) || self.vcpus[vcpu].unsettled {
            kicks |= self.refill(vcpu, hw);
        }
        kicks.without(vcpu)
    }

    /// Puts new SGIs into free list registers, if they are all there is to do.
    fn list_sgis(&mut self, vcpu: usize, hw: &mut impl Hardware) -> bool {
        let (room, busy) = (self.room, self.busy);
        let state = &mut self.vcpus[vcpu];
        let ready = state.bank.pending_now() & state.bank.deliverable;
        if state.unsettled || state.bank.active != 0 || busy != 0 || ready & !SGIS != 0 {
            return false;
        }
        let mut empty = hw.empty_list_registers();
        let full = !empty & ((1 << room) - 1);
        for sgi in bits(ready) {
            let index = empty.trailing_zeros() as usize;
            if index >= room || state.lists(sgi, full) {
                return false;
            }
            state.listed[index] = sgi as u16;
            let lr = state.take_sgi(sgi, true, false);
            hw.write_list_register(index, lr);
            empty &= empty.wrapping_sub(1);
        }
        true
    }

    /// Takes everything out of this CPU's list registers: see [`Recall`](super::Recall); also
    /// before a vCPU is switched off.
    pub fn recall(&mut self, vcpu: usize, hw: &mut impl Hardware) -> CpuMask {
        let mut kicks = CpuMask::EMPTY;
        if self.vcpus[vcpu].spilled {
            kicks = self.end_spilled(vcpu, hw);
        }
        self.vcpus[vcpu].unsettled = true;
        self.ask_maintenance(vcpu, 0, hw);
        for index in 0..self.room {
            let listed = core::mem::replace(&mut self.vcpus[vcpu].listed[index], UNUSED);
            if let Some(intid) = Intid::new(u32::from(listed)) {
                let lr = hw.read_list_register(index);
                hw.write_list_register(index, ListRegister::EMPTY);
                kicks |= self.take_back(vcpu, intid, lr);
            }
        }
        kicks
    }

    /// Notes in memory what a list register held. Another vCPU may have waited for that.
    fn take_back(&mut self, vcpu: usize, intid: Intid, lr: ListRegister) -> CpuMask {
        let (word, bit) = place(intid);
        let state = &mut self.vcpus[vcpu];
        let sgi = intid.get() as usize;
        if intid.is_sgi() && lr.is_pending() {
            state.latch_sgi(sgi, lr.source());
        }
        if intid.is_sgi() && lr.is_active() {
            state.active_source[sgi] = lr.source();
        }
        let bank = self.bank_mut(vcpu, word);
        if lr.is_active() {
            bank.active |= bit;
        }
        // Where it was only its line that made it pending, the line tells still.
        let latched = bank.hardware | bank.edge | bank.lent;
        if !intid.is_sgi() && lr.is_pending() && latched & bit != 0 {
            bank.pending |= bit;
        }
        bank.lent &= !bit;
        if word == 0 {
            return CpuMask::EMPTY;
        }
        if lr.is_active() {
            self.route_mut(intid.get() as usize).active_on = vcpu as u8;
        }
        self.summarize(word);
        self.awaiting(vcpu, word, bit).without(vcpu)
    }

    /// Carries out the guest's EOIs for which there was no list register: each ended the active
    /// interrupt of the highest priority. Another vCPU may have waited for that.
    #[cold]
    pub(super) fn end_spilled(&mut self, vcpu: usize, hw: &mut impl Hardware) -> CpuMask {
        let mut kicks = CpuMask::EMPTY;
        for _ in 0..hw.take_eoi_count() {
            let highest = bits(self.busy | 1)
                .flat_map(|word| bits(self.bank(vcpu, word).active).map(move |bit| (word, bit)))
                .filter(|&(word, bit)| {
                    word == 0 || usize::from(self.route(word * 32 + bit).active_on) == vcpu
                })
                .min_by_key(|&(word, bit)| {
                    (self.bank(vcpu, word).entries[bit].priority(), word, bit)
                });
            if let Some((word, bit)) = highest {
                self.write_state(vcpu, StateRegister::ClearActive, word, 1 << bit, hw);
                kicks |= self.awaiting(vcpu, word, 1 << bit).without(vcpu);
            }
        }
        kicks
    }

    /// Fills this CPU's empty list registers from memory. Returns the vCPUs that have to give
    /// something up first.
    pub(super) fn fill(&mut self, vcpu: usize, hw: &mut impl Hardware) -> CpuMask {
        let group_enables = hw.group_enables();
        let mut selection = Selection::new(self.room);
        let mut kicks = CpuMask::EMPTY;
        for word in bits(self.busy | 1) {
            kicks |= self.select(vcpu, word, group_enables, &mut selection);
        }
        for (index, &candidate) in selection.chosen().iter().enumerate() {
            self.list(vcpu, index, candidate, hw);
        }
        let maintenance = selection.maintenance(group_enables);
        let state = &mut self.vcpus[vcpu];
        state.unsettled = maintenance != 0;
        state.spilled = selection.leaves(Need::Active);
        self.ask_maintenance(vcpu, maintenance, hw);
        for holder in kicks {
            self.vcpus[holder].unsettled = true;
        }
        kicks
    }

    fn ask_maintenance(&mut self, vcpu: usize, wanted: u32, hw: &mut impl Hardware) {
        if self.vcpus[vcpu].maintenance != wanted {
            self.vcpus[vcpu].maintenance = wanted;
            hw.set_maintenance(wanted);
        }
    }

    /// Offers the interrupts of a word that are this vCPU's to deliver.
    fn select(
        &self,
        vcpu: usize,
        word: usize,
        group_enables: [bool; 2],
        selection: &mut Selection,
    ) -> CpuMask {
        let bank = self.bank(vcpu, word);
        let ready = bank.pending_now() & bank.deliverable;
        let mut holders = CpuMask::EMPTY;
        for bit in bits(ready | bank.active) {
            let is_active = bank.active >> bit & 1 != 0;
            let mut is_pending = ready >> bit & 1 != 0;
            if word != 0 {
                if self.deliverer(word, bit) != vcpu {
                    continue;
                }
                if is_active {
                    is_pending &= usize::from(self.route(word * 32 + bit).vcpu) == vcpu;
                }
                // A physical interrupt that is in a list register cannot arrive again.
                if bank.software >> bit & 1 != 0 {
                    let others = self.holders(vcpu, word, 1 << bit);
                    if !others.is_empty() {
                        holders |= others;
                        continue;
                    }
                }
            } else if bit < 16 && is_active {
                let state = &self.vcpus[vcpu];
                is_pending &= state.sources[bit] >> state.active_source[bit] & 1 != 0;
            }
            let is_group_enabled = group_enables[(bank.group1 >> bit & 1) as usize];
            let need = match (is_active, is_group_enabled) {
                (true, _) => Need::Active,
                (false, true) => Need::Pending,
                (false, false) => Need::DisabledGroup,
            };
            let (priority, intid) = (bank.entries[bit].priority(), (word * 32 + bit) as u32);
            selection.offer(Candidate::new(need, priority, intid, is_pending));
        }
        holders
    }

    /// Moves an interrupt from memory into a list register.
    fn list(&mut self, vcpu: usize, index: usize, candidate: Candidate, hw: &mut impl Hardware) {
        let intid = candidate.intid() as usize;
        let (pending, active) = (candidate.is_pending(), candidate.is_active());
        let lr = if intid < 16 {
            self.vcpus[vcpu].take_sgi(intid, pending, active)
        } else {
            let bank = self.bank_mut(vcpu, intid / 32);
            bank.take(intid % 32, pending, active)
        };
        self.summarize(intid / 32);
        self.vcpus[vcpu].listed[index] = intid as u16;
        hw.write_list_register(index, lr);
    }
}
