//! The way into a guest.

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::{CNTVOFF_EL2, Writeable};

use super::Vcpu;
use crate::el2::arch::reset;
use crate::el2::cpu;
use crate::el2::mm::stage2;
use crate::el2::partition::Start;
use crate::el2::trap::vectors;

/// EL1h with all interrupts masked: the state in which the arm64 boot protocol enters a kernel.
const SPSR_START: u64 = 0b0101 | 0b1111 << 6;

/// Enters the guest at the start of a vCPU.
pub fn enter(vcpu: &Vcpu, start: Start) -> ! {
    stage2::activate(vcpu);
    reset::reset(&vcpu.id);
    CNTVOFF_EL2.set(vcpu.partition.started());
    barrier::isb(barrier::SY);
    // SAFETY: stage 2 and EL1 are this vCPU's, the state is EL1's, and nothing of what EL2 did on
    // this stack is ever returned to.
    unsafe { vectors::enter(start.entry, SPSR_START, start.context, cpu::current().stack_top()) }
}
