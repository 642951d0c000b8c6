//! Trying something at EL1 or at EL0, and coming back from it.

use core::arch::naked_asm;

use runtime::exceptions::{Fault, attempt};

use crate::window;

/// What is tried: a function of an address and of the address of some memory of the attacker's own.
/// At EL0 it runs without a stack and through [`window::USER`], so it is written in assembly.
pub type Function = unsafe extern "C" fn(u64, u64) -> u64;

/// An exception level.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Level {
    /// The guest's kernel.
    El1,
    /// Its processes.
    El0,
}

/// Both levels, in the order of [`Level`].
pub const LEVELS: [Level; 2] = [Level::El1, Level::El0];

/// ESR_EL1.EC of SVC.
const SVC: u64 = 0x15;

impl Level {
    /// Where code at this level sees an intermediate physical address, as memory.
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
    /// What the function does with these arguments may fail, and does no harm to the attacker itself.
    pub unsafe fn call(self, function: Function, a: u64, b: u64) -> Result<(), Fault> {
        match self {
            // SAFETY: the caller's.
            Level::El1 => unsafe { attempt(function, a, b) }.map(drop),
            Level::El0 => {
                let user = |function: Function| window::USER + function as usize as u64;
                let state = El0 { entry: user(function), end: user(come_back), a, b };
                // SAFETY: the caller's; whatever EL0 does ends in an exception, which ends the attempt.
                match unsafe { attempt(enter_el0, &raw const state as u64, 0) } {
                    Err(fault) if fault.class() == SVC => Ok(()),
                    result => result.map(drop),
                }
            }
        }
    }
}

/// With what EL0 begins.
#[repr(C)]
struct El0 {
    entry: u64,
    /// Where the function returns to.
    end: u64,
    a: u64,
    b: u64,
}

/// Goes to EL0 with interrupts masked. What comes back is an exception.
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

/// What a function at EL0 returns to.
#[unsafe(naked)]
unsafe extern "C" fn come_back(_: u64, _: u64) -> u64 {
    naked_asm!("svc #0")
}
