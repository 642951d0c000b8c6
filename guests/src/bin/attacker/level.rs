//! Attempts at EL1 and at EL0.

use core::arch::naked_asm;

use runtime::exceptions::{Fault, attempt};

use crate::window;

/// The function of an attempt. Its arguments are an address, and the address of memory of the
/// attacker's own. At EL0 it runs without a stack and in [`window::USER`], so it is written in
/// assembly.
pub type Function = unsafe extern "C" fn(u64, u64) -> u64;

/// An exception level.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Level {
    /// EL1.
    El1,
    /// EL0.
    El0,
}

/// Both levels, in the order of [`Level`].
pub const LEVELS: [Level; 2] = [Level::El1, Level::El0];

/// ESR_EL1.EC of SVC.
const SVC: u64 = 0x15;

impl Level {
    /// Returns the address at which this level sees intermediate physical address 0, as Normal
    /// memory.
    pub const fn window(self) -> u64 {
        match self {
            Level::El1 => window::KERNEL,
            Level::El0 => window::USER,
        }
    }

    /// Calls `function(a, b)` at this level.
    ///
    /// # Safety
    ///
    /// With these arguments, the function does not affect the attacker's own code and data.
    pub unsafe fn call(self, function: Function, a: u64, b: u64) -> Result<(), Fault> {
        match self {
            // SAFETY: guaranteed by the caller.
            Level::El1 => unsafe { attempt(function, a, b) }.map(drop),
            Level::El0 => {
                let user = |function: Function| window::USER + function as usize as u64;
                let state = El0 { entry: user(function), end: user(return_by_svc), a, b };
                // SAFETY: guaranteed by the caller; EL0 returns by an exception, which ends the
                // attempt.
                match unsafe { attempt(enter_el0, &raw const state as u64, 0) } {
                    Err(fault) if fault.class() == SVC => Ok(()),
                    result => result.map(drop),
                }
            }
        }
    }
}

/// The initial state of EL0.
#[repr(C)]
struct El0 {
    entry: u64,
    /// The return address of the function.
    end: u64,
    a: u64,
    b: u64,
}

/// Enters EL0 with interrupts masked. It returns by an exception.
#[unsafe(naked)]
unsafe extern "C" fn enter_el0(state: u64, _: u64) -> u64 {
    naked_asm!(
        "ldp x2, x30, [x0]",
        "ldp x0, x1, [x0, #16]",
        "mov x3, #0x3c0",
        "msr elr_el1, x2",
        "msr spsr_el1, x3",
        "eret",
    )
}

/// Leaves EL0. Functions at EL0 return to it.
#[unsafe(naked)]
unsafe extern "C" fn return_by_svc(_: u64, _: u64) -> u64 {
    naked_asm!("svc #0")
}
