//! Arm's Generic Watchdog (DEN0094, appendix "Generic Watchdog"), where the tree has one.

use crate::tree::{self, Watchdog};
use crate::{mmio, timer};

/// Control and status register, in the control frame.
pub const WCS: u64 = 0x000;
/// Offset register: the length of each of the two stages, in ticks.
pub const WOR: u64 = 0x008;
/// Compare value: the count at which a stage ends, bits 31:0.
pub const WCV: u64 = 0x010;
/// Identification, in both frames.
pub const W_IIDR: u64 = 0xfcc;
/// WCS: the watchdog is enabled.
pub const EN: u32 = 1 << 0;
/// WCS: the first stage has ended.
pub const WS0: u32 = 1 << 1;

/// Refresh register, in the refresh frame.
const WRR: u64 = 0x000;

fn watchdog() -> Watchdog {
    tree::machine().watchdog.expect("there is a watchdog")
}

/// Reads a register of the control frame.
pub fn read(register: u64) -> u32 {
    // SAFETY: the tree names the frame, which is mapped as a device.
    unsafe { mmio::read32(watchdog().control + register) }
}

/// Writes a register of the control frame.
pub fn write(register: u64, value: u32) {
    // SAFETY: as in `read`.
    unsafe { mmio::write32(watchdog().control + register, value) }
}

/// Reads a register of the refresh frame.
pub fn read_refresh(register: u64) -> u32 {
    // SAFETY: as in `read`.
    unsafe { mmio::read32(watchdog().refresh + register) }
}

/// Feeds the watchdog.
pub fn feed() {
    // SAFETY: as in `read`.
    unsafe { mmio::write32(watchdog().refresh + WRR, 0) }
}

/// Returns the ticks that are left of this stage.
pub fn left() -> u64 {
    let compare = u64::from(read(WCV + 4)) << 32 | u64::from(read(WCV));
    compare.saturating_sub(timer::now())
}
