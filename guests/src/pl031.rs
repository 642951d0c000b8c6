//! The PL031 real-time clock (Arm DDI 0224), whose alarm is an interrupt that a guest can raise.

use crate::mmio;
use crate::tree::RealTimeClock;

/// Data register: the time, in seconds.
pub const RTCDR: u64 = 0x00;
/// Match register: the time, in seconds, at which the alarm is raised.
pub const RTCMR: u64 = 0x04;
/// Interrupt mask set or clear: bit 0 enables the alarm's interrupt.
pub const RTCIMSC: u64 = 0x10;
/// Interrupt clear: writing 1 clears the alarm.
pub const RTCICR: u64 = 0x1c;

/// Reads a register of the clock.
pub fn read(clock: RealTimeClock, register: u64) -> u32 {
    // SAFETY: the tree names the clock, which is mapped as a device.
    unsafe { mmio::read32(clock.registers + register) }
}

/// Writes a register of the clock.
pub fn write(clock: RealTimeClock, register: u64, value: u32) {
    // SAFETY: as in `read`.
    unsafe { mmio::write32(clock.registers + register, value) };
}

/// Clears the alarm.
pub fn clear(clock: RealTimeClock) {
    write(clock, RTCICR, 1);
}
