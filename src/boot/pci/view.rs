//! What a guest sees of a function's configuration space: a rule for each register.
//!
//! | registers | the guest sees |
//! |---|---|
//! | IDs, class, subsystem, cache line size, header layout | the hardware's, read-only |
//! | Command | its own, of three bits; Status of the hardware |
//! | Base Address Registers | its own; those for I/O space are not implemented |
//! | Expansion ROM, CIS | nothing: zero |
//! | Interrupt Line; Interrupt Pin | its own; the hardware's |
//! | Power Management, PCI Express, vendor-specific capabilities | the hardware's, read-only |
//! | all other capabilities, and MSI and MSI-X among them | nothing: they are not in its list |
//! | all other registers, and extended configuration space | zero |

use super::{Bar, Capability, PciFunction};
use crate::pci::registers::{
    BAR, CAPABILITIES, COMMAND, DEVICE_CAPABILITIES, DEVICE_FLR, EXPRESS, EXTENDED, HEADER,
    HEADER_MULTIPLE, ID, INTERRUPT, POWER_MANAGEMENT, VENDOR,
};
use crate::pci::{BARS, BarRule, REGISTERS, Rule, View};

/// A register of the hardware, read-only.
const AS_IT_IS: Rule = Rule::Hardware { mask: 0, value: 0 };

/// The rules of the header; all other registers of it are zero.
const HEADER_RULES: [(u16, Rule); 6] = [
    (ID, AS_IT_IS),
    (COMMAND, Rule::Command),
    // Revision ID and Class Code.
    (0x08, AS_IT_IS),
    // No BIST, and a device with one function.
    (HEADER, Rule::Hardware { mask: 0xff << 24 | HEADER_MULTIPLE, value: 0 }),
    // Subsystem ID and Subsystem Vendor ID.
    (0x2c, AS_IT_IS),
    (INTERRUPT, Rule::Interrupt),
];

/// The capabilities that a guest sees, with their sizes in bytes; 0 if bits 23:16 of their first
/// register have it.
const VISIBLE: [(u8, u16); 3] = [(POWER_MANAGEMENT, 8), (EXPRESS, 0x3c), (VENDOR, 0)];

/// Returns what a guest sees of a function whose memory begins at these addresses on the bus, in the
/// order of [`PciFunction::bars`].
pub fn view(function: &PciFunction, addresses: &[u64]) -> View {
    let mut view = View { rules: [Rule::Fixed(0); REGISTERS], bars: [BarRule::default(); BARS] };
    let mut set = |offset: u16, rule| view.rules[usize::from(offset / 4)] = rule;
    for (offset, rule) in HEADER_RULES {
        set(offset, rule);
    }
    for number in 0..BARS as u8 {
        set(BAR + 4 * u16::from(number), Rule::Bar(number));
    }
    // From the last to the first, since each has the offset of the next one.
    let mut next = 0;
    for capability in function.capabilities.iter().rev() {
        let Some((id, size)) = VISIBLE.iter().find(|(id, _)| *id == capability.id) else {
            continue;
        };
        let Capability { offset, length, .. } = *capability;
        // At least its first register, whatever the function says.
        let size = if *size == 0 { u16::from(length).max(4) } else { *size };
        // Another capability begins where this one ends at the latest.
        let others = function.capabilities.iter().map(|it| it.offset).filter(|it| *it > offset);
        let end = (offset + size).min(others.min().unwrap_or(EXTENDED)).min(EXTENDED);
        for register in (offset..end).step_by(4) {
            let fixed = match (register - offset, *id) {
                (0, _) => (0xff00, u32::from(next) << 8),
                (DEVICE_CAPABILITIES, EXPRESS) => (DEVICE_FLR, 0),
                _ => (0, 0),
            };
            set(register, Rule::Hardware { mask: fixed.0, value: fixed.1 });
        }
        next = offset;
    }
    set(CAPABILITIES, Rule::Fixed(next.into()));
    for (bar, address) in function.bars.iter().zip(addresses) {
        place(&mut view.bars, bar, *address);
    }
    view
}

/// Sets the rules of the registers of a memory.
fn place(rules: &mut [BarRule; BARS], bar: &Bar, address: u64) {
    let Bar { number, size, is_wide, flags } = *bar;
    let mask = !(size - 1);
    let first = usize::from(number);
    rules[first] = BarRule {
        writable: mask as u32,
        flags,
        size,
        is_wide,
        start: address as u32 & mask as u32 | flags,
    };
    if is_wide {
        let (writable, start) = ((mask >> 32) as u32, (address >> 32) as u32);
        rules[first + 1] = BarRule { writable, start, ..BarRule::default() };
    }
}
