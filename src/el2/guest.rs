//! A guest's side of this CPU: the EL1 registers it starts with, and the way in.

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::*;
use bulkhead::control::SCTLR_EL1_RESET;
use bulkhead::system_registers::{IdRegisters, field};

use super::partition::Start;
use super::registers::write_register;
use super::vcpu::Vcpu;
use super::{cpu, stage2, vectors};

/// EL1h with all interrupts masked: the state in which the arm64 boot protocol enters a kernel.
const SPSR_START: u64 = 0b0101 | 0b1111 << 6;

/// Writes zero to registers by the names or encodings that the assembler knows.
macro_rules! zero {
    ($($name:literal)*) => { $(write_register!($name, 0);)* };
}

/// Enters the guest at the start of a vCPU.
pub fn enter(vcpu: &Vcpu, start: Start) -> ! {
    stage2::activate(vcpu);
    reset_el1(vcpu);
    // SAFETY: stage 2 and EL1 are this vCPU's, the state is EL1's, and nothing of what EL2 did on
    // this stack is ever returned to.
    unsafe { vectors::enter(start.entry, SPSR_START, start.context, cpu::current().stack_top()) }
}

/// The registers below EL2 as a guest finds them: MMU off, nothing left of whatever ran before.
fn reset_el1(vcpu: &Vcpu) {
    SCTLR_EL1.set(SCTLR_EL1_RESET);
    zero!(
        "actlr_el1" "cpacr_el1" "ttbr0_el1" "ttbr1_el1" "tcr_el1" "mair_el1" "amair_el1"
        "afsr0_el1" "afsr1_el1" "esr_el1" "far_el1" "par_el1" "vbar_el1" "contextidr_el1"
        "tpidr_el0" "tpidr_el1" "tpidrro_el0" "csselr_el1" "sp_el0" "sp_el1" "elr_el1" "spsr_el1"
        "cntkctl_el1" "cntv_ctl_el0" "cntv_cval_el0" "cntp_ctl_el0" "cntp_cval_el0"
        "mdscr_el1" "mdccint_el1" "osdtrrx_el1" "osdtrtx_el1"
    );
    reset_extensions(&vcpu.id);
    CNTVOFF_EL2.set(vcpu.partition.started());
    barrier::isb(barrier::SY);
}

/// The same for controls that a guest's kernel may be too old to know: a CPU that has EL2 comes out
/// of reset with any value in them.
fn reset_extensions(id: &IdRegisters) {
    if id.field(field::TCRX) > 0 {
        // TCR2_EL1.
        zero!("S3_0_C2_C0_3");
    }
    if id.field(field::SCTLRX) > 0 {
        // SCTLR2_EL1.
        zero!("S3_0_C1_C0_3");
    }
    if id.field(field::GCS) > 0 {
        // GCSCR_EL1, GCSCRE0_EL1.
        zero!("S3_0_C2_C5_0" "S3_0_C2_C5_2");
    }
}

/// Keeps the guest's own timers from interrupting a CPU that it has left.
pub fn silence() {
    zero!("cntv_ctl_el0" "cntp_ctl_el0");
    barrier::isb(barrier::SY);
}
