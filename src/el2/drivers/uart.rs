//! The physical UART, configured already.

use bulkhead::boot::machine::ConsoleKind;

use super::mmio::{Register, Registers};

/// A flag's bit, and the value that it has when what its name says is so.
type Flag = (u32, bool);

/// What one kind of UART has where.
struct Layout {
    /// Bytes in and out.
    data: u64,
    /// The register with the flags.
    flags: u64,
    /// There is something to read.
    received: Flag,
    /// There is room to send.
    has_room: Flag,
    /// All has been sent.
    is_idle: Flag,
    /// The register that says which interrupts are raised.
    interrupts: u64,
    /// Its bits for bytes that came in.
    receive: u32,
    /// Its bits for room to send.
    transmit: u32,
}

/// Arm PrimeCell PL011 (DDI 0183): UARTDR, UARTFR, UARTIMSC.
const PL011: Layout = Layout {
    data: 0x00,
    flags: 0x18,
    received: (1 << 4, false),
    has_room: (1 << 5, false),
    is_idle: (1 << 3, false),
    interrupts: 0x38,
    receive: 1 << 4 | 1 << 6,
    transmit: 1 << 5,
};

/// The mini-UART (BCM2835 ARM Peripherals, 2.2.2, with the errata on AUX_MU_IER_REG): AUX_MU_IO_REG,
/// AUX_MU_LSR_REG, AUX_MU_IER_REG. Received bytes interrupt only with bits 3:2 set as well.
const MINI_UART: Layout = Layout {
    data: 0x00,
    flags: 0x14,
    received: (1 << 0, true),
    has_room: (1 << 5, true),
    is_idle: (1 << 6, true),
    interrupts: 0x04,
    receive: 1 << 0 | 0b11 << 2,
    transmit: 1 << 1,
};

/// A UART.
pub struct Uart {
    data: Register,
    flags: Register,
    interrupts: Register,
    layout: &'static Layout,
}

impl Uart {
    /// Takes over a UART, silent until `set_interrupts`.
    pub fn new(kind: ConsoleKind, registers: Registers) -> Self {
        let layout = match kind {
            ConsoleKind::Pl011 => &PL011,
            ConsoleKind::MiniUart => &MINI_UART,
        };
        let [data, flags, interrupts] =
            [layout.data, layout.flags, layout.interrupts].map(|offset| registers.register(offset));
        let uart = Self { data, flags, interrupts, layout };
        uart.set_interrupts(false, false);
        uart
    }

    fn flag(&self, (bit, value): Flag) -> bool {
        (self.flags.read() & bit != 0) == value
    }

    /// Whether a byte can be sent at once.
    pub fn has_room(&self) -> bool {
        self.flag(self.layout.has_room)
    }

    /// Sends a byte, after waiting for room.
    pub fn send(&self, byte: u8) {
        while !self.has_room() {}
        self.put(byte);
    }

    /// Sends a byte, for which there is room.
    pub fn put(&self, byte: u8) {
        self.data.write(u32::from(byte));
    }

    /// Waits until the last byte has left.
    pub fn drain(&self) {
        while !self.flag(self.layout.is_idle) {}
    }

    /// The next byte that came in.
    pub fn receive(&self) -> Option<u8> {
        let received = self.flag(self.layout.received);
        received.then(|| self.data.read() as u8)
    }

    /// Chooses which of the UART's interrupts reach Bulkhead: bytes coming in, room for more.
    pub fn set_interrupts(&self, receive: bool, transmit: bool) {
        let receive = if receive { self.layout.receive } else { 0 };
        let transmit = if transmit { self.layout.transmit } else { 0 };
        self.interrupts.write(receive | transmit);
    }
}
