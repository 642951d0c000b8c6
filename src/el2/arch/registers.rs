//! Access to system registers that the `aarch64-cpu` crate does not define.
//!
//! Writes take effect after an ISB, which callers issue once for a group of writes.

/// Reads a system register by its name or encoding in assembly.
macro_rules! read_register {
    ($name:expr) => {{
        let value: u64;
        // SAFETY: MRS writes only the register that the compiler allocated. The registers read here
        // have no side effect, except those that acknowledge an interrupt at the GIC.
        unsafe {
            core::arch::asm!(concat!("mrs {}, ", $name), out(reg) value, options(nostack))
        };
        value
    }};
}

/// Writes a system register by its name or encoding in assembly.
macro_rules! write_register {
    ($name:expr, $value:expr) => {{
        let value: u64 = $value;
        // SAFETY: the registers written here control EL1 and EL0, the interrupt controller, EL2's
        // timer or traps to EL2, but neither translation nor control flow at EL2. Those that extend
        // these (SCTLR2_EL2, TCR2_EL2, GCSCR_EL2) are written as zero, as EL2's tables expect.
        unsafe {
            core::arch::asm!(concat!("msr ", $name, ", {}"), in(reg) value, options(nostack))
        };
    }};
}

pub(in crate::el2) use {read_register, write_register};
