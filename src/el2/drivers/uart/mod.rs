//! Drivers of the machine's UART. Each has a file and a variant of [`AnyUart`].

pub mod emergency;
mod pl011;
mod table;

use bulkhead::boot::machine::ConsoleKind;
use bulkhead::util::uart::{CADENCE, DESIGN_WARE, IMX, MINI};

use super::mmio::Registers;
pub use pl011::Pl011Uart;
pub use table::TableUart;

/// A UART that firmware has configured.
pub trait Uart {
    /// Masks all interrupts of the UART.
    fn init(&self);

    /// Returns whether the transmit FIFO has room for a byte.
    fn can_send(&self) -> bool;

    /// Puts a byte into the transmit FIFO, which must have room.
    fn send(&self, byte: u8);

    /// Takes a byte from the receive FIFO; `None` if it is empty.
    fn receive(&self) -> Option<u8>;

    /// Returns whether all bytes have left the transmitter.
    fn is_idle(&self) -> bool;

    /// Unmasks or masks the interrupts for received bytes and for room in the transmit FIFO.
    fn set_interrupts(&self, receive: bool, transmit: bool);

    /// Sends bytes, waiting for room before each.
    #[inline(always)]
    fn send_all(&self, bytes: &[u8]) {
        for byte in bytes {
            while !self.can_send() {}
            self.send(*byte);
        }
    }
}

/// A UART of any supported model.
#[derive(Clone, Copy)]
pub enum AnyUart {
    /// Arm PrimeCell PL011.
    Pl011(Pl011Uart),
    /// A UART whose registers a table describes.
    Table(TableUart),
}

/// Calls a method of the driver.
macro_rules! driver {
    ($uart:expr, $method:ident($($argument:expr),*)) => {
        match $uart {
            AnyUart::Pl011(uart) => uart.$method($($argument),*),
            AnyUart::Table(uart) => uart.$method($($argument),*),
        }
    };
}

impl AnyUart {
    /// Takes over a UART, with its interrupts masked.
    #[inline(always)]
    pub fn new(kind: ConsoleKind, registers: Registers) -> Self {
        let uart = match kind {
            ConsoleKind::Pl011 => Self::Pl011(Pl011Uart::new(registers)),
            ConsoleKind::MiniUart => Self::Table(TableUart::new(&MINI, registers)),
            ConsoleKind::Imx => Self::Table(TableUart::new(&IMX, registers)),
            ConsoleKind::Cadence => Self::Table(TableUart::new(&CADENCE, registers)),
            ConsoleKind::DesignWare => Self::Table(TableUart::new(&DESIGN_WARE, registers)),
        };
        uart.init();
        uart
    }

    /// Sends bytes, waiting for room before each.
    #[inline(never)]
    pub fn send_all(&self, bytes: &[u8]) {
        driver!(self, send_all(bytes));
    }

    /// Waits until all bytes have left the transmitter.
    pub fn flush(&self) {
        while !self.is_idle() {}
    }
}

impl Uart for AnyUart {
    fn init(&self) {
        driver!(self, init());
    }

    fn can_send(&self) -> bool {
        driver!(self, can_send())
    }

    fn send(&self, byte: u8) {
        driver!(self, send(byte));
    }

    fn receive(&self) -> Option<u8> {
        driver!(self, receive())
    }

    fn is_idle(&self) -> bool {
        driver!(self, is_idle())
    }

    fn set_interrupts(&self, receive: bool, transmit: bool) {
        driver!(self, set_interrupts(receive, transmit));
    }
}
