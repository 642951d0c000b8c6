//! EL2's control registers: every one is written on every CPU, and nothing stays as firmware had it.

use aarch64_cpu::asm::barrier;
use bulkhead::control::{Choices, ControlRegisters, FineGrainedTraps, IdRegisters};
use bulkhead::inject::PstateFeatures;

use super::registers::{read_register, write_register};

/// The ID registers of this CPU that decide about the control registers. The encodings are read
/// as zero by a CPU that has no such register (Arm ARM D24.1).
pub fn id_registers() -> IdRegisters {
    let debug = read_register!("id_aa64dfr0_el1");
    let has_pmu = !matches!(debug >> 8 & 0xf, 0 | 0xf);
    IdRegisters {
        id_aa64pfr0_el1: read_register!("id_aa64pfr0_el1"),
        id_aa64pfr1_el1: read_register!("id_aa64pfr1_el1"),
        id_aa64pfr2_el1: read_register!("S3_0_C0_C4_2"),
        id_aa64dfr0_el1: debug,
        id_aa64dfr1_el1: read_register!("id_aa64dfr1_el1"),
        id_aa64isar0_el1: read_register!("id_aa64isar0_el1"),
        id_aa64isar1_el1: read_register!("id_aa64isar1_el1"),
        id_aa64isar2_el1: read_register!("S3_0_C0_C6_2"),
        id_aa64mmfr0_el1: read_register!("id_aa64mmfr0_el1"),
        id_aa64mmfr1_el1: read_register!("id_aa64mmfr1_el1"),
        id_aa64mmfr2_el1: read_register!("S3_0_C0_C7_2"),
        id_aa64mmfr3_el1: read_register!("S3_0_C0_C7_3"),
        id_aa64smfr0_el1: read_register!("S3_0_C0_C4_5"),
        pmcr_el0: if has_pmu {
            read_register!("pmcr_el0")
        } else {
            0
        },
    }
}

/// What this CPU's PSTATE has.
pub fn pstate_features() -> PstateFeatures {
    PstateFeatures::new(&id_registers())
}

/// Writes them all.
pub fn write(choices: Choices) {
    let control = ControlRegisters::new(&id_registers(), choices);
    write_register!("hcr_el2", control.hcr_el2);
    write_register!("cptr_el2", control.cptr_el2);
    write_register!("mdcr_el2", control.mdcr_el2);
    write_register!("cnthctl_el2", control.cnthctl_el2);
    write_register!("vtcr_el2", control.vtcr_el2);
    write_register!("hstr_el2", control.hstr_el2);
    barrier::isb(barrier::SY);
    if let Some(value) = control.hcrx_el2 {
        write_register!("S3_4_C1_C2_2", value);
    }
    if let Some(traps) = &control.fine_grained_traps {
        write_fine_grained(traps);
    }
    if let Some(value) = control.zcr_el2 {
        write_register!("S3_4_C1_C2_0", value);
    }
    if let Some(value) = control.smcr_el2 {
        write_register!("S3_4_C1_C2_6", value);
    }
    barrier::isb(barrier::SY);
}

fn write_fine_grained(traps: &FineGrainedTraps) {
    write_register!("S3_4_C1_C1_4", traps.hfgrtr_el2);
    write_register!("S3_4_C1_C1_5", traps.hfgwtr_el2);
    write_register!("S3_4_C1_C1_6", traps.hfgitr_el2);
    write_register!("S3_4_C3_C1_4", traps.hdfgrtr_el2);
    write_register!("S3_4_C3_C1_5", traps.hdfgwtr_el2);
}
