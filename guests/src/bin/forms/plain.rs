//! Plain loads and stores of every size, which a syndrome describes.

use core::arch::asm;

/// Loads `size` bytes from a register of a device.
pub fn load(address: u64, size: u64) -> u64 {
    let value;
    // SAFETY: callers pass registers whose reading has no effect on this program.
    unsafe {
        match size {
            1 => asm!("ldrb w8, [x9]", out("x8") value, in("x9") address, options(nostack)),
            2 => asm!("ldrh w8, [x9]", out("x8") value, in("x9") address, options(nostack)),
            4 => asm!("ldr w8, [x9]", out("x8") value, in("x9") address, options(nostack)),
            _ => asm!("ldr x8, [x9]", out("x8") value, in("x9") address, options(nostack)),
        }
    }
    value
}

/// Stores `size` bytes to a register of a device.
pub fn store(address: u64, size: u64, value: u64) {
    // SAFETY: callers pass registers whose value has no effect on this program.
    unsafe {
        match size {
            1 => asm!("strb w8, [x9]", in("x8") value, in("x9") address, options(nostack)),
            2 => asm!("strh w8, [x9]", in("x8") value, in("x9") address, options(nostack)),
            4 => asm!("str w8, [x9]", in("x8") value, in("x9") address, options(nostack)),
            _ => asm!("str x8, [x9]", in("x8") value, in("x9") address, options(nostack)),
        }
    }
}

/// How a load extends its value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// With zeros.
    Zero,
    /// With its sign, to 32 bits.
    To32,
    /// With its sign, to 64 bits.
    To64,
}

/// Returns the value of `size` bytes as a load extends it.
pub fn extended(value: u64, size: u64, sign: Sign) -> u64 {
    let unused = 64 - 8 * size;
    let signed = ((value << unused) as i64 >> unused) as u64;
    match sign {
        Sign::Zero => value,
        Sign::To32 => signed & 0xffff_ffff,
        Sign::To64 => signed,
    }
}
