//! Shared interrupts, as EL2 changes them for partitions.

use aarch64_cpu::asm::barrier;
use bulkhead::arch::intid::{Interrupt, Intid};
use bulkhead::vgic::{IntidSet, StateRegister};

use super::Gic;

impl Gic {
    /// Makes a shared interrupt pending, from any CPU.
    #[inline(always)]
    pub fn set_pending(&self, intid: Intid) {
        let set = IntidSet::one(0, intid);
        // What the interrupt reports must be visible to the CPU that takes it.
        barrier::dsb(barrier::ISHST);
        self.distributor().write(StateRegister::SetPending.of(set), set.mask());
    }

    /// Disables these shared interrupts, and clears their pending and active state.
    pub fn silence(&self, interrupts: &[Interrupt]) {
        let distributor = self.distributor();
        for interrupt in interrupts {
            let set = IntidSet::one(0, interrupt.intid);
            distributor.write(StateRegister::ClearEnable.of(set), set.mask());
            if let Self::V3(gic) = self {
                gic.wait_for_distributor();
            }
            distributor.write(StateRegister::ClearPending.of(set), set.mask());
            distributor.write(StateRegister::ClearActive.of(set), set.mask());
        }
    }
}
