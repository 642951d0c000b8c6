//! The calling CPU: its index, its system registers and its interrupt mask.

use core::arch::asm;

/// The number of CPUs that the guests support: there is a stack for each.
pub const MAX_CPUS: usize = 8;

/// Reads a system register by name, as a `u64`. The general register is always the same, since what an
/// access that traps costs may depend on it.
#[macro_export]
macro_rules! read_register {
    ($name:literal) => {{
        let value: u64;
        // SAFETY: reading this register has no effect that Rust's memory model knows of.
        unsafe {
            ::core::arch::asm!(concat!("mrs x8, ", $name), out("x8") value, options(nostack));
        }
        value
    }};
}

/// Writes a system register by name, from a `u64`, with a context synchronization after it. The general
/// register is always the same, as for [`read_register`].
#[macro_export]
macro_rules! write_register {
    ($name:literal, $value:expr) => {{
        let value: u64 = $value;
        // SAFETY: the name stands at the place of use, where it can be seen that the register is one
        // of interrupts, timers, debug or performance: those change neither memory nor translation.
        unsafe {
            ::core::arch::asm!(concat!("msr ", $name, ", x8"), "isb", in("x8") value,
                options(nostack));
        }
    }};
}

/// The index of this CPU in the tree's list; the boot CPU is 0.
pub fn index() -> usize {
    read_register!("tpidr_el1") as usize
}

/// The affinity fields of this CPU's MPIDR_EL1, as they stand in a tree's `reg` and in PSCI calls.
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

/// Lets IRQs in.
pub fn unmask_interrupts() {
    // SAFETY: the vectors are set up before any guest code runs.
    unsafe { asm!("msr daifclr, #2", options(nostack)) };
}

/// Keeps IRQs out.
pub fn mask_interrupts() {
    // SAFETY: takes nothing away that other code relies on.
    unsafe { asm!("msr daifset, #2", options(nostack)) };
}

/// Waits, with interrupts masked so that none slips by between the look and the wait, until `done`.
pub fn wait_until(mut done: impl FnMut() -> bool) {
    loop {
        mask_interrupts();
        if done() {
            unmask_interrupts();
            return;
        }
        // SAFETY: WFI wakes for a pending interrupt even while it is masked.
        unsafe { asm!("dsb sy", "wfi", options(nostack)) };
        unmask_interrupts();
    }
}
