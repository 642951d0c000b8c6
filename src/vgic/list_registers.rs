//! Bookkeeping of list-register delivery: which interrupts a vCPU may inject without the lock,
//! which vCPUs hold an interrupt in a list register, and which words have state in memory.

use super::bank::Bank;
use super::config::Version;
use super::cpu_mask::CpuMask;
use super::hardware::{Hardware, StateRegister};
use super::intid_set::{IntidSet, bits};
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
}

impl ListRegisters {
    /// Prepares the list registers of the deliverable interrupts of a set. Called after each
    /// [`revoke`](Self::revoke), and when more interrupts become deliverable.
    pub fn prepare(&self, gic: &GicState, set: IntidSet) {
        Self::prepare_in(&gic.vcpus, gic.version, self.physical_sgis, gic.bank(set), set);
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
        let sgis = match (set.word(), version) {
            (0, Version::V2) => physical_sgis,
            // Physical SGIs stand for SGIs of Group 1.
            (0, Version::V3) => physical_sgis & bank.group1,
            _ => 0,
        };
        for bit in bits(set.mask() & bank.deliverable & (bank.hardware | sgis)) {
            if let Some(vcpu) = vcpus.get(usize::from(bank.routes[bit].vcpu)) {
                let value = bank.templates[bit].arriving(version);
                vcpu.arrivals.prepare(set.word() * 32 + bit, value);
            }
        }
    }

    /// Prevents these interrupts from being injected without the lock, so that
    /// [`holders`](Self::holders) finds all vCPUs that hold them.
    pub fn revoke(&self, gic: &GicState, set: IntidSet) {
        for (index, vcpu) in gic.vcpus.iter().enumerate() {
            if set.word() != 0 || index == set.owner() {
                vcpu.arrivals.revoke(set.word(), set.mask());
            }
        }
    }

    /// Prepares the list registers of all deliverable interrupts.
    pub fn prepare_all(&self, gic: &GicState) {
        gic.banks.iter().for_each(|bank| self.prepare(gic, bank.all));
    }

    /// Prevents all interrupts from being injected without the lock.
    pub fn revoke_all(&self, gic: &GicState) {
        gic.banks.iter().for_each(|bank| self.revoke(gic, bank.all));
    }

    /// Returns the vCPUs whose list registers can hold one of these interrupts.
    pub fn holders(&self, gic: &GicState, set: IntidSet) -> CpuMask {
        let mut holders = CpuMask::EMPTY;
        for (index, vcpu) in gic.vcpus.iter().enumerate() {
            let can_hold = set.word() != 0 || index == set.owner();
            if can_hold && vcpu.holds(set.word(), set.mask(), (1 << self.count) - 1) {
                holders |= CpuMask::one(index);
            }
        }
        holders
    }

    /// Returns the vCPUs that must write one of these interrupts into a list register.
    pub fn targets(&self, gic: &GicState, set: IntidSet) -> CpuMask {
        let bank = gic.bank(set);
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
            self.busy = self.busy & !(1 << word) | u32::from(is_busy) << word;
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
