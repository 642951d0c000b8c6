//! Device registers: single load and store instructions, of a kind that a hypervisor can emulate
//! from the syndrome alone (no writeback, no pairs). Their registers are named, since what an access that
//! traps costs may depend on them.

use core::arch::asm;

/// Reads a 32-bit register.
///
/// # Safety
///
/// `address` is a mapped device register, and the effect of reading it is wanted.
pub unsafe fn read32(address: u64) -> u32 {
    let value: u32;
    // SAFETY: the caller's.
    unsafe { asm!("ldr w8, [x9]", out("x8") value, in("x9") address, options(nostack)) };
    value
}

/// Writes a 32-bit register.
///
/// # Safety
///
/// `address` is a mapped device register, and the effect of writing it is wanted.
pub unsafe fn write32(address: u64, value: u32) {
    // SAFETY: the caller's.
    unsafe { asm!("str w8, [x9]", in("x8") value, in("x9") address, options(nostack)) };
}

/// Writes an 8-bit register.
///
/// # Safety
///
/// As for [`write32`].
pub unsafe fn write8(address: u64, value: u8) {
    // SAFETY: the caller's.
    unsafe { asm!("strb w8, [x9]", in("x8") value as u32, in("x9") address, options(nostack)) };
}

/// Reads a 64-bit register.
///
/// # Safety
///
/// As for [`read32`].
pub unsafe fn read64(address: u64) -> u64 {
    let value: u64;
    // SAFETY: the caller's.
    unsafe { asm!("ldr x8, [x9]", out("x8") value, in("x9") address, options(nostack)) };
    value
}

/// Writes a 64-bit register.
///
/// # Safety
///
/// As for [`write32`].
pub unsafe fn write64(address: u64, value: u64) {
    // SAFETY: the caller's.
    unsafe { asm!("str x8, [x9]", in("x8") value, in("x9") address, options(nostack)) };
}
