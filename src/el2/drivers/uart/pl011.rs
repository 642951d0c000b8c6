//! Arm PrimeCell PL011 (DDI 0183).

use super::Uart;
use crate::el2::drivers::mmio::{Register, Registers};

const UARTDR: u64 = 0x00;
const UARTFR: u64 = 0x18;
const UARTIMSC: u64 = 0x38;

const UARTFR_BUSY: u32 = 1 << 3;
const UARTFR_RXFE: u32 = 1 << 4;
const UARTFR_TXFF: u32 = 1 << 5;

const UARTIMSC_TXIM: u32 = 1 << 5;
/// RXIM, and RTIM for fewer bytes than the FIFO's trigger level.
const UARTIMSC_RECEIVE: u32 = 1 << 4 | 1 << 6;

/// A PL011.
#[derive(Clone, Copy)]
pub struct Pl011Uart {
    data: Register,
    flags: Register,
    mask: Register,
}

impl Pl011Uart {
    /// Returns the PL011 with these registers.
    pub fn new(registers: Registers) -> Self {
        let [data, flags, mask] = [UARTDR, UARTFR, UARTIMSC].map(|it| registers.register(it));
        Self { data, flags, mask }
    }
}

impl Uart for Pl011Uart {
    fn init(&self) {
        self.mask.write(0);
    }

    fn can_send(&self) -> bool {
        self.flags.read() & UARTFR_TXFF == 0
    }

    fn send(&self, byte: u8) {
        self.data.write(u32::from(byte));
    }

    fn receive(&self) -> Option<u8> {
        let received = self.flags.read() & UARTFR_RXFE == 0;
        received.then(|| self.data.read() as u8)
    }

    fn is_idle(&self) -> bool {
        self.flags.read() & UARTFR_BUSY == 0
    }

    fn set_interrupts(&self, receive: bool, transmit: bool) {
        let receive = if receive { UARTIMSC_RECEIVE } else { 0 };
        let transmit = if transmit { UARTIMSC_TXIM } else { 0 };
        self.mask.write(receive | transmit);
    }
}
