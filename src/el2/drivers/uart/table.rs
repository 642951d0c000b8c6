//! The UARTs whose registers are described by a [`UartModel`].

use bulkhead::util::uart::{UartModel, UartRegisters};

use super::Uart;
use crate::el2::drivers::mmio::Registers;

/// A UART of such a model.
#[derive(Clone, Copy)]
pub struct TableUart {
    model: &'static UartModel,
    registers: Registers,
}

impl TableUart {
    /// Returns the UART of this model with these registers.
    pub fn new(model: &'static UartModel, registers: Registers) -> Self {
        Self { model, registers }
    }
}

impl UartRegisters for Registers {
    fn read(&self, offset: u64) -> u32 {
        Registers::read(self, offset)
    }

    fn write(&self, offset: u64, value: u32) {
        Registers::write(self, offset, value);
    }
}

impl Uart for TableUart {
    #[inline(always)]
    fn init(&self) {
        self.model.init(&self.registers);
    }

    fn can_send(&self) -> bool {
        self.model.can_send(&self.registers)
    }

    fn send(&self, byte: u8) {
        self.model.send(&self.registers, byte);
    }

    fn receive(&self) -> Option<u8> {
        self.model.receive(&self.registers)
    }

    fn is_idle(&self) -> bool {
        self.model.is_idle(&self.registers)
    }

    fn set_interrupts(&self, receive: bool, transmit: bool) {
        self.model.set_interrupts(&self.registers, receive, transmit);
    }
}
