//! The machine's UART, whose driver is the library's.

pub mod emergency;

use bulkhead::boot::machine::ConsoleKind;
use bulkhead::util::uart::{CADENCE, DESIGN_WARE, IMX, MINI, PL011, Uart, UartRegister};

use super::mmio::{Register, Registers};

/// The machine's UART.
pub type MachineUart = Uart<Register>;

impl UartRegister for Register {
    #[inline(always)]
    fn read(self) -> u32 {
        Register::read(self)
    }

    #[inline(always)]
    fn write(self, value: u32) {
        Register::write(self, value);
    }
}

/// Takes over a UART, with its interrupts masked.
#[inline(always)]
pub fn open(kind: ConsoleKind, registers: Registers) -> MachineUart {
    let model = match kind {
        ConsoleKind::Pl011 => &PL011,
        ConsoleKind::MiniUart => &MINI,
        ConsoleKind::Imx => &IMX,
        ConsoleKind::Cadence => &CADENCE,
        ConsoleKind::DesignWare => &DESIGN_WARE,
    };
    model.open(|offset| registers.register(offset))
}
