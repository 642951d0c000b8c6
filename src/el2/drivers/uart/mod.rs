//! The machine's UART, whose driver is the library's.

pub mod emergency;
mod other;

use bulkhead::boot::machine::ConsoleKind;
use bulkhead::util::uart::{Place, Transmit, Uart, UartRegister};

use core::iter;

use super::mmio::{AnyRegister, Register, Registers};

/// The machine's UART.
///
/// There are two instances of the driver: one for UARTs that need no more than accesses of 32 bits,
/// and one for all others, which is a wing.
#[derive(Clone, Copy)]
pub enum MachineUart {
    /// A plain one ([`is_plain`](bulkhead::util::uart::UartModel::is_plain)).
    Plain(Uart<Register>),
    /// Another one. Only [`open`] makes this, so that the wing is mapped: see [`is_plain`].
    Other(Uart<AnyRegister>),
}

impl UartRegister for Register {
    const IS_PLAIN: bool = true;

    #[inline(always)]
    fn read(self) -> u32 {
        Register::read(self)
    }

    #[inline(always)]
    fn write(self, value: u32) {
        Register::write(self, value);
    }
}

impl UartRegister for AnyRegister {
    const IS_PLAIN: bool = false;

    #[inline(always)]
    fn read(self) -> u32 {
        AnyRegister::read(self)
    }

    #[inline(always)]
    fn write(self, value: u32) {
        AnyRegister::write(self, value);
    }
}

/// Takes over a UART, with its interrupts masked.
#[inline(always)]
pub fn open(kind: ConsoleKind, registers: Registers) -> MachineUart {
    let model = kind.model();
    if model.is_plain() {
        return MachineUart::Plain(model.open(|place| registers.register(place.offset)));
    }
    let register = |place: Place| registers.register_of(place.offset, place.width.bytes());
    MachineUart::Other(model.open(register))
}

impl MachineUart {
    /// Waits until all bytes have left the transmitter.
    pub fn flush(&self) {
        match self {
            Self::Plain(uart) => uart.flush(),
            Self::Other(uart) => other::flush(uart),
        }
    }

    /// Sends a byte, waiting for room.
    #[inline(never)]
    fn send_byte(&self, byte: u8) {
        while self.room() == 0 {}
        self.send(iter::once(byte));
    }

    /// Takes a byte from the receive FIFO; `None` if it is empty.
    pub fn receive(&self) -> Option<u8> {
        match self {
            Self::Plain(uart) => uart.receive(),
            Self::Other(uart) => other::receive(uart),
        }
    }

    /// Unmasks or masks the interrupts for received bytes and for room in the transmit FIFO.
    pub fn set_interrupts(&self, receive: bool, transmit: bool) {
        match self {
            Self::Plain(uart) => uart.set_interrupts(receive, transmit),
            Self::Other(uart) => other::set_interrupts(uart, receive, transmit),
        }
    }
}

impl Transmit for MachineUart {
    #[inline(always)]
    fn room(&self) -> usize {
        match self {
            Self::Plain(uart) => uart.room(),
            Self::Other(uart) => other::room(uart),
        }
    }

    #[inline(always)]
    fn send(&self, bytes: impl Iterator<Item = u8>) -> usize {
        match self {
            Self::Plain(uart) => uart.send(bytes),
            Self::Other(uart) => bytes.map(|byte| other::put(uart, byte)).count(),
        }
    }
}
