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

use super::hardware::{HCR, Hardware, StateRegister};
use super::list_register::{LR, ListRegister};
use super::state::{SGIS, UNUSED, bits, place};
use super::{CpuMask, Vgic};

/// One that wants a list register. The order is that of need.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate(u32);

impl Candidate {
    const PENDING: u32 = 0;
    const ACTIVE: u32 = 1;
    const DISABLED_GROUP: u32 = 2;

    fn new(class: u32, priority: u8, intid: u32, pending: bool, active: bool) -> Self {
        let flags = u32::from(pending) << 1 | u32::from(active);
        Self(class << 24 | u32::from(priority) << 16 | intid << 2 | flags)
    }

    fn class(self) -> u32 {
        self.0 >> 24
    }

    fn intid(self) -> u32 {
        self.0 >> 2 & 0x3ff
    }

    fn is_pending(self) -> bool {
        self.0 & 2 != 0
    }

    fn is_active(self) -> bool {
        self.0 & 1 != 0
    }
}

/// The candidates in most need, and what is known of the others.
struct Selection {
    chosen: [Candidate; 16],
    count: usize,
    room: usize,
    /// Whether candidates of each class are left over.
    left: [bool; 3],
    left_active: bool,
}

impl Selection {
    fn new(room: usize) -> Self {
        Self {
            chosen: [Candidate(u32::MAX); 16],
            count: 0,
            room: room.min(16),
            left: [false; 3],
            left_active: false,
        }
    }

    fn offer(&mut self, mut candidate: Candidate) {
        for chosen in &mut self.chosen[..self.count] {
            if candidate < *chosen {
                core::mem::swap(chosen, &mut candidate);
            }
        }
        if self.count < self.room {
            self.chosen[self.count] = candidate;
            self.count += 1;
        } else {
            self.left[candidate.class() as usize] = true;
            self.left_active |= candidate.is_active();
        }
    }

    /// The maintenance interrupts that are needed for what is left over.
    fn maintenance(&self, group_enables: [bool; 2]) -> u32 {
        let mut wanted = 0;
        if self.left[Candidate::PENDING as usize] {
            wanted |= HCR::NPIE::SET.value;
        }
        if self.left[Candidate::PENDING as usize] || self.left[Candidate::DISABLED_GROUP as usize] {
            wanted |= match group_enables[0] {
                true => HCR::VGRP0DIE::SET.value,
                false => HCR::VGRP0EIE::SET.value,
            } | match group_enables[1] {
                true => HCR::VGRP1DIE::SET.value,
                false => HCR::VGRP1EIE::SET.value,
            };
        }
        if self.left_active {
            wanted |= HCR::LRENPIE::SET.value | HCR::TDIR::SET.value;
        }
        wanted
    }
}

impl Vgic {
    /// An owned physical interrupt was acknowledged and its priority dropped on this CPU.
    pub fn interrupt(&mut self, vcpu: usize, intid: Intid, hw: &mut impl Hardware) -> CpuMask {
        let (word, bit) = place(intid);
        if word >= self.words() {
            return CpuMask::EMPTY;
        }
        let bank = self.bank(vcpu, word);
        if bank.hardware & bit == 0 {
            return CpuMask::EMPTY;
        }
        let is_here =
            intid.is_private() || usize::from(self.route(intid.get() as usize).vcpu) == vcpu;
        if self.deliverable(bank) & bit != 0 && is_here && !self.vcpus[vcpu].unsettled {
            let empty = hw.empty_list_registers();
            if empty != 0 {
                let priority = bank.priority[(intid.get() % 32) as usize];
                let lr = ListRegister::hardware(intid, priority, bank.group1 & bit != 0);
                let index = empty.trailing_zeros() as usize;
                self.vcpus[vcpu].listed[index] = intid.get() as u16;
                hw.write_list_register(index, lr);
                return CpuMask::EMPTY;
            }
        }
        self.keep(vcpu, word, bit, hw)
    }

    /// Notes in memory that a physical interrupt arrived, for the vCPU that it is routed to.
    #[cold]
    fn keep(&mut self, vcpu: usize, word: usize, bit: u32, hw: &mut impl Hardware) -> CpuMask {
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
        let state = &self.vcpus[vcpu];
        let ready = state.bank.pending_now() & self.deliverable(&state.bank);
        if state.unsettled || state.bank.active != 0 || self.busy != 0 || ready & !SGIS != 0 {
            return false;
        }
        let mut empty = hw.empty_list_registers();
        if ready.count_ones() > empty.count_ones()
            || bits(ready).any(|sgi| state.lists(sgi as u32, empty))
        {
            return false;
        }
        for sgi in bits(ready) {
            let candidate = Candidate::new(Candidate::PENDING, 0, sgi as u32, true, false);
            self.list(vcpu, empty.trailing_zeros() as usize, candidate, hw);
            empty &= empty.wrapping_sub(1);
        }
        true
    }

