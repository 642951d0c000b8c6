//! PCI Express functions that are given to partitions: what a guest sees of their configuration
//! space, and how they are reset. A wing: unmapped if the description gives no function away.
//!
//! A guest never reaches the configuration space of hardware. It sees its own functions alone, each
//! as function 0 of a device on bus 0. Each register has a [`Rule`] that boot has made
//! ([`view`](crate::boot::pci::view)); [`Function`] follows the rules. Base address registers are
//! shadows, which are written to hardware only where they lie in the partition's window.
//!
//! Sources: PCI Express Base Specification 5.0 ("PCIe"), PCI Local Bus Specification 3.0 ("PCI").

mod function;
pub mod port;
pub mod registers;
mod reset;
#[cfg(test)]
pub(crate) mod tests;

pub use function::{BARS, BarRule, Function, REGISTERS, Rule, View};
pub use reset::{Progress, Reset, ResetMethod};

/// The bytes of configuration space of each function (PCIe 7.2.2).
pub const FUNCTION_SIZE: u64 = 4096;
/// The number of devices on a bus.
pub const DEVICES: u8 = 32;
/// The number of functions of a device.
pub const FUNCTIONS: u8 = 8;

/// The address of a function below a host bridge, which is also its requester ID: the bus in bits
/// 15:8, the device in 7:3, the function in 2:0 (PCIe 2.2.6.2).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Address(u16);

impl Address {
    /// Returns the address with these numbers, of which the excess bits are ignored.
    pub const fn new(bus: u8, device: u8, function: u8) -> Self {
        Self((bus as u16) << 8 | ((device & 31) as u16) << 3 | (function & 7) as u16)
    }

    /// Returns the requester ID.
    pub const fn requester(self) -> u16 {
        self.0
    }

    /// Returns the number of its bus.
    pub const fn bus(self) -> u8 {
        (self.0 >> 8) as u8
    }

    /// Returns the number of its device, below 32.
    pub const fn device(self) -> u8 {
        (self.0 >> 3) as u8 & 31
    }

    /// Returns the number of its function, below 8.
    pub const fn function(self) -> u8 {
        self.0 as u8 & 7
    }

    /// Returns whether both are functions of one device.
    pub const fn is_beside(self, other: Self) -> bool {
        self.0 >> 3 == other.0 >> 3
    }
}

/// The configuration space of all functions below a host bridge.
pub trait ConfigurationSpace {
    /// Reads the 32-bit register at `offset`, a multiple of 4 below [`FUNCTION_SIZE`]. All bits are
    /// ones if there is no such function.
    fn read(&self, function: Address, offset: u16) -> u32;

    /// Writes the 32-bit register at `offset`, and returns when the write has taken effect.
    fn write(&self, function: Address, offset: u16, value: u32);
}
