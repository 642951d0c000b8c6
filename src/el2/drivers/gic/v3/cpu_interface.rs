//! The system registers of GICv3's physical and virtual CPU interface (IHI 0069, 12.2 and 12.4).

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::*;
use bulkhead::arch::intid::Intid;
use bulkhead::vgic::{Arrivals, Delivery, Injection};

use crate::el2::arch::registers::{read_register, write_register};
use crate::el2::drivers::gic::{Acknowledged, ICC_IAR_INTID, TakeOutcome};

const ICC_SRE_SRE_DFB_DIB_ENABLE: u64 = 0xf;
const ICC_CTLR_EOIMODE: u64 = 1 << 1;

/// Acknowledges the highest-priority pending interrupt and drops the running priority
/// (ICC_IAR1_EL1, ICC_EOIR1_EL1). No ISB is needed after the write: the exception return
/// synchronises it, and [`deactivate`] executes one.
#[inline(always)]
pub fn acknowledge() -> Option<Acknowledged> {
    let acknowledged = Acknowledged::new(read_register!("S3_0_C12_C12_0"), ICC_IAR_INTID)?;
    // Memory that the interrupt announces is read only after it is acknowledged (IHI 0069, 4.1.1).
    barrier::dsb(barrier::SY);
    write_register!("S3_0_C12_C12_1", acknowledged.value);
    Some(acknowledged)
}

/// Acknowledges and deactivates the highest-priority pending interrupt of Group 0. It becomes
/// pending again while its line is high. With direct delivery the guest chooses EOImode.
#[inline(always)]
pub fn take_own() -> Option<Intid> {
    let value = read_register!("S3_0_C12_C8_0"); // ICC_IAR0_EL1
    let intid = Intid::new(value as u32 & ICC_IAR_INTID)?;
    barrier::dsb(barrier::SY);
    write_register!("S3_0_C12_C8_1", value); // ICC_EOIR0_EL1
    if ICC_CTLR_EL1.get() & ICC_CTLR_EOIMODE != 0 {
        barrier::isb(barrier::SY);
        write_register!("S3_0_C12_C11_1", value); // ICC_DIR_EL1
    }
    barrier::isb(barrier::SY);
    Some(intid)
}

/// Returns whether EL3 exists, whose firmware may own Group 0 (SCR_EL3.FIQ).
pub fn has_el3() -> bool {
    ID_AA64PFR0_EL1.get() >> 12 & 0xf != 0
}

/// Enables the GIC's system registers at EL2 and below. Otherwise those of the virtual CPU
/// interface are UNDEFINED.
pub fn enable_system_registers() {
    write_register!("S3_4_C12_C9_5", ICC_SRE_SRE_DFB_DIB_ENABLE);
    barrier::isb(barrier::SY);
}

/// Resets the physical CPU interface. With trapped delivery Group 1 is enabled, with separate
/// priority drop and deactivation; with direct delivery it is disabled until the guest enables it.
pub fn init_cpu_interface(delivery: Delivery, has_group_0: bool) {
    let (control, group_1) = match delivery {
        Delivery::Trapped => (ICC_CTLR_EOIMODE, 1),
        Delivery::Direct => (0, 0),
    };
    clear_active_priorities(has_group_0);
    write_register!("S3_0_C4_C6_0", 0xff); // ICC_PMR_EL1
    write_register!("S3_0_C12_C12_3", 0); // ICC_BPR1_EL1
    write_register!("S3_0_C12_C12_4", control); // ICC_CTLR_EL1
    write_register!("S3_0_C12_C12_7", group_1); // ICC_IGRPEN1_EL1
    if has_group_0 {
        write_register!("S3_0_C12_C8_3", 0); // ICC_BPR0_EL1
        write_register!("S3_0_C12_C12_6", 1); // ICC_IGRPEN0_EL1
    }
    barrier::isb(barrier::SY);
}

/// Clears the active priorities of the groups that Bulkhead owns. An interrupt that firmware
/// acknowledged and did not end would mask all others of its priority (IHI 0069, 4.8.6).
#[inline(always)]
fn clear_active_priorities(has_group_0: bool) {
    // The number of priority bits determines which registers exist (ICC_CTLR_EL1.PRIbits).
    let priority_bits = (ICC_CTLR_EL1.get() >> 8 & 7) + 1;
    write_register!("S3_0_C12_C9_0", 0); // ICC_AP1R0_EL1
    if priority_bits >= 6 {
        write_register!("S3_0_C12_C9_1", 0);
    }
    if priority_bits >= 7 {
        write_register!("S3_0_C12_C9_2", 0);
        write_register!("S3_0_C12_C9_3", 0);
    }
    if !has_group_0 {
        return;
    }
    write_register!("S3_0_C12_C8_4", 0); // ICC_AP0R0_EL1
    if priority_bits >= 6 {
        write_register!("S3_0_C12_C8_5", 0);
    }
    if priority_bits >= 7 {
        write_register!("S3_0_C12_C8_6", 0);
        write_register!("S3_0_C12_C8_7", 0);
    }
}

