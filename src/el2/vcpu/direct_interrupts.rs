//! The physical CPU interface of a guest that takes its interrupts directly. The registers of Group 1
//! are the guest's own, those of Group 0 are virtual to it (HCR_EL2.IMO = 0, FMO = 1), and the
//! common ones trap to here (ICH_HCR_EL2.TC).

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::{ICC_CTLR_EL1, Readable};
use bulkhead::vgic::{CpuInterfaceRegister, SgiRegister, SgiRequest, SgiRoute};
use core::sync::atomic::Ordering;

use super::Vcpu;
use crate::el2::arch::registers::{read_register, write_register};
use crate::el2::drivers::gic::Gic;

const EOIMODE: u64 = 1 << 1;
const CBPR: u64 = 1 << 0;

/// Makes the guest's side of this CPU's interface as it is after a reset: nothing passes its priority
/// mask, nothing is active.
pub fn reset(gic: &Gic) {
    let Gic::V3(gic) = gic else { return };
    silence();
    write_register!("S3_0_C4_C6_0", u64::from(gic.priorities.of_guest(0))); // ICC_PMR_EL1
    write_register!("S3_0_C12_C12_3", 0); // ICC_BPR1_EL1
    write_register!("S3_0_C12_C12_4", 0); // ICC_CTLR_EL1
    barrier::isb(barrier::SY);
}

/// Keeps this CPU's Group 1 interrupts to itself, and forgets what the guest had active: that must
/// not stand in the way of Bulkhead's own.
pub fn silence() {
    write_register!("S3_0_C12_C12_7", 0); // ICC_IGRPEN1_EL1
    write_register!("S3_0_C12_C9_0", 0); // ICC_AP1R0_EL1
    // How many there are follows from the bits of priority (IHI 0069, 12.2.3).
    let bits = (ICC_CTLR_EL1.get() >> 8 & 7) + 1;
    if bits >= 6 {
        write_register!("S3_0_C12_C9_1", 0);
    }
    if bits >= 7 {
        write_register!("S3_0_C12_C9_2", 0);
        write_register!("S3_0_C12_C9_3", 0);
    }
    barrier::isb(barrier::SY);
}

impl Vcpu {
    /// Sends an SGI of Group 1 to other vCPUs. Where interrupts are direct they take it with no exit.
    #[inline(always)]
    pub fn send_physical_sgi(&self, value: u64) {
        let request = SgiRequest::new(value);
        // No barrier: the guest has had its own before (IHI 0069, 4.8), if it wants one.
        match self.sgi_route.physical(request) {
            Some(physical) => write_register!("S3_0_C12_C11_5", physical),
            None => self.send_to_each(request),
        }
    }

    #[cold]
    #[inline(never)]
    fn send_to_each(&self, request: SgiRequest) {
        let Gic::V3(gic) = self.gic else { return };
        if self.sgi_route == SgiRoute::Virtual {
            return self.send_virtual_sgi(SgiRegister::Sgi1, request.value());
        }
        let cpus = &self.partition.plan.cpus;
        for target in request.targets(self.index, cpus.len()) {
            gic.send_sgi(cpus[target], request.sgi());
        }
    }

    /// A load from a common register; `None` where it cannot be read.
    pub fn read_interface(&self, register: CpuInterfaceRegister) -> Option<u64> {
        Some(match register {
            CpuInterfaceRegister::PriorityMask => self.priority_mask.load(Ordering::Relaxed).into(),
            CpuInterfaceRegister::Control => ICC_CTLR_EL1.get(),
            CpuInterfaceRegister::RunningPriority => read_register!("S3_0_C12_C11_3"),
            CpuInterfaceRegister::Deactivate => return None,
        })
    }

    /// A store to a common register; `None` where it cannot be written.
    pub fn write_interface(&self, register: CpuInterfaceRegister, value: u64) -> Option<()> {
        let Gic::V3(gic) = self.gic else { return None };
        let priorities = gic.priorities;
        match register {
            CpuInterfaceRegister::PriorityMask => {
                let mask = value as u8 & priorities.implemented();
                self.priority_mask.store(mask, Ordering::Relaxed);
                write_register!("S3_0_C4_C6_0", u64::from(priorities.of_guest(mask)));
            }
            CpuInterfaceRegister::Control => {
                let kept = ICC_CTLR_EL1.get() & !(EOIMODE | CBPR);
                write_register!("S3_0_C12_C12_4", kept | value & EOIMODE);
            }
            CpuInterfaceRegister::Deactivate => {
                // Without EOImode the guest's write is ignored (IHI 0069, ICC_DIR_EL1).
                if ICC_CTLR_EL1.get() & EOIMODE != 0 {
                    self.deactivate(value);
                }
            }
            CpuInterfaceRegister::RunningPriority => return None,
        }
        barrier::isb(barrier::SY);
        Some(())
    }
}
