//! The UART that the firmware's tree names for the console.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::{Console, ConsoleKind, Setting};
use crate::arch::addr::{Pa, Region};
use crate::boot::fdt::Tree;

/// The UARTs that there are drivers for.
const UARTS: [(&str, ConsoleKind); 2] =
    [("arm,pl011", ConsoleKind::Pl011), ("brcm,bcm2835-aux-uart", ConsoleKind::MiniUart)];

impl Console {
    /// Reads the UART of `/chosen/stdout-path`, which may go on with `:` and line settings.
    /// `None` if the tree names none.
    ///
    /// This needs nothing else of the machine, so that what is wrong there can be told.
    ///
    /// # Errors
    ///
    /// Why the UART that it names cannot be used, as a sentence without its full stop.
    pub fn read(tree: &Tree<'_>) -> Result<Option<Self>, String> {
        let Some(stdout) = tree.node("/chosen").and_then(|chosen| chosen.string("stdout-path"))
        else {
            return Ok(None);
        };
        let (path, options) = stdout.split_once(':').unwrap_or((stdout, ""));
        let refused = |why| Err(format!("no console: stdout-path, `{stdout}`, {why}"));
        let Some(node) = tree.node(path) else {
            return refused("does not exist");
        };
        let known = UARTS.iter().find(|(name, _)| node.is_compatible(name));
        let Some((_, kind)) = known else {
            return refused("is no UART that Bulkhead has a driver for");
        };
        let Some(registers) = node.regions().ok().and_then(|all| all.first().copied()) else {
            return refused("has no registers");
        };
        let interrupts = node.interrupts().unwrap_or_default();
        Ok(Some(Self {
            path: node.path(),
            kind: *kind,
            registers,
            interrupt: interrupts.first().map(|interrupt| interrupt.intid),
            settings: settings(tree, *kind, registers, options).unwrap_or_default(),
        }))
    }
}

/// The clock of the PL011s of a Raspberry Pi, which its firmware sets (config.txt:
/// `init_uart_clock`).
const CLOCK: u32 = 48_000_000;
const DEFAULT_BAUD: u32 = 115_200;
/// What UARTIBRD can divide [`CLOCK`] down to.
const BAUDS: core::ops::RangeInclusive<u32> = CLOCK / 16 / 0xffff + 1..=CLOCK / 16;

/// What a UART needs before it is used: nothing on most machines, whose firmware talks on it too.
///
/// A Raspberry Pi's firmware leaves UART0 switched off and without pins, as it is meant for
/// Bluetooth: it gets GPIO14 and 15, its clock's divisor, 8 bits without parity, and is enabled
/// (BCM2711 ARM Peripherals, 5.2 and 11.5; DDI 0183, 3.3). The mini-UART stays as it is, as only
/// firmware knows its clock, which is the graphics core's.
fn settings(
    tree: &Tree<'_>,
    kind: ConsoleKind,
    uart: Region<Pa>,
    options: &str,
) -> Option<Vec<Setting>> {
    // The other PL011s come behind UART0 in its page, and have other pins.
    let is_uart0 = kind == ConsoleKind::Pl011 && uart.start().is_aligned(0x1000);
    if !is_uart0 || !tree.root().is_compatible("brcm,bcm2711") {
        return None;
    }
    let gpio = tree.nodes().find(|node| node.is_compatible("brcm,bcm2711-gpio"))?;
    let gpio = *gpio.regions().ok()?.first()?;
    let baud = options.split(|it: char| !it.is_ascii_digit()).next()?.parse();
    let baud = baud.ok().filter(|baud| BAUDS.contains(baud)).unwrap_or(DEFAULT_BAUD);
    // In 64ths of the clock's 16th.
    let divisor = (4 * CLOCK + baud / 2) / baud;
    const ALL: u32 = u32::MAX;
    let settings = [
        // UARTCR: off.
        (uart, 0x30, ALL, 0),
        // GPFSEL1: the alternate function 0 of pins 14 and 15 is TXD0 and RXD0.
        (gpio, 0x04, 0b111_111 << 12, 0b100_100 << 12),
        // UARTLCR_H: the FIFOs are flushed.
        (uart, 0x2c, ALL, 0),
        // UARTIBRD and UARTFBRD, which writing UARTLCR_H puts into force: 8 bits, FIFOs on.
        (uart, 0x24, ALL, divisor >> 6),
        (uart, 0x28, ALL, divisor & 0x3f),
        (uart, 0x2c, ALL, 0b11 << 5 | 1 << 4),
        // UARTCR: receiver, transmitter and UART on.
        (uart, 0x30, ALL, 1 << 9 | 1 << 8 | 1),
    ];
    let setting = |(block, offset, mask, value): (Region<Pa>, _, _, _)| {
        let register = Region::new(Pa::new(block.start().get().checked_add(offset)?), 4)?;
        block.covers(&register).then_some(Setting { register, mask, value })
    };
    settings.into_iter().map(setting).collect()
}
