//! PCI Express functions of a machine that consists of its tree only.

use std::cell::RefCell;

use bulkhead::pci::registers::{BAR, COMMAND, ID, INTERRUPT};
use bulkhead::pci::{Address, ConfigurationSpace};

/// The devices of each bus that have a function.
const DEVICES: [u8; 2] = [1, 2];
/// The registers of a header (PCIe 7.5.1).
const REGISTERS: usize = 16;

/// Two functions, each with 16 KiB of memory at addresses of 64 bits, and INTA.
pub struct Functions(RefCell<[[u32; REGISTERS]; DEVICES.len()]>);

impl Functions {
    /// Functions as they are after a reset.
    pub fn new() -> Self {
        let mut header = [0; REGISTERS];
        let values = [(ID, 0x0010_1b36), (BAR, 0b100), (INTERRUPT, 1 << 8)];
        for (offset, value) in values {
            header[usize::from(offset / 4)] = value;
        }
        Self(RefCell::new([header; DEVICES.len()]))
    }

    /// Returns the indices of a register.
    fn find(function: Address, offset: u16) -> Option<(usize, usize)> {
        let index = DEVICES.iter().position(|it| *it == function.device());
        let register = usize::from(offset / 4);
        index
            .filter(|_| function.function() == 0 && register < REGISTERS)
            .map(|index| (index, register))
    }
}

impl ConfigurationSpace for Functions {
    fn read(&self, function: Address, offset: u16) -> u32 {
        let found = Self::find(function, offset);
        found.map_or(u32::MAX, |(index, register)| self.0.borrow()[index][register])
    }

    fn write(&self, function: Address, offset: u16, value: u32) {
        let Some((index, register)) = Self::find(function, offset) else { return };
        let writable = match offset {
            COMMAND => 0xffff,
            BAR => 0xffff_c000,
            _ if offset == BAR + 4 => u32::MAX,
            _ => 0,
        };
        let stored = &mut self.0.borrow_mut()[index][register];
        *stored = *stored & !writable | value & writable;
    }
}
