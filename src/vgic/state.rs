//! The state of one vCPU.

use alloc::sync::Arc;

use super::arrivals::{Arrivals, UNUSED};
use super::hardware::Hardware;
use super::intid_set::bits;
use crate::arch::mpidr::Mpidr;

/// What belongs to one vCPU.
#[derive(Debug)]
pub(super) struct VcpuInterrupts {
    /// Aff3.Aff2.Aff1.Aff0, as the guest knows it.
    pub affinity: u32,
    /// What is known of its list registers without the lock.
    pub arrivals: Arc<Arrivals>,
    /// Active interrupts are left out of the list registers.
    pub spilled: bool,
    /// The maintenance interrupts that are asked for.
    pub maintenance: u32,
    /// GICR_WAKER.ProcessorSleep.
    pub asleep: bool,
}

impl VcpuInterrupts {
    /// vCPU number `index`, to be [`reset`](Self::reset).
    pub fn new(index: usize, arrivals: Arrivals) -> Self {
        Self {
            affinity: pack(Mpidr::of_vcpu(index)),
            arrivals: Arc::new(arrivals),
            spilled: false,
            maintenance: 0,
            asleep: true,
        }
    }

    /// Makes it as it is out of reset.
    pub fn reset(&mut self) {
        self.arrivals.reset();
        (self.spilled, self.maintenance, self.asleep) = (false, 0, true);
    }

    /// Asks for these maintenance interrupts on its CPU, which is this one.
    pub fn ask_maintenance(&mut self, wanted: u32, hw: &mut impl Hardware) {
        if self.maintenance != wanted {
            self.maintenance = wanted;
            hw.set_maintenance(wanted);
        }
    }

    /// Whether its list registers may hold anything.
    pub fn lists_any(&self) -> bool {
        self.arrivals.all_listed().any(|(_, listed)| listed != usize::from(UNUSED))
    }

    /// Whether one of these list registers, below 16, was given one of these interrupts.
    pub fn lists(&self, word: usize, mask: u32, list_registers: u32) -> bool {
        bits(list_registers).any(|index| {
            let listed = usize::from(self.arrivals.listed(index & 0xf));
            listed / 32 == word && mask >> (listed % 32) & 1 != 0
        })
    }
}

/// Aff3.Aff2.Aff1.Aff0 in 32 bits.
pub(super) fn pack(affinity: Mpidr) -> u32 {
    u32::from_be_bytes([3, 2, 1, 0].map(|level| affinity.affinity(level)))
}

/// The same as MPIDR_EL1 and IROUTER have it.
pub(super) fn unpack(affinity: u32) -> u64 {
    u64::from(affinity >> 24) << 32 | u64::from(affinity & 0xff_ffff)
}
