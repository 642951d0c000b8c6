//! EL2's control registers: every one is written on every CPU, and nothing stays as firmware had it.

use aarch64_cpu::asm::barrier;
use bulkhead::control::{Choices, ControlRegisters, FineGrainedTraps, FineGrainedTraps2};
use bulkhead::system_registers::IdRegisters;

use super::id_registers;
use super::registers::{read_register, write_register};

/// What this CPU says about itself.
pub fn id_registers() -> IdRegisters {
    IdRegisters::read(id_registers::read)
}

/// What a partition may choose about the control registers of its CPUs.
pub fn choices(id: &IdRegisters, count_hypervisor: bool) -> Choices {
    Choices {
        pmcr_el0: if id.has_pmu() { read_register!("pmcr_el0") } else { 0 },
        count_hypervisor,
        direct_interrupts: false,
    }
}

/// Writes them all.
pub fn write(id: &IdRegisters, choices: Choices) {
    let control = ControlRegisters::new(id, choices);
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
    if let Some(traps) = &control.fine_grained_traps2 {
        write_fine_grained2(traps);
    }
    if let Some(value) = control.zcr_el2 {
        write_register!("S3_4_C1_C2_0", value);
    }
    if let Some(value) = control.smcr_el2 {
        write_register!("S3_4_C1_C2_6", value);
    }
    if let Some(value) = control.mpam2_el2 {
        write_register!("S3_4_C10_C5_0", value);
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

fn write_fine_grained2(traps: &FineGrainedTraps2) {
    write_register!("S3_4_C3_C1_2", traps.hfgrtr2_el2);
    write_register!("S3_4_C3_C1_3", traps.hfgwtr2_el2);
    write_register!("S3_4_C3_C1_7", traps.hfgitr2_el2);
    write_register!("S3_4_C3_C1_0", traps.hdfgrtr2_el2);
    write_register!("S3_4_C3_C1_1", traps.hdfgwtr2_el2);
}
