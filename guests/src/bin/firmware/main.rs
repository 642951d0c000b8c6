//! Firmware for a `virt` machine that begins at EL3, with one CPU: enters what was loaded at 0x40200000
//! at EL2, with the tree that was loaded at 0x46000000. It offers PSCI's version, and
//! SMCCC_ARCH_WORKAROUND_1 as the firmware of a CPU does that needs it.

#![no_std]
#![no_main]

use core::arch::global_asm;

global_asm!(include_str!("firmware.s"));

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    loop {}
}
