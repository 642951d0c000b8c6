//! The UARTs that Bulkhead can use as its console, as data.
//!
//! To add a UART: a row of [`MODELS`] here, and a driver in `el2/drivers/uart`. A board whose
//! firmware leaves the UART switched off also needs a row of [`BOARDS`].

use super::ConsoleKind;

/// A binding that Bulkhead has a driver for.
pub(super) struct UartBinding {
    /// A `compatible` of its node.
    pub compatible: &'static str,
    /// The driver.
    pub kind: ConsoleKind,
}

/// The supported bindings.
pub(super) const MODELS: &[UartBinding] = &[
    UartBinding { compatible: "arm,pl011", kind: ConsoleKind::Pl011 },
    // Its clock is the graphics core's, which only firmware knows: it stays as firmware leaves it.
    UartBinding { compatible: "brcm,bcm2835-aux-uart", kind: ConsoleKind::MiniUart },
    UartBinding { compatible: "fsl,imx21-uart", kind: ConsoleKind::Imx },
    UartBinding { compatible: "fsl,imx6q-uart", kind: ConsoleKind::Imx },
    UartBinding { compatible: "cdns,uart-r1p8", kind: ConsoleKind::Cadence },
    UartBinding { compatible: "cdns,uart-r1p12", kind: ConsoleKind::Cadence },
    UartBinding { compatible: "xlnx,xuartps", kind: ConsoleKind::Cadence },
    UartBinding { compatible: "snps,dw-apb-uart", kind: ConsoleKind::DesignWare },
];

/// A UART that firmware leaves switched off, and how to switch it on.
pub(super) struct BoardUart {
    /// A `compatible` of the machine.
    pub board: &'static str,
    /// The model of the UART.
    pub kind: ConsoleKind,
    /// The alignment in bytes of the UART's address, which other UARTs of its model do not have.
    pub alignment: u64,
    /// A `compatible` of the pin controller.
    pub pin_controller: &'static str,
    /// The frequency of the UART's clock in Hz.
    pub clock: u32,
    /// The baud rate where `stdout-path` gives none that the UART can have.
    pub default_baud: u32,
    /// What to set, in this order.
    pub steps: &'static [Step],
}

/// A change to a 32-bit register.
pub(super) struct Step {
    /// The block of registers.
    pub block: Block,
    /// The offset of the register in bytes.
    pub offset: u64,
    /// The bits to change.
    pub mask: u32,
    /// Their new value.
    pub value: Value,
}

/// A block of registers.
#[derive(Clone, Copy)]
pub(super) enum Block {
    Uart,
    PinController,
}

/// The value of a register.
#[derive(Clone, Copy)]
pub(super) enum Value {
    /// Always the same bits.
    Fixed(u32),
    /// The integer part of the PL011's baud rate divisor (DDI 0183, 3.3.6).
    Pl011IntegerDivisor,
    /// Its fractional part, in 64ths.
    Pl011FractionalDivisor,
}

/// Returns a step that replaces a whole register of the UART.
const fn uart(offset: u64, value: Value) -> Step {
    Step { block: Block::Uart, offset, mask: u32::MAX, value }
}

/// The UARTs that have to be switched on.
pub(super) const BOARDS: &[BoardUart] = &[
    // Raspberry Pi 4: firmware means UART0 for Bluetooth and leaves it off, without pins (BCM2711
    // ARM Peripherals, 5.2 and 11.5; DDI 0183, 3.3). The other PL011s follow UART0 in its page and
    // have other pins. The clock is firmware's default (config.txt: `init_uart_clock`).
    BoardUart {
        board: "brcm,bcm2711",
        kind: ConsoleKind::Pl011,
        alignment: 0x1000,
        pin_controller: "brcm,bcm2711-gpio",
        clock: 48_000_000,
        default_baud: 115_200,
        steps: &[
            // UARTCR: off.
            uart(0x30, Value::Fixed(0)),
            // GPFSEL1: the alternate function 0 of pins 14 and 15 is TXD0 and RXD0.
            Step {
                block: Block::PinController,
                offset: 0x04,
                mask: 0b111_111 << 12,
                value: Value::Fixed(0b100_100 << 12),
            },
            // UARTLCR_H: FIFOs off, which flushes them.
            uart(0x2c, Value::Fixed(0)),
            // UARTIBRD and UARTFBRD, which the write to UARTLCR_H puts into force: 8 bits without
            // parity, FIFOs on.
            uart(0x24, Value::Pl011IntegerDivisor),
            uart(0x28, Value::Pl011FractionalDivisor),
            uart(0x2c, Value::Fixed(0b11 << 5 | 1 << 4)),
            // UARTCR: receiver, transmitter and UART on.
            uart(0x30, Value::Fixed(1 << 9 | 1 << 8 | 1)),
        ],
    },
];
