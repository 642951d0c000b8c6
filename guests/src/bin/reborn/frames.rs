//! The registers of the interrupt controller and the UART, as `registers` does with system
//! registers.

use core::ops::Range;

use runtime::tree::{Gic, machine};
use runtime::{exceptions, println};

const PAGE: u64 = 4 << 10;
/// The size of a GICv3 frame.
const FRAME: u64 = 64 << 10;

/// GICD_ICENABLER to GICD_ICACTIVER and GICD_CPENDSGIR, which clear what other registers set.
const CLEARING: [Range<u64>; 4] = [0x180..0x200, 0x280..0x300, 0x380..0x400, 0xf10..0xf20];

/// Returns the name, the first address and the size of each group of registers, the UART's last:
/// once it is written, nothing can be printed. Its data register is not among them.
fn frames() -> [(&'static str, u64, u64); 3] {
    let uart = ("UART", machine().uart + 4, PAGE - 4);
    match machine().gic {
        Gic::V2 { distributor, cpu_interface } => {
            [("GICD", distributor, PAGE), ("GICC", cpu_interface, 2 * PAGE), uart]
        }
        Gic::V3 { distributor, redistributors } => {
            [("GICD", distributor, FRAME), ("GICR", redistributors, 2 * FRAME), uart]
        }
    }
}

/// Prints the registers that are not zero.
pub fn print() {
    let mut count = 0;
    for (name, base, size) in frames() {
        for offset in (0..size).step_by(4) {
            // SAFETY: reading a register of a device whose interrupts are masked.
            if let Ok(value @ 1..) = unsafe { exceptions::probe_read(base + offset) } {
                println!("reborn: {name} at {:#x} is {value:#x}", base + offset);
                count += 1;
            }
        }
    }
    println!("reborn: {count} registers of devices are not zero");
}

/// Sets all bits of all registers but those that clear others.
pub fn write() {
    for (_, base, size) in frames() {
        for offset in (0..size).step_by(4) {
            if CLEARING.iter().all(|range| !range.contains(&(offset % FRAME))) {
                // SAFETY: interrupts are masked, and nothing is printed afterwards. A register that
                // does not exist or that takes no such access is an abort, which is permitted.
                let _ = unsafe { exceptions::probe_write(base + offset, u32::MAX) };
            }
        }
    }
}
