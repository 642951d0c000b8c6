//! The registers below EL2 as a guest finds them: MMU off, nothing left of whatever ran before.

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::{SCTLR_EL1, Writeable};
use bulkhead::arch::system_registers::{IdRegisters, field};
use bulkhead::boot::el2_registers::SCTLR_EL1_RESET;
use core::arch::global_asm;

use super::registers::{read_register, write_register};

global_asm!(include_str!("reset.s"), options(raw));

unsafe extern "C" {
    safe fn zero_vector_registers();
    fn zero_predicate_registers();
    fn zero_debug_registers(highest_breakpoint: u64, highest_watchpoint: u64);
}

/// Writes zero to registers by the names or encodings that the assembler knows.
macro_rules! zero {
    ($($name:literal)*) => { $(write_register!($name, 0);)* };
}

/// The same for registers that there are only where a field of the ID registers is as large.
macro_rules! zero_where {
    ($id:ident: $($field:ident >= $least:literal: $($name:literal)+;)*) => {
        $(if $id.field(field::$field) >= $least {
            zero!($($name)+);
        })*
    };
}

/// Resets all registers of this CPU that a guest can see, for the start of a vCPU.
pub fn reset(id: &IdRegisters) {
    SCTLR_EL1.set(SCTLR_EL1_RESET);
    zero!(
        "actlr_el1" "cpacr_el1" "ttbr0_el1" "ttbr1_el1" "tcr_el1" "mair_el1" "amair_el1"
        "afsr0_el1" "afsr1_el1" "esr_el1" "far_el1" "par_el1" "vbar_el1" "contextidr_el1"
        "tpidr_el0" "tpidr_el1" "tpidrro_el0" "csselr_el1" "sp_el0" "sp_el1" "elr_el1" "spsr_el1"
        "cntkctl_el1" "cntv_ctl_el0" "cntv_cval_el0" "cntp_ctl_el0" "cntp_cval_el0"
    );
    reset_extensions(id);
    zero_vector_registers();
    if id.field(field::SVE) > 0 {
        // SAFETY: the CPU has SVE, which `control` has opened to EL2, and EL2 keeps nothing in it.
        unsafe { zero_predicate_registers() };
    }
    reset_debug();
    if id.field(field::PMU_VER) > 0 {
        reset_pmu();
    }
    barrier::isb(barrier::SY);
}

/// What not every CPU has. A guest's kernel may be too old to know some of it, and a CPU that has
/// EL2 comes out of reset with any value there.
fn reset_extensions(id: &IdRegisters) {
    zero_where!(id:
        // SVCR, which turns streaming mode and ZA off, TPIDR2_EL0, SMCR_EL1.
        SME >= 1: "S3_3_C4_C2_2" "S3_3_C13_C0_5" "S3_0_C1_C2_6";
        // ZCR_EL1.
        SVE >= 1: "S3_0_C1_C2_0";
        // TCR2_EL1.
        TCRX >= 1: "S3_0_C2_C0_3";
        // SCTLR2_EL1.
        SCTLRX >= 1: "S3_0_C1_C0_3";
        // GCSCR_EL1, GCSCRE0_EL1, GCSPR_EL1, GCSPR_EL0.
        GCS >= 1: "S3_0_C2_C5_0" "S3_0_C2_C5_2" "S3_0_C2_C5_1" "S3_3_C2_C5_1";
        // PIR_EL1, PIRE0_EL1.
        S1PIE >= 1: "S3_0_C10_C2_3" "S3_0_C10_C2_2";
        // POR_EL1, POR_EL0.
        S1POE >= 1: "S3_0_C10_C2_4" "S3_3_C10_C2_4";
        // SCXTNUM_EL1, SCXTNUM_EL0.
        CSV2 >= 2: "S3_0_C13_C0_7" "S3_3_C13_C0_7";
        // TFSR_EL1, TFSRE0_EL1, RGSR_EL1, GCR_EL1.
        MTE >= 2: "S3_0_C5_C6_0" "S3_0_C5_C6_1" "S3_0_C1_C0_5" "S3_0_C1_C0_6";
        // FPMR.
        FPMR >= 1: "S3_3_C4_C4_2";
    );
    if id.field(field::APA) | id.field(field::API) | id.field(field::APA3) > 0 {
        // The five pointer authentication keys, the lower and the upper half of each.
        zero!(
            "S3_0_C2_C1_0" "S3_0_C2_C1_1" "S3_0_C2_C1_2" "S3_0_C2_C1_3" "S3_0_C2_C2_0"
            "S3_0_C2_C2_1" "S3_0_C2_C2_2" "S3_0_C2_C2_3" "S3_0_C2_C3_0" "S3_0_C2_C3_1"
        );
    }
}

/// Breakpoints and watchpoints; the OS lock is locked, as out of a cold reset.
fn reset_debug() {
    zero!("mdscr_el1" "mdccint_el1" "osdtrrx_el1" "osdtrtx_el1");
    let features = read_register!("id_aa64dfr0_el1");
    let (breakpoints, watchpoints) = (features >> 12 & 0xf, features >> 20 & 0xf);
    // SAFETY: ID_AA64DFR0_EL1.BRPs and WRPs are the highest numbers that this CPU has, and EL2
    // uses none of them.
    unsafe { zero_debug_registers(breakpoints, watchpoints) };
    write_register!("oslar_el1", 1);
}

/// The counters, all off and at zero.
fn reset_pmu() {
    const RESET_COUNTERS: u64 = 0b110;
    silence_pmu();
    write_register!("pmcr_el0", RESET_COUNTERS);
    zero!("pmuserenr_el0" "pmccfiltr_el0");
    for counter in 0..read_register!("pmcr_el0") >> 11 & 0x1f {
        write_register!("pmselr_el0", counter);
        barrier::isb(barrier::SY);
        zero!("pmxevtyper_el0" "pmxevcntr_el0");
    }
    zero!("pmselr_el0");
}

fn silence_pmu() {
    const ALL: u64 = 0xffff_ffff;
    write_register!("pmcntenclr_el0", ALL);
    write_register!("pmintenclr_el1", ALL);
    write_register!("pmovsclr_el0", ALL);
}

/// Keeps what a guest has set up on this CPU from interrupting it when it has left.
pub fn silence(id: &IdRegisters) {
    zero!("cntv_ctl_el0" "cntp_ctl_el0");
    if id.field(field::PMU_VER) > 0 {
        silence_pmu();
    }
    barrier::isb(barrier::SY);
}
