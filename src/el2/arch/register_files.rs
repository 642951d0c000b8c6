//! Resets state that no single MSR resets: files of numbered registers, and registers whose writes
//! set or clear bits or act on other registers.
//!
//! The table of CPU features (`bulkhead::arch::system_registers`) names these functions. Each is
//! called only on CPUs that have its feature.

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

/// Zeroes SVE's predicate registers and its first-fault register.
pub fn predicates() {
    // SAFETY: the table calls this only on CPUs with SVE, whose use `control::write` enables at EL2
    // (CPTR_EL2), and code at EL2 uses no vector or predicate register (soft-float target).
    unsafe { zero_predicate_registers() };
}

/// Zeroes the upper halves of the 128-bit system registers.
pub fn upper_halves() {
    // SAFETY: the table calls this only on CPUs with FEAT_D128 and FEAT_THE; these registers
    // control EL1 and EL0, and EL2 uses none of them.
    unsafe { zero_upper_halves() };
}

/// Clears the claim tags, OSECCR_EL1, and the bits of MDSCR_EL1 that are EDSCR's, HDE among them:
/// both registers are writable only while the OS Lock is locked. Unlocks it, which guests cannot
/// undo, and zeroes the breakpoints and watchpoints.
pub fn debug_registers() {
    const CLAIM_TAGS: u64 = 0xff;
    /// ID_AA64DFR0_EL1.DebugVer of FEAT_Debugv8p9, with which there are up to four banks of 16
    /// breakpoints and watchpoints.
    const BANKED: u64 = 11;
    write_register!("oslar_el1", 1);
    write_register!("dbgclaimclr_el1", CLAIM_TAGS);
    barrier::isb(barrier::SY);
    write_register!("oseccr_el1", 0);
    write_register!("mdscr_el1", 0);
    write_register!("oslar_el1", 0);
    barrier::isb(barrier::SY);
    let features = read_register!("id_aa64dfr0_el1");
    if features & 0xf >= BANKED {
        let highest = read_register!("id_aa64dfr1_el1");
        for bank in 1..4 {
            let in_bank = |highest: u64| (highest & 0xff).saturating_sub(bank * 16 - 1).min(16);
            select_debug_bank(bank);
            // SAFETY: `in_bank` returns at most 16, and no more than this CPU has in the bank by
            // ID_AA64DFR1_EL1.BRPs and WRPs; EL2 uses no breakpoint or watchpoint.
            unsafe { zero_debug_registers(in_bank(highest >> 8), in_bank(highest >> 16)) };
        }
        select_debug_bank(0);
    }
    let (breakpoints, watchpoints) = ((features >> 12 & 0xf) + 1, (features >> 20 & 0xf) + 1);
    // SAFETY: both are at most 16, and by ID_AA64DFR0_EL1.BRPs and WRPs this CPU has that many; EL2
    // uses no breakpoint or watchpoint.
    unsafe { zero_debug_registers(breakpoints, watchpoints) };
}

/// Selects the bank that the registers of breakpoints and watchpoints 0 to 15 access (MDSELR_EL1).
fn select_debug_bank(bank: u64) {
    write_register!("S2_0_C0_C4_2", bank << 4);
    barrier::isb(barrier::SY);
}

/// Zeroes VDISR_EL2, which a guest accesses as DISR_EL1 because HCR_EL2.AMO is set. FEAT_RAS is
/// hidden from guests, but accesses to DISR_EL1 do not trap. So the CPU's own ID register decides,
/// not the guest's view of it.
pub fn deferred_error() {
    if read_register!("id_aa64pfr0_el1") >> 28 & 0xf > 0 {
        write_register!("S3_4_C12_C1_1", 0);
    }
}

/// Stops and zeroes the PMU's counters, and clears their event types.
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

/// Stops the PMU's counters and disables and clears their overflow interrupts.
pub fn stop_counters() {
    /// The event counters and the cycle counter.
    const ALL: u64 = 0xffff_ffff;
    // Bit 32, if ID_AA64DFR1_EL1.PMICNTR shows the instruction counter.
    let instructions = u64::from(read_register!("id_aa64dfr1_el1") >> 36 & 0xf > 0) << 32;
    write_register!("pmcntenclr_el0", ALL | instructions);
    write_register!("pmintenclr_el1", ALL | instructions);
    write_register!("pmovsclr_el0", ALL | instructions);
}
