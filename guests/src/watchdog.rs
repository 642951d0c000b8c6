//! Arm's generic watchdog (DEN0094, appendix "Generic Watchdog"), where the tree has one.

use crate::tree::{self, Watchdog};
use crate::{mmio, timer};

/// Control and status, in the control frame.
pub const WCS: u64 = 0x000;
/// The offset: ticks of each of the two stages.
pub const WOR: u64 = 0x008;
/// The counter's value at which a stage ends, its lower half.
pub const WCV: u64 = 0x010;
/// Identification, in both frames.
pub const W_IIDR: u64 = 0xfcc;
/// It is enabled, in WCS.
pub const EN: u32 = 1 << 0;
/// The first stage is over.
pub const WS0: u32 = 1 << 1;

/// The refresh frame's only other register.
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

/// Feeds it.
pub fn feed() {
    // SAFETY: as in `read`.
    unsafe { mmio::write32(watchdog().refresh + WRR, 0) }
}

/// How many ticks are left of this stage.
pub fn left() -> u64 {
    let compare = u64::from(read(WCV + 4)) << 32 | u64::from(read(WCV));
    compare.saturating_sub(timer::now())
}
