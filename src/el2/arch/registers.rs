//! Access to system registers that the `aarch64-cpu` crate has no name for.
//!
//! Writes take effect after an ISB, which callers issue once for all writes that belong together.

/// Reads a system register by the name or encoding that the assembler knows.
macro_rules! read_register {
    ($name:expr) => {{
        let value: u64;
        // SAFETY: reading these registers changes neither memory nor Rust's state. A read that
        // acknowledges an interrupt changes the GIC's state, as the caller intends.
        unsafe {
            core::arch::asm!(concat!("mrs {}, ", $name), out(reg) value, options(nostack))
        };
        value
    }};
}

/// Writes a system register by the name or encoding that the assembler knows.
macro_rules! write_register {
    ($name:expr, $value:expr) => {{
        let value: u64 = $value;
        // SAFETY: these registers control EL1 and EL0, the interrupt controller or traps to EL2,
        // but neither the memory nor the control flow of EL2 itself.
        unsafe {
            core::arch::asm!(concat!("msr ", $name, ", {}"), in(reg) value, options(nostack))
        };
    }};
}

pub(in crate::el2) use {read_register, write_register};
