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
//! | MSI and MSI-X, if it can send messages | the hardware's, with the registers that enable, mask and set messages |
//! | all other capabilities, and MSI and MSI-X if it cannot | nothing: they are not in its list |
//! | all other registers, and extended configuration space | zero |

use super::{Bar, Capability, PciFunction};
use crate::pci::registers::{
    BAR, CAPABILITIES, COMMAND, DEVICE_CAPABILITIES, DEVICE_FLR, EXPRESS, EXTENDED, HEADER,
    HEADER_MULTIPLE, ID, INTERRUPT, MSI, MSI_64, MSI_CONTROL, MSI_MASKS, MSI_X, MSI_X_CONTROL,
    POWER_MANAGEMENT, VENDOR,
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

/// Returns the size in bytes of a capability that a guest sees; `None` if it does not see it.
fn size(capability: &Capability, has_messages: bool) -> Option<u16> {
    let Capability { id, upper, .. } = *capability;
    match id {
        POWER_MANAGEMENT => Some(8),
        EXPRESS => Some(0x3c),
        // At least its first register, whatever the function says.
        VENDOR => Some((upper & 0xff).max(4)),
        // Message Control, Address and Data (PCIe 7.7.1), and with masks those and what is pending.
        MSI if has_messages => {
            let address = if upper & MSI_64 != 0 { 8 } else { 4 };
            Some(8 + address + if upper & MSI_MASKS != 0 { 8 } else { 0 })
        }
        MSI_X if has_messages => Some(12),
        _ => None,
    }
}

/// Returns the bits that a guest writes of the register at `offset` in MSI or MSI-X.
fn writable(capability: &Capability, offset: u16) -> u32 {
    let Capability { id, upper, .. } = *capability;
    let is_wide = upper & MSI_64 != 0;
    let data = if is_wide { 12 } else { 8 };
    match (id, offset) {
        (MSI, 0) => MSI_CONTROL,
        (MSI, 4) => !0b11,
        (MSI, 8) if is_wide => u32::MAX,
        (MSI, _) if offset == data => 0xffff,
        (MSI, _) if offset == data + 4 => u32::MAX,
        (MSI_X, 0) => MSI_X_CONTROL,
        _ => 0,
    }
}

/// Returns what a guest sees of a function whose memory begins at these addresses on the bus, in the
/// order of [`PciFunction::bars`], and which can send messages or not.
pub fn view(function: &PciFunction, addresses: &[u64], has_messages: bool) -> View {
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
        let Some(size) = size(capability, has_messages) else { continue };
        let Capability { offset, id, .. } = *capability;
        // Another capability begins where this one ends at the latest.
        let others = function.capabilities.iter().map(|it| it.offset).filter(|it| *it > offset);
        let end = (offset + size).min(others.min().unwrap_or(EXTENDED)).min(EXTENDED);
        for register in (offset..end).step_by(4) {
            let (mask, value) = match (register - offset, id) {
                (0, _) => (0xff00, u32::from(next) << 8),
                (DEVICE_CAPABILITIES, EXPRESS) => (DEVICE_FLR, 0),
                _ => (0, 0),
            };
            let rule = match writable(capability, register - offset) {
                0 => Rule::Hardware { mask, value },
                writable => Rule::Messages { writable, mask, value },
            };
            set(register, rule);
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
