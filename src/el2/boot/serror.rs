//! Takes the SError that firmware or the boot loader may have left pending, before it would be
//! taken from a guest and blamed on it.

use core::arch::naked_asm;

/// Takes a pending SError of this CPU, and returns ESR_EL2, which describes it; `None` if none is
/// pending. HCR_EL2.AMO must be set: otherwise an SError is not taken at EL2.
pub fn take_pending() -> Option<u64> {
    // SAFETY: the function changes VBAR_EL2 and PSTATE.A only until it returns, and no other
    // register that the compiler uses (AAPCS64); it needs no stack.
    let esr = unsafe { unmask_shortly() };
    (esr != 0).then_some(esr)
}

/// Unmasks SErrors for the time of an ISB, and returns the ESR_EL2 of the exception that was taken
/// then; 0 if none was. No exception has the syndrome 0 with EC 0 here: that would be an unknown
/// instruction, and these are known.
///
/// It has exception vectors of its own: those that stay report an exception from EL2 as a panic.
/// IRQs and FIQs are masked, so only an SError can be taken.
///
/// # Safety
///
/// This CPU must be at EL2 with its own stack pointer selected.
#[unsafe(naked)]
unsafe extern "C" fn unmask_shortly() -> u64 {
    naked_asm!(
        "adr x1, 2f",
        "mrs x2, vbar_el2",
        "msr vbar_el2, x1",
        "mov x0, xzr",
        // Accesses before this have completed, with the SErrors that they cause.
        "dsb sy",
        "isb",
        "msr daifclr, #4",
        "isb",
        "msr daifset, #4",
        "msr vbar_el2, x2",
        "isb",
        "ret",
        ".balign 0x800",
        "2:",
        ".rept 16",
        ".balign 0x80",
        "mrs x0, esr_el2",
        "mrs x3, spsr_el2",
        "orr x3, x3, #1 << 8", // PSTATE.A: it stays masked
        "msr spsr_el2, x3",
        "eret",
        ".endr",
    )
}
