//! Accesses to device registers, by single load and store instructions that a hypervisor can
//! emulate from the syndrome alone (no writeback, no pairs). They always use the same
//! general-purpose registers: the cost of a trapped access may depend on them.

use core::arch::asm;

/// Reads a 32-bit register.
///
/// # Safety
///
/// `address` is that of a mapped device register, and the effect of reading it is intended.
pub unsafe fn read32(address: u64) -> u32 {
    let value: u32;
    // SAFETY: guaranteed by the caller.
    unsafe { asm!("ldr w8, [x9]", out("x8") value, in("x9") address, options(nostack)) };
    value
}

/// Writes a 32-bit register.
///
/// # Safety
///
/// `address` is that of a mapped device register, and the effect of writing it is intended.
pub unsafe fn write32(address: u64, value: u32) {
    // SAFETY: guaranteed by the caller.
    unsafe { asm!("str w8, [x9]", in("x8") value, in("x9") address, options(nostack)) };
}

/// Writes a 16-bit register.
///
/// # Safety
///
/// As for [`write32`].
pub unsafe fn write16(address: u64, value: u16) {
    // SAFETY: guaranteed by the caller.
    unsafe { asm!("strh w8, [x9]", in("x8") value as u32, in("x9") address, options(nostack)) };
}

/// Writes an 8-bit register.
///
/// # Safety
///
/// As for [`write32`].
pub unsafe fn write8(address: u64, value: u8) {
    // SAFETY: guaranteed by the caller.
    unsafe { asm!("strb w8, [x9]", in("x8") value as u32, in("x9") address, options(nostack)) };
}

/// Reads a 64-bit register.
///
/// # Safety
///
/// As for [`read32`].
pub unsafe fn read64(address: u64) -> u64 {
    let value: u64;
    // SAFETY: guaranteed by the caller.
    unsafe { asm!("ldr x8, [x9]", out("x8") value, in("x9") address, options(nostack)) };
    value
}

/// Writes a 64-bit register.
///
/// # Safety
///
/// As for [`write32`].
pub unsafe fn write64(address: u64, value: u64) {
    // SAFETY: guaranteed by the caller.
    unsafe { asm!("str x8, [x9]", in("x8") value, in("x9") address, options(nostack)) };
}