    /// Takes everything out of this CPU's list registers: see [`Recall`](super::Recall); also
    /// before a vCPU is switched off.
    pub fn recall(&mut self, vcpu: usize, hw: &mut impl Hardware) -> CpuMask {
        self.end_spilled(vcpu, hw);
        self.vcpus[vcpu].unsettled = true;
        self.ask_maintenance(vcpu, 0, hw);
        let mut kicks = CpuMask::EMPTY;
        for index in 0..hw.list_registers().min(16) {
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
    /// interrupt of the highest priority.
    pub(super) fn end_spilled(&mut self, vcpu: usize, hw: &mut impl Hardware) {
        if !self.vcpus[vcpu].spilled {
            return;
        }
        for _ in 0..hw.take_eoi_count() {
            let highest = bits(self.busy | 1)
                .flat_map(|word| bits(self.bank(vcpu, word).active).map(move |bit| (word, bit)))
                .filter(|&(word, bit)| {
                    word == 0 || usize::from(self.route(word * 32 + bit).active_on) == vcpu
                })
                .min_by_key(|&(word, bit)| (self.bank(vcpu, word).priority[bit], word, bit));
            if let Some((word, bit)) = highest {
                self.write_state(vcpu, StateRegister::ClearActive, word, 1 << bit, hw);
            }
        }
    }

    /// Fills this CPU's empty list registers from memory. Returns the vCPUs that have to give
    /// something up first.
    pub(super) fn fill(&mut self, vcpu: usize, hw: &mut impl Hardware) -> CpuMask {
        let group_enables = hw.group_enables();
        let mut selection = Selection::new(hw.list_registers());
        let mut kicks = CpuMask::EMPTY;
        for word in bits(self.busy | 1) {
            kicks |= self.select(vcpu, word, group_enables, &mut selection);
        }
        for (index, &candidate) in selection.chosen[..selection.count].iter().enumerate() {
            self.list(vcpu, index, candidate, hw);
        }
        let maintenance = selection.maintenance(group_enables);
        let state = &mut self.vcpus[vcpu];
        state.unsettled = maintenance != 0;
        state.spilled = selection.left_active;
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
        let ready = bank.pending_now() & self.deliverable(bank);
        let mut holders = CpuMask::EMPTY;
        for bit in bits(ready | bank.active) {
            let is_active = bank.active >> bit & 1 != 0;
            let mut is_pending = ready >> bit & 1 != 0;
            if word != 0 {
                let route = self.route(word * 32 + bit);
                if is_active {
                    is_pending &= route.vcpu == route.active_on;
                }
                let on = if is_active {
                    route.active_on
                } else {
                    route.vcpu
                };
                if usize::from(on) != vcpu {
                    continue;
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
            // One that is pending as well cannot be taken before it ends.
            let class = match (is_active, is_group_enabled) {
                (true, _) => Candidate::ACTIVE,
                (false, true) => Candidate::PENDING,
                (false, false) => Candidate::DISABLED_GROUP,
            };
            let (priority, intid) = (bank.priority[bit], (word * 32 + bit) as u32);
            selection.offer(Candidate::new(
                class, priority, intid, is_pending, is_active,
            ));
        }
        holders
    }

    /// Moves an interrupt from memory into a list register.
    fn list(&mut self, vcpu: usize, index: usize, candidate: Candidate, hw: &mut impl Hardware) {
        let Some(intid) = Intid::new(candidate.intid()) else {
            return;
        };
        let (word, bit) = place(intid);
        let mut source = 0;
        if intid.is_sgi() {
            source = self.take_sgi(vcpu, intid.get() as usize, candidate);
        }
        let bank = self.bank_mut(vcpu, word);
        let is_hardware = bank.hardware & bit != 0;
        if candidate.is_pending() && !intid.is_sgi() {
            bank.lent |= bank.pending & bit;
            bank.pending &= !bit;
        }
        if candidate.is_active() {
            bank.active &= !bit;
        }
        let priority = bank.priority[(intid.get() % 32) as usize];
        let behind = if is_hardware {
            LR::HARDWARE::SET + LR::PHYSICAL.val(u64::from(intid.get()))
        } else {
            // What is still pending then can only go on when this has ended.
            LR::SOURCE.val(u64::from(source))
                + LR::EOI.val(u64::from(bank.pending_now() & bit != 0))
        };
        let lr = ListRegister::virtual_(intid, priority, bank.group1 & bit != 0).with(
            behind
                + LR::PENDING.val(u64::from(candidate.is_pending()))
                + LR::ACTIVE.val(u64::from(candidate.is_active())),
        );
        self.summarize(word);
        self.vcpus[vcpu].listed[index] = intid.get() as u16;
        hw.write_list_register(index, lr);
    }

    /// Takes an SGI from one source out of memory and returns the source.
    fn take_sgi(&mut self, vcpu: usize, sgi: usize, candidate: Candidate) -> u8 {
        let state = &mut self.vcpus[vcpu];
        let sources = state.sources[sgi];
        let source = if candidate.is_active() {
            state.active_source[sgi]
        } else {
            sources.trailing_zeros() as u8
        };
        if candidate.is_pending() {
            state.set_sources(sgi, sources & !(1 << source));
        }
        source
    }
}
