//! System registers that the `aarch64-cpu` crate has no name for.
//!
//! Where it has one, its own name is used. Writes to either take effect after an ISB, which the
//! callers issue once for all that belongs together.

/// Reads a system register by the name or encoding that the assembler knows.
macro_rules! read_register {
    ($name:expr) => {{
        let value: u64;
        // SAFETY: the registers read this way have no side effect on memory or on Rust's state;
        // what acknowledging an interrupt does to the GIC is the caller's intent.
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
        // SAFETY: the registers written this way steer the guest's or the interrupt controller's
        // side of the CPU, never the memory or the control flow of EL2 itself.
        unsafe {
            core::arch::asm!(concat!("msr ", $name, ", {}"), in(reg) value, options(nostack))
        };
    }};
}

pub(in crate::el2) use {read_register, write_register};
