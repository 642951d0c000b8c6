//! The physical CPU interface of a guest with direct delivery. The guest accesses the physical
//! registers of Group 1 and the virtual ones of Group 0 (HCR_EL2.IMO = 0, FMO = 1). Accesses to the
//! registers common to both groups trap (ICH_HCR_EL2.TC).

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::{ICC_CTLR_EL1, Readable};
use bulkhead::vgic::{CpuInterfaceRegister, SgiRegister, SgiRequest, SgiRoute};
use core::sync::atomic::Ordering;

use super::Vcpu;
use crate::el2::arch::registers::{read_register, write_register};
use crate::el2::drivers::gic::Gic;

const EOIMODE: u64 = 1 << 1;
const CBPR: u64 = 1 << 0;

/// Resets the guest's registers of this CPU's interface: all priorities are masked, and none is
/// active.
pub fn reset(gic: &Gic) {
    let Gic::V3(gic) = gic else { return };
    silence();
    write_register!("S3_0_C4_C6_0", u64::from(gic.priorities.of_guest(0))); // ICC_PMR_EL1
    write_register!("S3_0_C12_C12_3", 0); // ICC_BPR1_EL1
    write_register!("S3_0_C12_C12_4", 0); // ICC_CTLR_EL1
    barrier::isb(barrier::SY);
}

/// Disables Group 1 on this CPU, and clears the guest's active priorities, which would otherwise
/// mask Bulkhead's own interrupts.
pub fn silence() {
    write_register!("S3_0_C12_C12_7", 0); // ICC_IGRPEN1_EL1
    write_register!("S3_0_C12_C9_0", 0); // ICC_AP1R0_EL1
    // The number of priority bits determines which registers exist (IHI 0069, 12.2.3).
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
    /// Sends the Group 1 SGI of a write of `value` to ICC_SGI1R_EL1. With direct delivery its
    /// targets take it without an exit.
    #[inline(always)]
    pub fn send_physical_sgi(&self, value: u64) {
        let request = SgiRequest::new(value);
        // No barrier: a guest that needs one has executed it before (IHI 0069, 4.8).
        match self.sgi_route.physical(request) {
            Some(physical) => write_register!("S3_0_C12_C11_5", physical),
            None => self.send_to_each(request),
        }
    }

    /// Sends an SGI whose targets one physical request cannot name: one by one, or through the vGIC
    /// if SGIs are not backed by physical ones.
    #[cold]
    #[inline(never)]
    pub fn send_to_each(&self, request: SgiRequest) {
        let Gic::V3(gic) = self.gic() else { return };
        if self.sgi_route == SgiRoute::Virtual {
            return self.send_virtual_sgi(SgiRegister::Sgi1, request.value());
        }
        let cpus = &self.position.cpus;
        for target in request.targets(self.index(), cpus.len()) {
            if let Some(&cpu) = cpus.get(target) {
                gic.send_sgi(cpu, request.sgi());
            }
        }
    }

    /// Reads a register common to both groups; `None` if it is write-only.
    pub fn read_interface(&self, register: CpuInterfaceRegister) -> Option<u64> {
        Some(match register {
            CpuInterfaceRegister::PriorityMask => self.priority_mask.load(Ordering::Relaxed).into(),
            CpuInterfaceRegister::Control => ICC_CTLR_EL1.get(),
            CpuInterfaceRegister::RunningPriority => read_register!("S3_0_C12_C11_3"),
            CpuInterfaceRegister::Deactivate => return None,
        })
    }

    /// Writes a register common to both groups; `None` if it is read-only.
    pub fn write_interface(&self, register: CpuInterfaceRegister, value: u64) -> Option<()> {
        let Gic::V3(gic) = self.gic() else { return None };
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
                // With EOImode = 0 the write is ignored (IHI 0069, ICC_DIR_EL1).
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
