//! A guest's address map: QEMU `virt`'s, on every machine.

use crate::arch::addr::{Ipa, PAGE_SIZE};

/// Where a guest's memory begins, unless its description says otherwise.
pub const GUEST_BASE: Ipa = Ipa::new(0x4000_0000);
/// One past the highest IPA: stage 2 translates 39 bits.
pub const IPA_END: u64 = 1 << 39;
/// The distributor, GICD.
pub const DISTRIBUTOR: Ipa = Ipa::new(0x0800_0000);
/// Bytes of the distributor's frame.
pub const DISTRIBUTOR_SIZE: u64 = 0x1_0000;
/// The GICv2 CPU interface, GICC.
pub const CPU_INTERFACE: Ipa = Ipa::new(0x0801_0000);
/// Bytes of the CPU interface: a page that is the hardware's GICV, and the page of GICC_DIR, which traps.
pub const CPU_INTERFACE_SIZE: u64 = 2 * PAGE_SIZE;
/// The page of GICC_DIR.
pub const CPU_INTERFACE_DIR: Ipa = Ipa::new(CPU_INTERFACE.get() + PAGE_SIZE);
/// The GICv3 redistributors, one after another in the order of the vCPUs.
pub const REDISTRIBUTORS: Ipa = Ipa::new(0x080a_0000);
/// Bytes of one vCPU's redistributor: RD_base and SGI_base.
pub const REDISTRIBUTOR_SIZE: u64 = 0x2_0000;
/// How many redistributors there is room for, up to the PL011.
pub const MOST_REDISTRIBUTORS: usize =
    ((CONSOLE.get() - REDISTRIBUTORS.get()) / REDISTRIBUTOR_SIZE) as usize;
/// The emulated PL011.
pub const CONSOLE: Ipa = Ipa::new(0x0900_0000);
/// Bytes of the PL011's registers.
pub const CONSOLE_SIZE: u64 = PAGE_SIZE;

/// The emulated PL011 on which a guest finds the monitor: where QEMU `virt` has its second one.
pub const MONITOR: Ipa = Ipa::new(0x0904_0000);
/// The emulated watchdog's control frame, and a page later its refresh frame, at addresses that
/// QEMU `virt` has nothing at.
pub const WATCHDOG_CONTROL: Ipa = Ipa::new(0x090f_0000);
/// The emulated watchdog's refresh frame.
pub const WATCHDOG_REFRESH: Ipa = Ipa::new(WATCHDOG_CONTROL.get() + WATCHDOG_FRAME_SIZE);
/// Bytes of each of the watchdog's frames.
pub const WATCHDOG_FRAME_SIZE: u64 = PAGE_SIZE;
