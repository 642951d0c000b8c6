//! The frame that holds a guest's general registers while EL2 runs.

use aarch64_cpu::registers::{ELR_EL2, Readable, Writeable};
use core::mem::size_of;

/// A guest's general registers, in the layout of `trap/vectors.s`. The vectors store x19 to x29
/// only if the trapped instruction names one of them; otherwise these elements are stale.
#[repr(C)]
pub struct TrapFrame {
    /// x0 to x30, then zero for XZR; for an exception taken from EL2, its stack pointer.
    pub x: [u64; 32],
}

const _: () = assert!(size_of::<TrapFrame>() == 32 * 8);

impl TrapFrame {
    /// Returns the value of a register by its number in an instruction, in which 31 is XZR.
    #[inline(always)]
    pub fn register(&self, number: u8) -> u64 {
        self.x[usize::from(number & 31)]
    }

    /// Sets a register by its number in an instruction. A write to 31 has no effect on the guest:
    /// the element of XZR is not loaded from the frame, and no handler reads it after the write.
    #[inline(always)]
    pub fn set_register(&mut self, number: u8, value: u64) {
        self.x[usize::from(number & 31)] = value;
    }
}

/// Moves ELR_EL2 back to the A64 instruction that trapped, after [`skip_instruction`]: the guest
/// executes it again, once its interrupts are handled.
#[inline(never)]
pub fn repeat_instruction() {
    ELR_EL2.set(ELR_EL2.get().wrapping_sub(4));
}

/// Moves ELR_EL2 past the A64 instruction that trapped.
#[inline(always)]
pub fn skip_instruction() {
    ELR_EL2.set(ELR_EL2.get().wrapping_add(4));
}
