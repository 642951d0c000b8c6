//! The reset of registers that take more than one MSR each: files of numbered registers, and those
//! where writes have a meaning of their own.
//!
//! The table of CPU features names these functions; each is called on CPUs that have the feature.

use aarch64_cpu::asm::barrier;
use core::arch::global_asm;

use super::registers::{read_register, write_register};

global_asm!(include_str!("reset.s"), options(raw));

unsafe extern "C" {
    safe fn zero_vector_registers();
    fn zero_predicate_registers();
    fn zero_upper_halves();
    fn zero_debug_registers(breakpoints: u64, watchpoints: u64);
}

/// Zeroes V0 to V31, FPCR and FPSR.
pub fn vector_registers() {
    zero_vector_registers();
}

/// Zeroes SVE's predicates and its first-fault register.
pub fn predicates() {
    // SAFETY: the CPU has SVE, which `control` has opened to EL2, and EL2 keeps nothing in it.
    unsafe { zero_predicate_registers() };
}

/// Zeroes the upper halves of the registers that have 128 bits.
pub fn upper_halves() {
    // SAFETY: the CPU has FEAT_D128 and with it FEAT_THE; EL2 uses none of these registers.
    unsafe { zero_upper_halves() };
}

/// Locks the OS lock, as a cold reset does, clears the claim tags and OSECCR_EL1, which can be
/// written while the lock is locked, and zeroes breakpoints and watchpoints.
pub fn debug_registers() {
    const CLAIM_TAGS: u64 = 0xff;
    /// ID_AA64DFR0_EL1.DebugVer of FEAT_Debugv8p9: there may be four banks of 16.
    const BANKED: u64 = 11;
    write_register!("oslar_el1", 1);
    write_register!("dbgclaimclr_el1", CLAIM_TAGS);
    barrier::isb(barrier::SY);
    write_register!("oseccr_el1", 0);
    let features = read_register!("id_aa64dfr0_el1");
    if features & 0xf >= BANKED {
        let highest = read_register!("id_aa64dfr1_el1");
        for bank in 1..4 {
            let in_bank = |highest: u64| (highest & 0xff).saturating_sub(bank * 16 - 1).min(16);
            select_debug_bank(bank);
            // SAFETY: ID_AA64DFR1_EL1.BRPs and WRPs are the highest numbers that this CPU has if
            // they are above 15, and EL2 uses none of them.
            unsafe { zero_debug_registers(in_bank(highest >> 8), in_bank(highest >> 16)) };
        }
        select_debug_bank(0);
    }
    let (breakpoints, watchpoints) = ((features >> 12 & 0xf) + 1, (features >> 20 & 0xf) + 1);
    // SAFETY: ID_AA64DFR0_EL1.BRPs and WRPs are the highest numbers that this CPU has, 15 at the
    // most, and EL2 uses none of them.
    unsafe { zero_debug_registers(breakpoints, watchpoints) };
}

/// Selects the breakpoints and watchpoints that the names of the first 16 mean, by MDSELR_EL1.
fn select_debug_bank(bank: u64) {
    write_register!("S2_0_C0_C4_2", bank << 4);
    barrier::isb(barrier::SY);
}

/// Zeroes VDISR_EL2, which a guest accesses as DISR_EL1 because HCR_EL2.AMO is set. RAS is hidden
/// from guests, but nothing traps that register: so it is the CPU itself that says whether it is
/// there.
pub fn deferred_error() {
    if read_register!("id_aa64pfr0_el1") >> 28 & 0xf > 0 {
        write_register!("S3_4_C12_C1_1", 0);
    }
}

/// Stops and zeroes the PMU's counters and clears what each counts.
pub fn event_counters() {
    /// PMCR_EL0.{C, P}.
    const RESET_COUNTERS: u64 = 0b110;
    stop_counters();
    write_register!("pmcr_el0", RESET_COUNTERS);
    for counter in 0..read_register!("pmcr_el0") >> 11 & 0x1f {
        write_register!("pmselr_el0", counter);
        barrier::isb(barrier::SY);
        write_register!("pmxevtyper_el0", 0);
        write_register!("pmxevcntr_el0", 0);
    }
    write_register!("pmselr_el0", 0);
}

/// Stops the PMU's counters and their interrupts.
pub fn stop_counters() {
    /// The event counters and the cycle counter.
    const ALL: u64 = 0xffff_ffff;
    // ID_AA64DFR1_EL1.PMICNTR: the instruction counter, which has bit 32.
    let instructions = u64::from(read_register!("id_aa64dfr1_el1") >> 36 & 0xf > 0) << 32;
    write_register!("pmcntenclr_el0", ALL | instructions);
    write_register!("pmintenclr_el1", ALL | instructions);
    write_register!("pmovsclr_el0", ALL | instructions);
}
