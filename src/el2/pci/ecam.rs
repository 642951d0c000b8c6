//! The configuration space below a host bridge, by ECAM (PCIe 7.2.2).

use bulkhead::arch::addr::{Pa, Region};
use bulkhead::pci::registers::ID;
use bulkhead::pci::{Address, ConfigurationSpace, FUNCTION_SIZE};

use crate::el2::drivers::mmio::Registers;

/// The configuration space below a host bridge.
pub struct Ecam {
    registers: Registers,
    size: u64,
    /// The first bus that has configuration space there.
    first_bus: u8,
}

impl Ecam {
    /// Returns access to the configuration space at `registers`, of `region`, which begins with that
    /// of `first_bus`.
    pub fn new(registers: Registers, region: Region<Pa>, first_bus: u8) -> Self {
        Self { registers, size: region.size(), first_bus }
    }

    /// Returns the offset of a register; `None` if there is no configuration space for its bus.
    fn offset(&self, function: Address, offset: u16) -> Option<u64> {
        let first = u64::from(Address::new(self.first_bus, 0, 0).requester());
        let index = u64::from(function.requester()).wrapping_sub(first);
        let offset = index.wrapping_mul(FUNCTION_SIZE) | u64::from(offset & 0xffc);
        (offset < self.size).then_some(offset)
    }
}

impl ConfigurationSpace for Ecam {
    fn read(&self, function: Address, offset: u16) -> u32 {
        self.offset(function, offset).map_or(u32::MAX, |offset| self.registers.read(offset))
    }

    fn write(&self, function: Address, offset: u16, value: u32) {
        if let Some(offset) = self.offset(function, offset) {
            self.registers.write(offset, value);
            // The mapping lets a write be acknowledged before it has reached the function
            // (Device-nGnRE), where a read of the same function arrives after it (PCIe 2.4.1).
            self.read(function, ID);
        }
    }
}
