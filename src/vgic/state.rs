//! The emulated state of a distributor and its redistributors, independent of how interrupts are
//! delivered.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::arrivals::{Arrivals, NO_INTID};
use super::bank::{Bank, NO_VCPU, Route};
use super::config::Version;
use super::cpu_mask::CpuMask;
use super::hardware::Hardware;
use super::intid_set::{IntidSet, SGIS, bits};
use super::virtual_timer::VirtualTimer;
use crate::arch::intid::Intid;
use crate::arch::mpidr::Mpidr;
use crate::util::indexed::Indexed;

/// The distributor and the redistributors of one partition.
#[derive(Debug)]
pub(super) struct GicState {
    /// The version of the architecture.
    pub version: Version,
    /// GICD_CTLR.EnableGrp0 and EnableGrp1.
    pub enables: u32,
    /// The vCPUs that have not refilled their list registers since `enables` changed.
    pub unsettled: CpuMask,
    /// The PPI of the virtual timer, if the partition owns it.
    pub virtual_timer: Option<Intid>,
    /// GICD_TYPER, which is constant.
    pub typer: u32,
    /// The number of words of INTIDs, 1 to 32.
    pub words: u8,
    /// The vCPUs by index.
    pub vcpus: Indexed<VcpuInterrupts>,
    /// The private interrupts of each vCPU, then the words of SPIs from word 1 on.
    pub banks: Vec<Bank>,
}

impl GicState {
    /// Resets everything but GICD_TYPER and which interrupts the partition owns.
    pub fn reset(&mut self) {
        (self.enables, self.unsettled) = (0, CpuMask::EMPTY);
        let sgis_enabled = if self.version == Version::V2 { SGIS } else { 0 };
        self.vcpus.iter_mut().for_each(VcpuInterrupts::reset);
        let shared = self.route_for(0);
        for bank in &mut self.banks {
            if bank.all.word() == 0 {
                bank.reset(Route::to(bank.all.owner()));
                bank.enabled = sgis_enabled;
            } else {
                bank.reset(shared);
            }
        }
    }

    /// Returns the route that a guest's value of ITARGETSR or IROUTER selects.
    pub fn route_for(&self, written: u32) -> Route {
        let vcpu = match self.version {
            Version::V2 if self.vcpus.len() == 1 => Some(0),
            Version::V2 => bits(written).next(),
            Version::V3 => self.vcpus.iter().position(|vcpu| vcpu.affinity == written),
        };
        Route { written, vcpu: vcpu.map_or(NO_VCPU, |vcpu| vcpu as u8), active_on: 0 }
    }

    /// Returns the index of a set's bank; beyond the last bank if the word does not exist.
    #[inline(always)]
    pub fn bank_index(&self, set: IntidSet) -> usize {
        match set.word() {
            0 => set.owner(),
            word => self.vcpus.len() + word - 1,
        }
    }

    /// Returns the bank of a set, whose word must exist.
    // One copy for most callers.
    #[inline(never)]
    pub fn bank(&self, set: IntidSet) -> &Bank {
        self.bank_inlined(set)
    }

    /// Does the same. For functions that call no other one, which then need no stack frame, and
    /// which each change of an interrupt calls.
    #[inline(always)]
    pub fn bank_inlined(&self, set: IntidSet) -> &Bank {
        &self.banks[self.bank_index(set)]
    }

    /// Returns the bank of a set for modification. The word must exist.
    #[inline(never)]
    pub fn bank_mut(&mut self, set: IntidSet) -> &mut Bank {
        let index = self.bank_index(set);
        &mut self.banks[index]
    }

    /// Returns the bank of a vCPU's private interrupts for modification.
    pub fn private_mut(&mut self, vcpu: usize) -> &mut Bank {
        self.bank_mut(IntidSet::new(vcpu, 0, 0))
    }

    /// Returns the number of words of INTIDs: GICD_TYPER.ITLinesNumber + 1.
    pub fn words(&self) -> usize {
        usize::from(self.words)
    }
}

/// The interrupt state of one vCPU that is not in a [`Bank`].
#[derive(Debug)]
pub(super) struct VcpuInterrupts {
    /// Aff3.Aff2.Aff1.Aff0, as the guest sees it.
    pub affinity: u32,
    /// The state that its CPU uses without the partition's lock.
    pub arrivals: Arc<Arrivals>,
    /// Whether EL2 masks its virtual timer.
    pub timer: VirtualTimer,
    /// Whether active interrupts did not fit into the list registers.
    pub overflowed: bool,
    /// The maintenance interrupts that are enabled in the hypervisor control register.
    pub maintenance: u32,
    /// GICR_WAKER.ProcessorSleep.
    pub asleep: bool,
}

impl VcpuInterrupts {
    /// Creates the state of vCPU number `index`. [`reset`](Self::reset) must follow.
    pub fn new(index: usize, arrivals: Arrivals) -> Self {
        Self {
            affinity: pack(Mpidr::of_vcpu(index)),
            arrivals: Arc::new(arrivals),
            timer: VirtualTimer::new(),
            overflowed: false,
            maintenance: 0,
            asleep: true,
        }
    }

    /// Resets everything but the affinity.
    pub fn reset(&mut self) {
        self.arrivals.reset();
        self.timer = VirtualTimer::new();
        (self.overflowed, self.maintenance, self.asleep) = (false, 0, true);
    }

    /// Enables exactly these maintenance interrupts. Called on the vCPU's own CPU.
    pub fn request_maintenance(&mut self, requested: u32, hw: &mut impl Hardware) {
        if self.maintenance != requested {
            self.maintenance = requested;
            hw.set_maintenance(requested);
        }
    }

    /// Returns whether any of its list registers can hold an interrupt.
    pub fn holds_any(&self) -> bool {
        self.arrivals.all_injected().any(|(_, injected)| injected != usize::from(NO_INTID))
    }

    /// Returns whether one of the list registers in the mask `list_registers` can hold one of these
    /// interrupts. List registers are numbered 0 to 15.
    #[inline(always)]
    pub fn holds(&self, word: usize, mask: u32, list_registers: u32) -> bool {
        let mut rest = list_registers;
        for (_, injected) in self.arrivals.all_injected() {
            if injected / 32 == word && mask >> (injected % 32) & rest & 1 != 0 {
                return true;
            }
            rest >>= 1;
            if rest == 0 {
                break;
            }
        }
        false
    }
}

/// Packs an affinity into 32 bits: Aff3.Aff2.Aff1.Aff0.
pub(super) fn pack(affinity: Mpidr) -> u32 {
    let bits = affinity.get();
    (bits >> 8) as u32 & 0xff00_0000 | bits as u32 & 0xff_ffff
}

/// Converts a packed affinity to the layout of MPIDR_EL1 and IROUTER.
pub(super) fn unpack(affinity: u32) -> u64 {
    u64::from(affinity >> 24) << 32 | u64::from(affinity & 0xff_ffff)
}
