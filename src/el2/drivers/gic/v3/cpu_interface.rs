//! GICv3's CPU interface (IHI 0069, 12.2 and 12.4), physical and virtual: system registers.

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::*;
use bulkhead::arch::intid::Intid;
use bulkhead::vgic::{Arrivals, Delivery};

use crate::el2::arch::registers::{read_register, write_register};
use crate::el2::drivers::gic::{Acknowledged, INTID_MASK, Taken};

const ICC_SRE_SRE_DFB_DIB_ENABLE: u64 = 0xf;
const ICC_CTLR_EOIMODE: u64 = 1 << 1;

/// ICC_IAR1_EL1 and ICC_EOIR1_EL1: takes the interrupt of the highest priority, and lets others in.
/// The latter needs no ISB of its own: leaving EL2 is one, and `Gic::deactivate` has one.
#[inline(always)]
pub fn acknowledge() -> Option<Acknowledged> {
    let acknowledged = Acknowledged::new(read_register!("S3_0_C12_C12_0") as u32)?;
    // What the interrupt announces is looked at only after it was taken (IHI 0069, 4.1.1).
    barrier::dsb(barrier::SY);
    write_register!("S3_0_C12_C12_1", u64::from(acknowledged.value));
    Some(acknowledged)
}

/// Takes the most urgent of Bulkhead's own interrupts that are in Group 0, and ends it at once: it
/// comes again as long as its line is high. A guest whose interrupts are direct chooses EOImode.
#[inline(always)]
pub fn take_own() -> Option<Intid> {
    let value = read_register!("S3_0_C12_C8_0"); // ICC_IAR0_EL1
    let intid = Intid::new(value as u32 & INTID_MASK)?;
    barrier::dsb(barrier::SY);
    write_register!("S3_0_C12_C8_1", value); // ICC_EOIR0_EL1
    if ICC_CTLR_EL1.get() & ICC_CTLR_EOIMODE != 0 {
        barrier::isb(barrier::SY);
        write_register!("S3_0_C12_C11_1", value); // ICC_DIR_EL1
    }
    barrier::isb(barrier::SY);
    Some(intid)
}

/// Whether there is firmware at EL3, which may have Group 0 for itself (SCR_EL3.FIQ).
pub fn has_el3() -> bool {
    ID_AA64PFR0_EL1.get() >> 12 & 0xf != 0
}

/// System registers instead of memory-mapped ones, at EL2 and below. Without that, those of the
/// virtual interface are UNDEFINED.
pub fn enable_system_registers() {
    write_register!("S3_4_C12_C9_5", ICC_SRE_SRE_DFB_DIB_ENABLE);
    barrier::isb(barrier::SY);
}

/// The physical interface. Where Bulkhead takes the guest's interrupts it is on, with the split between
/// priority drop and deactivation; where it does not, Group 1 is off until the guest turns it on.
pub fn init_cpu_interface(delivery: Delivery, has_group_0: bool) {
    let (control, group_1) = match delivery {
        Delivery::Trapped => (ICC_CTLR_EOIMODE, 1),
        Delivery::Direct => (0, 0),
    };
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

/// The virtual interface, of so many list registers: nothing pending, nothing active, as after a reset.
pub fn reset_virtual_interface(list_registers: usize) {
    ICH_HCR_EL2.set(0);
    ICH_VMCR_EL2.set(0);
    for index in 0..list_registers {
        write_list_register(index, 0);
    }
    // How many there are follows from the preemption bits (ICH_VTR_EL2.PREbits).
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

/// Accesses the list register with a number that is known only now.
macro_rules! list_registers {
    ($($number:literal $register:ident)*) => {
        /// ICH_LRn_EL2; zero past the last.
        pub fn read_list_register(index: usize) -> u64 {
            match index {
                $($number => $register.get(),)*
                _ => 0,
            }
        }

        /// ICH_LRn_EL2; nothing past the last.
        #[inline(always)]
        fn write_arriving(index: usize, value: u64) {
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

/// ICH_LRn_EL2; nothing past the last. In line only where an interrupt arrives.
#[inline(never)]
pub fn write_list_register(index: usize, value: u64) {
    write_arriving(index, value);
}

/// ICH_ELRSR_EL2: a bit for each list register that is free; past the last they are zero.
pub fn empty_list_registers() -> u32 {
    read_register!("S3_4_C12_C11_5") as u32
}

/// Whether ICH_MISR_EL2 asks for maintenance.
pub fn wants_maintenance() -> bool {
    read_register!("S3_4_C12_C11_2") != 0
}

/// See [`Gic::take`](super::super::Gic::take).
#[inline(always)]
pub fn take(arrivals: &Arrivals) -> Taken {
    let Some(acknowledged) = acknowledge() else { return Taken::Nothing };
    let empty = empty_list_registers();
    let place = arrivals.list(acknowledged.intid, empty);
    let Some((index, value)) = place else { return Taken::Other(acknowledged) };
    if empty & 1 != 0 {
        // Mostly it is the first: no jump table for that.
        ICH_LR0_EL2.set(value);
    } else {
        write_arriving(index, value);
    }
    if acknowledged.intid.is_sgi() {
        deactivate(acknowledged.value);
    }
    Taken::Injected
}

/// ICC_DIR_EL1: ends an interrupt for which no guest's end comes.
#[inline(always)]
pub fn deactivate(acknowledged: u32) {
    // The priority drop comes first, and what lowers a maintenance interrupt's line.
    barrier::isb(barrier::SY);
    write_register!("S3_0_C12_C11_1", u64::from(acknowledged));
}
