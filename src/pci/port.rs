//! Bridges that lead to the functions of a partition.

use super::registers::{
    BRIDGE_IO, BRIDGE_MEMORY, BRIDGE_PREFETCHABLE, COMMAND, COMMAND_INTX_DISABLE, COMMAND_MASTER,
    COMMAND_MEMORY,
};
use super::{Address, ConfigurationSpace};

/// The size and the alignment of what a bridge forwards, in bytes (PCIe 7.5.1.3.8).
pub const GRANULE: u64 = 1 << 20;
/// Base and Limit of a range that is empty, since the first is greater than the second: of I/O space,
/// and of memory.
const NO_IO: u32 = 0xf0;
const NO_MEMORY: u32 = 0xfff0;

/// Has a bridge forward accesses to the window of a partition, whose bus address and size are
/// multiples of [`GRANULE`] below 4 GiB, and what the functions behind it begin. It forwards nothing
/// else.
pub fn open(bridge: Address, window: (u64, u64), hardware: &dyn ConfigurationSpace) {
    let (start, size) = window;
    let last = start.wrapping_add(size).wrapping_sub(1);
    // Bits 31:20 of an address, in bits 15:4.
    let bits = |address: u64| (address >> 16) as u32 & 0xfff0;
    for (offset, value) in [
        (BRIDGE_IO, NO_IO),
        (BRIDGE_MEMORY, bits(last) << 16 | bits(start)),
        (BRIDGE_PREFETCHABLE, NO_MEMORY),
        (COMMAND, COMMAND_MEMORY | COMMAND_MASTER | COMMAND_INTX_DISABLE),
    ] {
        hardware.write(bridge, offset, value);
    }
}
