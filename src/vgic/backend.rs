//! Everything in which the two ways of delivering interrupts differ.
//!
//! The registers that a guest accesses are the same for both: [`GicState`] and the code above it.
//! They call a [`Backend`] to read and change the state of interrupts. Its two halves are list
//! registers (`list_registers`, `delivery`, `emulation`) and the physical CPU interface (`direct`).
//!
//! Functions that several accesses call are not inlined, which keeps EL2 small.

use alloc::vec;

use super::bank::Bank;
use super::config::{Delivery, Version};
use super::cpu_mask::CpuMask;
use super::direct::Physical;
use super::hardware::{Hardware, StateRegister};
use super::intid_set::{IntidSet, SGIS};
use super::list_registers::ListRegisters;
use super::recall::{Kicks, Recall};
use super::selection::Offer;
use super::state::{GicState, VcpuInterrupts};
use crate::arch::intid::Intid;

/// How the interrupts of a partition reach its guest.
#[derive(Debug)]
pub(super) enum Backend {
    /// EL2 writes them into list registers.
    ListRegisters(ListRegisters),
    /// The guest acknowledges them at the physical CPU interface.
    Physical(Physical),
}

impl Backend {
    /// Creates the backend for a way of delivery of this number of words of interrupts. [`reset`](Self::reset) must follow.
    pub fn new(delivery: Delivery, words: usize) -> Self {
        match delivery {
            Delivery::Trapped => Self::ListRegisters(ListRegisters {
                count: 16,
                physical_sgis: 0,
                busy: 0,
                is_long: false,
                offers: vec![Offer::default(); words],
            }),
            Delivery::Direct => Self::Physical(Physical),
        }
    }

    /// Splits the owned interrupts of a word into those with a physical interrupt and virtual-only
    /// ones.
    pub fn split(&self, word: usize, hardware: u32, virtual_only: u32) -> (u32, u32) {
        match self {
            Self::ListRegisters(_) => (hardware, virtual_only),
            Self::Physical(_) => {
                let sgis = if word == 0 { SGIS } else { 0 };
                (hardware | virtual_only | sgis, 0)
            }
        }
    }

    /// Returns the number of words of interrupts that can be injected without the lock.
    pub fn arrival_words(&self, words: usize) -> usize {
        match self {
            Self::ListRegisters(_) => words,
            Self::Physical(_) => 0,
        }
    }

    /// Resets what the backend keeps for the whole partition, after [`GicState::reset`].
    pub fn reset(&mut self, gic: &mut GicState, hw: &mut impl Hardware) {
        match self {
            Self::ListRegisters(list_registers) => {
                list_registers.physical_sgis = u32::from(hw.physical_sgis());
                list_registers.busy = 0;
            }
            Self::Physical(_) => Physical::reset(gic),
        }
    }

    /// Resets what the backend keeps for this CPU.
    pub fn reset_private(&mut self, gic: &mut GicState, hw: &mut impl Hardware) {
        match self {
            Self::ListRegisters(list_registers) => list_registers.reset_private(gic, hw),
            Self::Physical(_) => {}
        }
    }

    /// Handles an interrupt that EL2 acknowledged on this CPU. Returns the other vCPUs to kick;
    /// `None` if the partition does not own the interrupt.
    #[inline(never)]
    pub fn interrupt(
        &mut self,
        gic: &mut GicState,
        intid: Intid,
        source: u8,
        hw: &mut impl Hardware,
    ) -> Option<CpuMask> {
        match self {
            Self::ListRegisters(list_registers) => list_registers.interrupt(gic, intid, source, hw),
            // EL2 acknowledges none of the guest's interrupts.
            Self::Physical(_) => None,
        }
    }

    /// Handles the maintenance interrupt. Returns the other vCPUs to kick.
    pub fn maintenance(&mut self, gic: &mut GicState, hw: &mut impl Hardware) -> CpuMask {
        match self {
            Self::ListRegisters(list_registers) => list_registers.maintenance(gic, hw),
            Self::Physical(_) => CpuMask::EMPTY,
        }
    }

    /// Updates this CPU's list registers. Returns the other vCPUs to kick.
    #[inline(never)]
    pub fn refill(&mut self, gic: &mut GicState, hw: &mut impl Hardware) -> CpuMask {
        match self {
            Self::ListRegisters(list_registers) => list_registers.refill(gic, hw),
            Self::Physical(_) => CpuMask::EMPTY,
        }
    }

    /// Moves the contents of this CPU's list registers into memory. Returns the other vCPUs to
    /// kick.
    #[inline(never)]
    pub fn recall(&mut self, gic: &mut GicState, hw: &mut impl Hardware) -> CpuMask {
        match self {
            Self::ListRegisters(list_registers) => list_registers.recall(gic, hw),
            Self::Physical(_) => CpuMask::EMPTY,
        }
    }

    /// Ends a change of the interrupts of `set`: delivers them and those for which `kicks` are the
    /// targets, as far as this CPU can, after [`prepare`](Self::prepare). Returns the vCPUs to kick.
    #[inline(never)]
    pub fn deliver(
        &mut self,
        gic: &mut GicState,
        kicks: CpuMask,
        set: IntidSet,
        hw: &mut impl Hardware,
    ) -> CpuMask {
        match self {
            Self::ListRegisters(list_registers) => list_registers.finish(gic, kicks, set, hw),
            Self::Physical(_) => CpuMask::EMPTY,
        }
    }

    /// Moves the state of these interrupts to where a write can change it.
    pub fn withdraw(&mut self, gic: &mut GicState, set: IntidSet, hw: &mut impl Hardware) -> Kicks {
        match self {
            Self::ListRegisters(list_registers) => list_registers.withdraw(gic, set, hw),
            Self::Physical(_) => Ok(CpuMask::EMPTY),
        }
    }

