//! The calling CPU: its index, its system registers and its interrupt mask.

use core::arch::asm;

/// Lets another thread of the core, or an emulator that runs the CPUs in turn, continue first.
pub fn relax() {
    // SAFETY: YIELD changes no memory and no registers.
    unsafe { asm!("yield", options(nomem, nostack, preserves_flags)) };
}

/// The number of CPUs that the guests support: there is a stack for each.
pub const MAX_CPUS: usize = 16;

/// Reads a system register by name, as a `u64`. The general-purpose register is always the same
/// one: the cost of a trapped access may depend on it.
#[macro_export]
macro_rules! read_register {
    ($name:literal) => {{
        let value: u64;
        // SAFETY: reading this register has no effect on memory.
        unsafe {
            ::core::arch::asm!(concat!("mrs x8, ", $name), out("x8") value, options(nostack));
        }
        value
    }};
}

/// Writes a system register by name, from a `u64`, followed by a context synchronization event. The
/// general-purpose register is always the same one, as in [`read_register`].
#[macro_export]
macro_rules! write_register {
    ($name:literal, $value:expr) => {{
        let value: u64 = $value;
        // SAFETY: each use names a register of interrupts, timers, debug or performance monitoring,
        // or one of thread IDs: none of them affects memory or translation.
        unsafe {
            ::core::arch::asm!(concat!("msr ", $name, ", x8"), "isb", in("x8") value,
                options(nostack));
        }
    }};
}

/// Returns the index of this CPU in the order of the tree; that of the boot CPU is 0.
pub fn index() -> usize {
    read_register!("tpidr_el1") as usize
}

/// Returns the affinity fields of MPIDR_EL1, in the format of a tree's `reg` and of PSCI calls.
pub fn affinity() -> u64 {
    read_register!("mpidr_el1") & 0xff_00ff_ffff
}

/// Runs `action` with interrupts masked.
pub fn without_interrupts<T>(action: impl FnOnce() -> T) -> T {
    let daif = read_register!("daif");
    mask_interrupts();
    let result = action();
    write_register!("daif", daif);
    result
}

/// Unmasks IRQs.
pub fn unmask_interrupts() {
    // SAFETY: the vectors are set up before any guest code runs.
    unsafe { asm!("msr daifclr, #2", options(nostack)) };
}

/// Masks IRQs.
pub fn mask_interrupts() {
    // SAFETY: no code relies on IRQs being unmasked.
    unsafe { asm!("msr daifset, #2", options(nostack)) };
}

/// Waits by WFI until `done`. Interrupts are masked between the test and the WFI, so that none can
/// come between them.
pub fn wait_until(mut done: impl FnMut() -> bool) {
    loop {
        mask_interrupts();
        if done() {
            unmask_interrupts();
            return;
        }
        // SAFETY: WFI wakes for a pending interrupt even if that is masked.
        unsafe { asm!("dsb sy", "wfi", options(nostack)) };
        unmask_interrupts();
    }
}
