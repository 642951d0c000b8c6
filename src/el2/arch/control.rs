//! EL2's control registers. All are written on every CPU, so that none keeps firmware's value.

use aarch64_cpu::asm::barrier;
use bulkhead::arch::system_registers::{IdRegisters, field};
use bulkhead::boot::el2_registers::{Choices, ControlRegisters};
use bulkhead::vgic::Delivery;

use super::registers::{read_register, write_register};

/// Returns the inputs of the control registers other than the ID registers: PMCR_EL0, which has the
/// number of event counters, and the properties of the partition.
pub fn choices(id: &IdRegisters, count_hypervisor: bool, delivery: Delivery) -> Choices {
    Choices {
        pmcr_el0: if id.field(field::PMU_VER) > 0 { read_register!("pmcr_el0") } else { 0 },
        count_hypervisor,
        direct_interrupts: delivery == Delivery::Direct,
    }
}

/// Writes all control registers of this CPU, whose own ID registers are `id`.
pub fn write(id: &IdRegisters, choices: Choices) {
    let control = ControlRegisters::new(id, choices);
    write_register!("hcr_el2", control.hcr_el2);
    write_register!("cptr_el2", control.cptr_el2);
    write_register!("mdcr_el2", control.mdcr_el2);
    write_register!("cnthctl_el2", control.cnthctl_el2);
    // EL2's physical timer is off until EL2 sets a deadline.
    write_register!("cnthp_ctl_el2", 0);
    write_register!("vtcr_el2", control.vtcr_el2);
    write_register!("hstr_el2", control.hstr_el2);
    barrier::isb(barrier::SY);
    if let Some(value) = control.hcrx_el2 {
        write_register!("S3_4_C1_C2_2", value);
    }
    if let Some(traps) = control.fine_grained_traps {
        write_register!("S3_4_C1_C1_4", traps.registers);
        write_register!("S3_4_C1_C1_5", traps.registers);
        write_register!("S3_4_C1_C1_6", traps.instructions);
        write_register!("S3_4_C3_C1_4", 0);
        write_register!("S3_4_C3_C1_5", 0);
    }
    if let Some(traps) = control.fine_grained_traps2 {
        write_register!("S3_4_C3_C1_2", traps.registers);
        write_register!("S3_4_C3_C1_3", traps.registers);
        write_register!("S3_4_C3_C1_7", 0);
        write_register!("S3_4_C3_C1_0", traps.debug_reads);
        write_register!("S3_4_C3_C1_1", traps.debug_writes);
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
    if let Some(value) = control.sctlr2_el2 {
        write_register!("S3_4_C1_C0_3", value);
    }
    if let Some(value) = control.tcr2_el2 {
        write_register!("S3_4_C2_C0_3", value);
    }
    if let Some(value) = control.gcscr_el2 {
        write_register!("S3_4_C2_C5_0", value);
    }
    barrier::isb(barrier::SY);
}
