//! The UARTs that Bulkhead can use as its console, as data.
//!
//! To add a UART: its model in `util/uart/models.rs`, a [`ConsoleKind`], and a row of [`MODELS`]
//! here. A board whose firmware leaves the UART switched off also needs a row of [`BOARDS`].

use super::ConsoleKind;
use crate::util::uart::{self, Spacing, UartModel};

impl ConsoleKind {
    /// Returns the registers of this UART.
    pub fn model(self) -> UartModel {
        match self {
            Self::Pl011 => uart::PL011,
            Self::MiniUart => uart::MINI,
            Self::Ns16550(spacing) => uart::ns16550(spacing),
            Self::DesignWare(spacing) => uart::design_ware(spacing),
            Self::Imx => uart::IMX,
            Self::Cadence => uart::CADENCE,
            Self::Meson => uart::MESON,
            Self::Lpuart => uart::LPUART,
            Self::Geni => uart::GENI,
            Self::Scif => uart::SCIF,
        }
    }
}

/// The supported bindings: a `compatible` of the node, and the driver. A 16550 has the distance of
/// its registers that its binding gives where the node says nothing else. The first row whose name
/// the node has is taken, so that those of a family come after its members.
pub(super) const MODELS: &[(&str, ConsoleKind)] = &[
    ("arm,pl011", ConsoleKind::Pl011),
    // Its clock is the graphics core's, which only firmware knows: it stays as firmware leaves it.
    ("brcm,bcm2835-aux-uart", ConsoleKind::MiniUart),
    ("fsl,imx21-uart", ConsoleKind::Imx),
    ("fsl,imx6q-uart", ConsoleKind::Imx),
    ("cdns,uart-r1p8", ConsoleKind::Cadence),
    ("cdns,uart-r1p12", ConsoleKind::Cadence),
    ("xlnx,xuartps", ConsoleKind::Cadence),
    ("snps,dw-apb-uart", ConsoleKind::DesignWare(Spacing::BYTES)),
    ("ti,am654-uart", ConsoleKind::Ns16550(Spacing::WORDS)),
    ("mediatek,mt6577-uart", ConsoleKind::Ns16550(Spacing::WORDS)),
    ("nvidia,tegra20-uart", ConsoleKind::Ns16550(Spacing::BYTES)),
    ("ns16550a", ConsoleKind::Ns16550(Spacing::BYTES)),
    ("ns16550", ConsoleKind::Ns16550(Spacing::BYTES)),
    ("amlogic,meson-gx-uart", ConsoleKind::Meson),
    ("amlogic,meson-ao-uart", ConsoleKind::Meson),
    ("fsl,imx7ulp-lpuart", ConsoleKind::Lpuart),
    ("fsl,imx8qxp-lpuart", ConsoleKind::Lpuart),
    ("qcom,geni-debug-uart", ConsoleKind::Geni),
    ("qcom,geni-uart", ConsoleKind::Geni),
    ("renesas,rcar-gen3-scif", ConsoleKind::Scif),
    ("renesas,rcar-gen4-scif", ConsoleKind::Scif),
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
