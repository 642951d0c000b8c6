//! The mini-UART (BCM2835 ARM Peripherals, 2.2.2, with the errata on AUX_MU_IER_REG).

use super::Uart;
use crate::el2::drivers::mmio::{Register, Registers};

const AUX_MU_IO: u64 = 0x00;
const AUX_MU_IER: u64 = 0x04;
const AUX_MU_LSR: u64 = 0x14;

const LSR_DATA_READY: u32 = 1 << 0;
const LSR_TRANSMITTER_EMPTY: u32 = 1 << 5;
const LSR_TRANSMITTER_IDLE: u32 = 1 << 6;

/// Received bytes raise an interrupt only if bits 3:2 are set as well.
const IER_RECEIVE: u32 = 1 << 0 | 0b11 << 2;
const IER_TRANSMIT: u32 = 1 << 1;

/// A mini-UART.
#[derive(Clone, Copy)]
pub struct MiniUart {
    data: Register,
    status: Register,
    enable: Register,
}

impl MiniUart {
    /// Returns the mini-UART with these registers.
    pub fn new(registers: Registers) -> Self {
        let offsets = [AUX_MU_IO, AUX_MU_LSR, AUX_MU_IER];
        let [data, status, enable] = offsets.map(|offset| registers.register(offset));
        Self { data, status, enable }
    }
}

impl Uart for MiniUart {
    fn init(&self) {
        self.enable.write(0);
    }

    fn can_send(&self) -> bool {
        self.status.read() & LSR_TRANSMITTER_EMPTY != 0
    }

    fn send(&self, byte: u8) {
        self.data.write(u32::from(byte));
    }

    fn receive(&self) -> Option<u8> {
        let received = self.status.read() & LSR_DATA_READY != 0;
        received.then(|| self.data.read() as u8)
    }

    fn is_idle(&self) -> bool {
        self.status.read() & LSR_TRANSMITTER_IDLE != 0
    }

    fn set_interrupts(&self, receive: bool, transmit: bool) {
        let receive = if receive { IER_RECEIVE } else { 0 };
        let transmit = if transmit { IER_TRANSMIT } else { 0 };
        self.enable.write(receive | transmit);
    }
}
