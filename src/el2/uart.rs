//! The physical UART: Arm PrimeCell PL011 (DDI 0183), as firmware left it configured.

use super::mmio::Registers;

const DATA: u64 = 0x00;
const FLAGS: u64 = 0x18;
const INTERRUPT_MASK: u64 = 0x38;
const INTERRUPT_CLEAR: u64 = 0x44;

const FLAG_BUSY: u32 = 1 << 3;
const FLAG_RECEIVE_EMPTY: u32 = 1 << 4;
const FLAG_TRANSMIT_FULL: u32 = 1 << 5;

const INTERRUPT_RECEIVE: u32 = 1 << 4;
const INTERRUPT_TRANSMIT: u32 = 1 << 5;
const INTERRUPT_RECEIVE_TIMEOUT: u32 = 1 << 6;

/// A PL011.
pub struct Uart {
    registers: Registers,
}

impl Uart {
    /// Takes over a PL011, silent until `set_interrupts`.
    pub fn new(registers: Registers) -> Self {
        registers.write(INTERRUPT_MASK, 0);
        registers.write(INTERRUPT_CLEAR, 0x7ff);
        Self { registers }
    }

    /// Whether a byte can be sent at once.
    pub fn has_room(&self) -> bool {
        self.registers.read(FLAGS) & FLAG_TRANSMIT_FULL == 0
    }

    /// Sends a byte, after waiting for room.
    pub fn send(&mut self, byte: u8) {
        while !self.has_room() {}
        self.registers.write(DATA, u32::from(byte));
    }

    /// Waits until the last byte has left.
    pub fn drain(&mut self) {
        while self.registers.read(FLAGS) & FLAG_BUSY != 0 {}
    }

    /// The next byte that came in.
    pub fn receive(&mut self) -> Option<u8> {
        let empty = self.registers.read(FLAGS) & FLAG_RECEIVE_EMPTY != 0;
        (!empty).then(|| self.registers.read(DATA) as u8)
    }

    /// Chooses which of the UART's interrupts reach Bulkhead: bytes coming in, room for more.
    pub fn set_interrupts(&mut self, receive: bool, transmit: bool) {
        let mut mask = 0;
        if receive {
            mask |= INTERRUPT_RECEIVE | INTERRUPT_RECEIVE_TIMEOUT;
        }
        if transmit {
            mask |= INTERRUPT_TRANSMIT;
        }
        self.registers.write(INTERRUPT_MASK, mask);
    }
}
