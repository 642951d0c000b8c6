//! The sizes of a function's memory, which its Base Address Registers tell (PCIe 7.5.1.2.1).

use alloc::vec::Vec;

use crate::pci::registers::{BAR, BAR_64, BAR_FLAGS, BAR_IO, BAR_TYPE};
use crate::pci::{Address, BARS, ConfigurationSpace};

/// Memory of a function.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bar {
    /// The number of its register, below 6.
    pub number: u8,
    /// Its size in bytes: a power of two, at least 16.
    pub size: u64,
    /// Whether the next register has bits 63:32 of its address.
    pub is_wide: bool,
    /// Bits 3:0 of its register.
    pub flags: u32,
}

/// Returns the memory of a function, which must not decode any. Its registers keep their values. I/O
/// space is left out.
///
/// # Errors
///
/// What is wrong with a register: the rest of a sentence that begins with the function's name.
pub(super) fn bars(
    function: Address,
    hardware: &dyn ConfigurationSpace,
) -> Result<Vec<Bar>, &'static str> {
    let mut bars = Vec::new();
    let mut number = 0;
    while number < BARS {
        let offset = BAR + 4 * number as u16;
        let value = hardware.read(function, offset);
        let written = probe(function, offset, hardware);
        let is_wide = value & (BAR_IO | BAR_TYPE) == BAR_64;
        let next = number + if is_wide { 2 } else { 1 };
        if next > BARS {
            return Err("has a base address register of 64 bits where there is none of 32 left");
        }
        let mut mask = u64::from(written & !BAR_FLAGS);
        if is_wide {
            mask |= u64::from(probe(function, offset + 4, hardware)) << 32;
        }
        if value & BAR_IO == 0 && mask != 0 {
            let size = 1 << mask.trailing_zeros();
            let all = if is_wide { u64::MAX } else { u64::from(u32::MAX) };
            if mask != all & !(size - 1) || value & BAR_TYPE & !BAR_64 != 0 {
                return Err("has a base address register that tells no size");
            }
            let flags = value & BAR_FLAGS;
            bars.push(Bar { number: number as u8, size, is_wide, flags });
        }
        number = next;
    }
    Ok(bars)
}

/// Returns what a register makes of all ones, and gives it its value back.
fn probe(function: Address, offset: u16, hardware: &dyn ConfigurationSpace) -> u32 {
    let value = hardware.read(function, offset);
    hardware.write(function, offset, u32::MAX);
    let written = hardware.read(function, offset);
    hardware.write(function, offset, value);
    written
}