    /// Allows injection without the lock for the deliverable interrupts of a set. Called after each
    /// [`withdraw`](Self::withdraw).
    #[inline(always)]
    pub fn prepare(&self, gic: &GicState, set: IntidSet) {
        if let Self::ListRegisters(list_registers) = self {
            list_registers.prepare(gic, set);
        }
    }

    /// Sets the line of an emulated device. Returns the other vCPUs to kick.
    pub fn set_line(
        &mut self,
        gic: &mut GicState,
        set: IntidSet,
        high: bool,
        hw: &mut impl Hardware,
    ) -> CpuMask {
        match self {
            Self::ListRegisters(list_registers) => list_registers.set_line(gic, set, high, hw),
            Self::Physical(_) => {
                Physical::set_line(gic, set, high, hw);
                CpuMask::EMPTY
            }
        }
    }

    /// Returns the pending or the active interrupts of a set, whose word exists.
    pub fn read_state(
        &self,
        gic: &GicState,
        pending: bool,
        set: IntidSet,
        hw: &mut impl Hardware,
    ) -> Result<u32, Recall> {
        match self {
            Self::ListRegisters(list_registers) => list_registers.read_state(gic, pending, set, hw),
            Self::Physical(_) => Ok(Physical::read_state(gic, pending, set, hw)),
        }
    }

    /// Sets or clears state bits of interrupts, after [`withdraw`](Self::withdraw) unless they
    /// are enabled.
    pub fn write_state(
        &mut self,
        gic: &mut GicState,
        register: StateRegister,
        set: IntidSet,
        hw: &mut impl Hardware,
    ) {
        match self {
            Self::ListRegisters(list_registers) => {
                list_registers.write_state(gic, register, set, hw)
            }
            Self::Physical(_) => Physical::write_state(gic, register, set, hw),
        }
    }

    /// Applies the enabling of interrupts of `bank`, none of which is pending in memory.
    #[inline(always)]
    pub fn enabled_idle(
        &self,
        vcpus: &[VcpuInterrupts],
        version: Version,
        bank: &Bank,
        set: IntidSet,
        hw: &mut impl Hardware,
    ) {
        let passed = match self {
            Self::ListRegisters(list_registers) => {
                let sgis = list_registers.physical_sgis;
                ListRegisters::prepare_in(vcpus, version, sgis, bank, set);
                set.mask() & bank.hardware
            }
            Self::Physical(_) => set.mask() & bank.hardware & bank.deliverable,
        };
        if passed != 0 {
            hw.write_state(StateRegister::SetEnable, set.with(passed));
        }
    }

    /// Sets the groups of interrupts.
    pub fn set_groups(&self, gic: &mut GicState, set: IntidSet, group1: u32) {
        match self {
            Self::ListRegisters(_) => {
                let enables = gic.enables;
                gic.bank_mut(set).set_groups(set.mask(), group1, enables);
            }
            // All interrupts stay in Group 1.
            Self::Physical(_) => {}
        }
    }

    /// Changes GICD_CTLR's group enables. Returns the vCPUs to kick.
    pub fn set_group_enables(
        &self,
        gic: &mut GicState,
        enables: u32,
        hw: &mut impl Hardware,
    ) -> CpuMask {
        gic.enables = enables;
        for index in 0..gic.banks.len() {
            let Some(bank) = gic.banks.get_mut(index) else { break };
            let before = bank.deliverable;
            bank.update_deliverable(enables);
            let changed = bank.all.with(before ^ bank.deliverable);
            if let (Self::Physical(_), 1..) = (self, changed.mask()) {
                Physical::update_enables(gic, changed, hw);
            }
        }
        match self {
            Self::ListRegisters(_) => ListRegisters::group_enables_changed(gic),
            Self::Physical(_) => CpuMask::EMPTY,
        }
    }

    /// Returns whether EL2 compares the priorities of interrupts.
    #[inline(always)]
    pub fn ranks(&self) -> bool {
        matches!(self, Self::ListRegisters(_))
    }

    /// Applies a change of priorities in `bank`. Always inlined: list registers need nothing.
    #[inline(always)]
    pub fn priorities_changed(&self, bank: &Bank, set: IntidSet, hw: &mut impl Hardware) {
        match self {
            Self::ListRegisters(_) => {}
            Self::Physical(_) => Physical::set_priorities(bank, set, hw),
        }
    }

    /// Applies a change of routes.
    pub fn routes_changed(&self, gic: &GicState, set: IntidSet, hw: &mut impl Hardware) {
        match self {
            Self::ListRegisters(_) => {}
            Self::Physical(_) => Physical::update_enables(gic, set, hw),
        }
    }

    /// Applies a change of ICFGR after which the interrupts of `high` are level-sensitive with a
    /// high line.
    pub fn trigger_changed(&mut self, gic: &GicState, high: IntidSet, hw: &mut impl Hardware) {
        match self {
            Self::ListRegisters(list_registers) => list_registers.update_busy(gic, high),
            Self::Physical(_) if high.mask() != 0 => {
                hw.write_state(StateRegister::SetPending, high);
            }
            Self::Physical(_) => {}
        }
    }

    /// Returns the sources from which an SGI of this vCPU is pending. GICv2 only.
    pub fn sgi_sources(&self, gic: &GicState, sgi: usize, hw: &mut impl Hardware) -> u8 {
        let sources = gic.bank(IntidSet::new(hw.vcpu(), 0, 0)).sources[sgi & 0xf];
        match self {
            Self::ListRegisters(_) => sources | ListRegisters::sgi_source(gic, sgi, hw),
            Self::Physical(_) => sources,
        }
    }
}