/// Resets the virtual CPU interface, which has this number of list registers: no interrupt is
/// pending or active.
pub fn reset_virtual_interface(list_registers: usize) {
    ICH_HCR_EL2.set(0);
    ICH_VMCR_EL2.set(0);
    for index in 0..list_registers {
        write_list_register(index, 0);
    }
    // The number of preemption bits determines which registers exist (ICH_VTR_EL2.PREbits).
    let preemption_bits = (ICH_VTR_EL2.get() >> 26 & 7) + 1;
    ICH_AP0R0_EL2.set(0);
    ICH_AP1R0_EL2.set(0);
    if preemption_bits >= 6 {
        ICH_AP0R1_EL2.set(0);
        ICH_AP1R1_EL2.set(0);
    }
    if preemption_bits >= 7 {
        ICH_AP0R2_EL2.set(0);
        ICH_AP0R3_EL2.set(0);
        ICH_AP1R2_EL2.set(0);
        ICH_AP1R3_EL2.set(0);
    }
    barrier::isb(barrier::SY);
}

/// Defines accesses to the list register with a number that is known only at run time.
macro_rules! list_registers {
    ($($number:literal $register:ident)*) => {
        /// Reads ICH_LRn_EL2. Returns zero if `index` is above 15.
        // A jump table with returns is shorter than one that is inlined.
        #[inline(never)]
        pub fn read_list_register(index: usize) -> u64 {
            match index {
                $($number => $register.get(),)*
                _ => 0,
            }
        }

        /// Writes ICH_LRn_EL2. Does nothing if `index` is above 15.
        #[inline(never)]
        pub fn write_list_register(index: usize, value: u64) {
            match index {
                $($number => $register.set(value),)*
                _ => {}
            }
        }
    };
}

list_registers! {
    0 ICH_LR0_EL2 1 ICH_LR1_EL2 2 ICH_LR2_EL2 3 ICH_LR3_EL2
    4 ICH_LR4_EL2 5 ICH_LR5_EL2 6 ICH_LR6_EL2 7 ICH_LR7_EL2
    8 ICH_LR8_EL2 9 ICH_LR9_EL2 10 ICH_LR10_EL2 11 ICH_LR11_EL2
    12 ICH_LR12_EL2 13 ICH_LR13_EL2 14 ICH_LR14_EL2 15 ICH_LR15_EL2
}

/// Returns a bit for each empty list register that is implemented (ICH_ELRSR_EL2).
pub fn empty_list_registers() -> u32 {
    read_register!("S3_4_C12_C11_5") as u32
}

/// Returns whether ICH_MISR_EL2 shows a reason for a maintenance interrupt.
pub fn requests_maintenance() -> bool {
    read_register!("S3_4_C12_C11_2") != 0
}

/// See [`Gic::take`](super::super::Gic::take).
#[inline(always)]
pub fn take(arrivals: &Arrivals) -> TakeOutcome {
    let Some(acknowledged) = acknowledge() else { return TakeOutcome::Nothing };
    match arrivals.inject(acknowledged.intid, empty_list_registers()) {
        Injection::Write(_, value) => {
            ICH_LR0_EL2.set(value);
            if acknowledged.intid.is_sgi() {
                deactivate(acknowledged.value);
            }
            TakeOutcome::Injected
        }
        Injection::WriteAndMaskTimer(_, value) => {
            ICH_LR0_EL2.set(value);
            TakeOutcome::MaskTimer
        }
        Injection::WriteAndObserveTimer(_, value) => {
            ICH_LR0_EL2.set(value);
            TakeOutcome::ObserveTimer
        }
        Injection::Refused => TakeOutcome::Other(acknowledged),
    }
}

/// Deactivates an interrupt that no guest will deactivate (ICC_DIR_EL1).
#[inline(always)]
pub fn deactivate(acknowledged: u64) {
    // The priority drop, and writes that lower the line of a maintenance interrupt, must have taken
    // effect.
    barrier::isb(barrier::SY);
    write_register!("S3_0_C12_C11_1", acknowledged);
}
