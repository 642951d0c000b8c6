//! Firmware for a `virt` machine of one CPU that starts at EL3. It enters the image at 0x40200000
//! at EL2, with the tree at 0x46000000, and implements PSCI_VERSION, SYSTEM_OFF and
//! SMCCC_ARCH_WORKAROUND_1.

#![no_std]
#![no_main]

use core::arch::global_asm;

global_asm!(include_str!("firmware.s"));

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    loop {}
}
