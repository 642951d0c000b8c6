//! The UART that a guest sees: Arm PrimeCell PL011 r1p5 (Arm DDI 0183G).

use crate::ring::{Full, Ring};

/// An emulated PL011.
#[derive(Clone, Debug, Default)]
pub struct Pl011 {
    transmit: Ring<u8, 32>,
    receive: Ring<u16, 32>,
}

impl Pl011 {
    /// The value of the register at `offset`, for an access of `size` bytes. Reading DR takes a
    /// byte from the receive FIFO.
    pub fn read(&mut self, _offset: u64, _size: u64) -> u64 {
        0
    }

    /// Writes the register at `offset`. Call [`Pl011::transmit`] afterwards.
    pub fn write(&mut self, _offset: u64, _size: u64, _value: u64) {}

    /// Hands what the guest has sent to `sink`, until it is full or all is sent.
    pub fn transmit(&mut self, mut sink: impl FnMut(u8) -> Result<(), Full>) {
        while self.transmit.peek().is_some_and(|byte| sink(byte).is_ok()) {
            self.transmit.pop();
        }
    }

    /// Puts a byte from outside into the receive FIFO.
    ///
    /// # Errors
    ///
    /// [`Full`] if the guest must read first.
    pub fn receive(&mut self, byte: u8) -> Result<(), Full> {
        self.receive.push(u16::from(byte))
    }

    /// Whether bytes wait for [`Pl011::transmit`].
    #[must_use]
    pub fn is_busy(&self) -> bool {
        !self.transmit.is_empty()
    }

    /// The level of UARTINTR.
    #[must_use]
    pub fn interrupt_line(&self) -> bool {
        false
    }
}
