//! Enters a guest, and leaves it.

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::{CNTVOFF_EL2, Writeable};
use core::arch::global_asm;

use super::Vcpu;
use crate::el2::arch::reset;
use crate::el2::cpu;
use crate::el2::partition::VcpuStart;

/// EL1h with all interrupts masked, as the arm64 boot protocol requires at a kernel's entry.
const SPSR_START: u64 = 0b0101 | 0b1111 << 6;

global_asm!(include_str!("enter.s"), guest_stack = const cpu::GUEST_STACK);

unsafe extern "C" {
    /// Saves the callee-saved registers, and enters the guest at `entry` with `spsr` and with
    /// `context` in x0. Returns when `leave_guest` is called on this CPU.
    fn enter_guest(entry: u64, spsr: u64, context: u64);
    /// Discards the stack's contents since [`Vcpu::enter`], and returns from it on this CPU.
    ///
    /// # Safety
    ///
    /// - This CPU must have taken its last exception to EL2 from the guest that `enter` entered.
    /// - No value on the stack since then may need to be dropped.
    pub fn leave_guest() -> !;
}

impl Vcpu {
    /// Runs the guest from the start of this vCPU until a handler returns
    /// [`Flow::Leave`](super::Flow).
    pub fn enter(&'static self, start: VcpuStart) {
        self.partition.stage2.activate(self.index());
        reset::reset(&self.id);
        CNTVOFF_EL2.set(self.partition.started());
        barrier::isb(barrier::SY);
        // SAFETY: the lines above set stage 2 and the EL1 registers for this vCPU; SPSR_START
        // selects EL1; and `leave_guest` restores all callee-saved registers before this returns.
        unsafe { enter_guest(start.entry.get(), SPSR_START, start.context) }
    }
}
