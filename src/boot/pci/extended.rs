//! Extended capabilities (PCIe 7.6.3), of which boot uses two.

use crate::pci::registers::{
    ACS, ACS_CONTROL, ACS_SOURCES, ACS_UPWARDS, EXTENDED, SR_IOV, SR_IOV_CONTROL, SR_IOV_ENABLE,
};
use crate::pci::{Address, ConfigurationSpace, FUNCTION_SIZE};

/// The number of registers that extended capabilities may have, and so the most that a list has.
const MOST: u64 = (FUNCTION_SIZE - EXTENDED as u64) / 4;
/// The bytes of each of the two that boot accesses.
const SIZE: u16 = 12;

/// Returns the offset of the extended capability with this ID, if the function has it. A list that
/// does not end is followed for as long as one that does can be.
fn find(function: Address, id: u16, hardware: &dyn ConfigurationSpace) -> Option<u16> {
    let mut offset = EXTENDED;
    for _ in 0..MOST {
        let header = hardware.read(function, offset);
        // All ones: a function without extended configuration space.
        if header == u32::MAX {
            return None;
        }
        if header as u16 == id {
            return Some(offset).filter(|it| it + SIZE <= FUNCTION_SIZE as u16);
        }
        offset = (header >> 20) as u16 & 0xffc;
        if offset < EXTENDED {
            return None;
        }
    }
    None
}

/// Has a port check the Requester IDs of what comes from below, and send all of it up to the host
/// bridge. Returns whether it does.
///
/// A port with ACS may lack a redirection if it never forwards from below to its neighbours, but
/// checks IDs in any case (PCIe 6.12.1.1).
pub(super) fn isolate(port: Address, hardware: &dyn ConfigurationSpace) -> bool {
    let Some(at) = find(port, ACS, hardware) else { return false };
    let register = at + ACS_CONTROL;
    let offered = hardware.read(port, register) & (ACS_SOURCES | ACS_UPWARDS);
    hardware.write(port, register, offered << 16);
    // Neither egress control nor the direct way for translated accesses is left enabled.
    offered & ACS_SOURCES != 0 && hardware.read(port, register) >> 16 == offered
}

/// Takes a function's virtual functions away, which firmware may have enabled: they would decode
/// addresses of their own.
pub(super) fn remove_virtual_functions(function: Address, hardware: &dyn ConfigurationSpace) {
    let Some(at) = find(function, SR_IOV, hardware) else { return };
    let register = at + SR_IOV_CONTROL;
    let value = hardware.read(function, register);
    if value & SR_IOV_ENABLE != 0 {
        // The upper half is Status, where ones clear bits.
        hardware.write(function, register, value & 0xffff & !SR_IOV_ENABLE);
    }
}
