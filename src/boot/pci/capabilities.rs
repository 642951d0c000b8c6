//! The list of a function's capabilities (PCIe 7.5.1.1.11), which a broken function may make endless.

use alloc::vec::Vec;

use super::extended::remove_virtual_functions;
use crate::pci::registers::{
    ADVANCED, ADVANCED_FLR, CAPABILITIES, COMMAND, DEVICE_CAPABILITIES, DEVICE_FLR, EXPRESS,
    EXTENDED, MSI, MSI_ENABLE, MSI_X, MSI_X_ENABLE, POWER_CONTROL, POWER_MANAGEMENT, POWER_STATE,
    ROM, STATUS_CAPABILITIES,
};
use crate::pci::{Address, ConfigurationSpace, ResetMethod};

/// A capability.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Capability {
    /// Its offset in configuration space, a multiple of 4 from 0x40 to 0xfc.
    pub offset: u16,
    /// Its ID.
    pub id: u8,
    /// Bits 31:16 of its first register: its length in bytes in the lower half if it is
    /// vendor-specific, Message Control of MSI and MSI-X.
    pub upper: u16,
}

/// The first offset that a capability can have.
const FIRST: u16 = 0x40;

/// Returns the capabilities of a function, each once, in the order of the list. The list ends where
/// it leads to a register that is none of it, or back to itself.
pub(super) fn capabilities(
    function: Address,
    hardware: &dyn ConfigurationSpace,
) -> Vec<Capability> {
    let mut found: Vec<Capability> = Vec::new();
    if hardware.read(function, COMMAND) & STATUS_CAPABILITIES == 0 {
        return found;
    }
    let mut next = hardware.read(function, CAPABILITIES);
    loop {
        // The lower two bits are reserved, and to be ignored.
        let offset = next as u16 & 0xfc;
        if offset < FIRST || found.iter().any(|it| it.offset == offset) {
            return found;
        }
        let header = hardware.read(function, offset);
        found.push(Capability { offset, id: header as u8, upper: (header >> 16) as u16 });
        next = header >> 8;
    }
}

/// Undoes what firmware may have set in a function and its guest cannot change: an expansion ROM that
/// is decoded, virtual functions, interrupts by messages, and a power state other than D0.
pub(super) fn set_up(
    function: Address,
    capabilities: &[Capability],
    hardware: &dyn ConfigurationSpace,
) {
    hardware.write(function, ROM, 0);
    if capabilities.iter().any(|it| it.id == EXPRESS) {
        remove_virtual_functions(function, hardware);
    }
    for Capability { offset, id, .. } in capabilities {
        let (register, bits) = match *id {
            MSI => (*offset, MSI_ENABLE),
            MSI_X => (*offset, MSI_X_ENABLE),
            POWER_MANAGEMENT if *offset < EXTENDED - 4 => (offset + POWER_CONTROL, POWER_STATE),
            _ => continue,
        };
        let value = hardware.read(function, register);
        if value & bits != 0 {
            hardware.write(function, register, value & !bits);
        }
    }
}

/// Returns how a function with these capabilities is reset.
pub(super) fn reset(
    function: Address,
    capabilities: &[Capability],
    hardware: &dyn ConfigurationSpace,
) -> ResetMethod {
    let at = |id| capabilities.iter().find(|it| it.id == id).map(|it| it.offset);
    let has =
        |offset: u16, bits| offset + 8 < EXTENDED && hardware.read(function, offset) & bits == bits;
    if let Some(offset) = at(EXPRESS).filter(|it| has(it + DEVICE_CAPABILITIES, DEVICE_FLR)) {
        return ResetMethod::Express(offset);
    }
    match at(ADVANCED).filter(|it| has(*it, ADVANCED_FLR)) {
        Some(offset) => ResetMethod::Advanced(offset),
        None => ResetMethod::None,
    }
}
