//! Shared interrupts, as EL2 changes them for partitions.

use aarch64_cpu::asm::barrier;
use bulkhead::arch::intid::{Interrupt, Intid};
use bulkhead::vgic::{IntidSet, StateRegister};

use super::Gic;
use crate::el2::drivers::mmio::Register;

/// The bit of GICD_ISPENDR of a shared interrupt.
#[derive(Clone, Copy)]
pub struct PendingBit {
    register: Register,
    mask: u32,
}

impl PendingBit {
    /// Makes the interrupt pending, from any CPU.
    #[inline(always)]
    pub fn set(&self) {
        // What the interrupt reports must be visible to the CPU that takes it.
        barrier::dsb(barrier::ISHST);
        self.register.write(self.mask);
    }
}

impl Gic {
    /// Returns the bit that makes a shared interrupt pending.
    // Inlined into the code of boot.
    #[inline(always)]
    pub fn pending_bit(&self, intid: Intid) -> PendingBit {
        let set = IntidSet::one(0, intid);
        let register = self.distributor().register(StateRegister::SetPending.of(set));
        PendingBit { register, mask: set.mask() }
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
