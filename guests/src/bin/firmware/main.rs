//! Firmware for a `virt` machine of one CPU that starts at EL3, or a boot loader for one that
//! starts at EL2. It enters the image at 0x40200000 at EL2, with the tree at 0x46000000. As firmware
//! it implements PSCI_VERSION, SYSTEM_OFF and SMCCC_ARCH_WORKAROUND_1.
//!
//! A word at 0x46f00000 selects what it leaves behind, as real firmware and boot loaders do: bit 0,
//! CNTFRQ_EL0 is not set; bit 1, an SGI is acknowledged and not ended; bit 2, for a GICv3 alone,
//! an LPI is enabled and pending.

#![no_std]
#![no_main]

use core::arch::global_asm;

global_asm!(include_str!("firmware.s"), include_str!("leave.s"));

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    loop {}
}
