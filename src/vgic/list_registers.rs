//! Bookkeeping of list-register delivery: which interrupts a vCPU may inject without the lock,
//! which vCPUs hold an interrupt in a list register, and which words have state in memory.

use alloc::vec::Vec;

use super::arrivals;
use super::bank::Bank;
use super::config::Version;
use super::cpu_mask::CpuMask;
use super::hardware::{Hardware, StateRegister};
use super::intid_set::{IntidSet, bits};
use super::selection::Offer;
use super::state::{GicState, VcpuInterrupts};

/// Delivery by list registers: [`Delivery::Trapped`](super::Delivery::Trapped).
#[derive(Debug)]
pub(super) struct ListRegisters {
    /// The number of list registers of each CPU, 1 to 16.
    pub count: usize,
    /// The SGIs that physical SGIs of the same number can stand for.
    pub physical_sgis: u32,
    /// Bit n from 1 on: word n has an interrupt that is pending or active in memory.
    pub busy: u32,
    /// The access that is being carried out is a long one: it had to wait for other vCPUs, or more
    /// interrupts have state in memory than fit into the list registers.
    pub is_long: bool,
    /// What each word offers to the refill that is being carried out.
    pub offers: Vec<Offer>,
}

impl ListRegisters {
    /// Returns a bit for each list register.
    pub fn mask(&self) -> u32 {
        1_u32.wrapping_shl(self.count as u32).wrapping_sub(1)
    }

    /// Prepares the list registers of the deliverable interrupts of a set. Called after each
    /// [`revoke`](Self::revoke), and when more interrupts become deliverable.
    pub fn prepare(&self, gic: &GicState, set: IntidSet) {
        Self::prepare_in(&gic.vcpus, gic.version, self.physical_sgis, gic.bank_inlined(set), set);
    }

    /// Does the work of [`prepare`](Self::prepare) for a set of `bank`.
    #[inline(always)]
    pub fn prepare_in(
        vcpus: &[VcpuInterrupts],
        version: Version,
        physical_sgis: u32,
        bank: &Bank,
        set: IntidSet,
    ) {
        let others = match (set.word(), version) {
            (0, Version::V2) => physical_sgis,
            // Physical SGIs stand for SGIs of Group 1.
            (0, Version::V3) => physical_sgis & bank.group1,
            // LPIs stand for SPIs, but not while another vCPU may hold the interrupt.
            _ => bank.messages & !bank.astray,
        };
        for bit in bits(set.mask() & bank.deliverable & (bank.hardware | others)) {
            if let Some(vcpu) = vcpus.get(usize::from(bank.routes[bit].vcpu)) {
                let value = bank.templates[bit].arriving(version);
                vcpu.arrivals.prepare(set.word() * 32 + bit, value);
            }
        }
    }

    /// Prevents these interrupts from being injected without the lock, so that
    /// [`holders`](Self::holders) finds all vCPUs that hold them.
    pub fn revoke(&self, gic: &GicState, set: IntidSet) {
        let bank = gic.bank_inlined(set);
        for bit in bits(set.mask() & bank.enabled) {
            // No other vCPU has a value prepared.
            if let Some(vcpu) = gic.vcpus.get(usize::from(bank.routes[bit].vcpu)) {
                vcpu.arrivals.revoke(set.word() * 32 + bit);
            }
        }
        arrivals::revoked();
    }

    /// Makes all vCPUs consider a change of GICD_CTLR's group enables in their next refill, and
    /// inject nothing without the lock until then. Returns all vCPUs.
    pub fn group_enables_changed(gic: &mut GicState) -> CpuMask {
        gic.vcpus.iter().for_each(|vcpu| vcpu.arrivals.disable());
        gic.unsettled = CpuMask::first(gic.vcpus.len());
        gic.unsettled
    }

    /// Prepares the list registers of all deliverable interrupts of this vCPU, and of no others,
    /// after a change of the group enables.
    #[cold]
    pub fn settle(&self, gic: &mut GicState, vcpu: usize) {
        gic.unsettled = gic.unsettled.without(vcpu);
        for word in 0..gic.words() {
            let set = IntidSet::new(vcpu, word, u32::MAX);
            let bank = gic.bank(set);
            let is_here = |&bit: &usize| usize::from(bank.routes[bit].vcpu) == vcpu;
            let own = bits(bank.enabled).filter(is_here).fold(0, |own, bit| own | 1 << bit);
            if own != 0 {
                self.revoke(gic, set.with(own));
                self.prepare(gic, set.with(own));
            }
        }
    }

    /// Returns the vCPUs whose list registers can hold one of these interrupts.
    pub fn holders(&self, gic: &GicState, set: IntidSet) -> CpuMask {
        let mut holders = CpuMask::EMPTY;
        let list_registers = self.mask();
        for index in Self::possible_holders(gic, set) {
            let holds = |vcpu: &VcpuInterrupts| vcpu.holds(set.word(), set.mask(), list_registers);
            if gic.vcpus.get(index).is_some_and(holds) {
                holders |= CpuMask::one(index);
            }
        }
        holders
    }

    /// Returns all vCPUs to which these interrupts can be routed or on which they can be active. An
    /// interrupt enters a list register of no other vCPU, and leaves it before its route changes.
    #[inline(always)]
    fn possible_holders(gic: &GicState, set: IntidSet) -> CpuMask {
        if set.word() == 0 {
            return CpuMask::one(set.owner());
        }
        if set.mask() & set.mask().wrapping_sub(1) != 0 {
            return CpuMask::first(gic.vcpus.len());
        }
        // For the empty set the result makes no difference.
        let route = &gic.bank_inlined(set).routes[set.first() as usize];
        let mut vcpus = CpuMask::one(usize::from(route.vcpu));
        vcpus |= CpuMask::one(usize::from(route.active_on));
        vcpus
    }

    /// Returns the vCPUs that must write one of these interrupts into a list register.
    pub fn targets(&self, gic: &GicState, set: IntidSet) -> CpuMask {
        let bank = gic.bank_inlined(set);
        let mut vcpus = CpuMask::EMPTY;
        for bit in bits((bank.ready() | bank.active) & set.mask()) {
            vcpus |= CpuMask::one(bank.target(bit));
        }
        vcpus
    }

    /// Updates `busy` after a change in the set's word.
    pub fn update_busy(&mut self, gic: &GicState, set: IntidSet) {
        let word = set.word();
        if word != 0 {
            let bank = gic.bank(set);
            let is_busy = bank.pending() | bank.active != 0;
            let bit = 1_u32.wrapping_shl(word as u32);
            self.busy = self.busy & !bit | if is_busy { bit } else { 0 };
        }
    }

    /// Makes the next refill of these vCPUs consider all interrupts.
    pub fn require_full_refill(&self, gic: &GicState, vcpus: CpuMask) {
        for vcpu in vcpus {
            gic.vcpus[vcpu].arrivals.disable();
        }
    }

    /// Deactivates interrupts that are in no list register.
    pub fn clear_active(&mut self, gic: &mut GicState, set: IntidSet, hw: &mut impl Hardware) {
        let bank = gic.bank_mut(set);
        let physical = bank.hardware & bank.active & set.mask();
        if physical != 0 {
            hw.write_state(StateRegister::ClearActive, set.with(physical));
        }
        bank.active &= !set.mask();
        self.update_busy(gic, set);
    }
}
