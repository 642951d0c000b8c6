//! The PL011 of the console (Arm DDI 0183), whose baud rate is left as it is.

use core::fmt::{self, Write};

use spin::Mutex;

use crate::{cpu, mmio, tree};

/// Data register.
pub const DR: u64 = 0x000;
/// Flag register.
pub const FR: u64 = 0x018;
/// Line control.
pub const LCR_H: u64 = 0x02c;
/// Control.
pub const CR: u64 = 0x030;
/// Interrupt mask set/clear.
pub const IMSC: u64 = 0x038;
/// Raw interrupt status.
pub const RIS: u64 = 0x03c;
/// Masked interrupt status.
pub const MIS: u64 = 0x040;
/// Interrupt clear.
pub const ICR: u64 = 0x044;
/// Receive FIFO empty, in FR.
pub const RXFE: u32 = 1 << 4;
/// Transmit FIFO full, in FR.
pub const TXFF: u32 = 1 << 5;
/// Receive interrupt, in the four interrupt registers.
pub const RX: u32 = 1 << 4;
/// Transmit interrupt.
pub const TX: u32 = 1 << 5;
/// Receive timeout interrupt.
pub const RT: u32 = 1 << 6;

/// Reads a register of the UART.
pub fn read(register: u64) -> u32 {
    // SAFETY: the tree names the UART, which is mapped as a device.
    unsafe { mmio::read32(tree::machine().uart + register) }
}

/// Writes a register of the UART.
pub fn write(register: u64, value: u32) {
    // SAFETY: as in `read`.
    unsafe { mmio::write32(tree::machine().uart + register, value) }
}

/// Sets 8 bits, enables the FIFOs, the transmitter and the receiver, and masks all interrupts.
pub(crate) fn init() {
    write(IMSC, 0);
    write(LCR_H, 0b11 << 5 | 1 << 4);
    write(CR, 1 << 9 | 1 << 8 | 1);
}

/// Sends a byte, once there is room in the FIFO.
pub fn put(byte: u8) {
    while read(FR) & TXFF != 0 {
        cpu::relax();
    }
    write(DR, byte.into());
}

/// Returns a byte that was received, `None` if there is none.
pub fn get() -> Option<u8> {
    (read(FR) & RXFE == 0).then(|| read(DR) as u8)
}

/// The UART as a writer without a lock, for panics.
pub struct Console;

impl Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            if byte == b'\n' {
                put(b'\r');
            }
            put(byte);
        }
        Ok(())
    }
}

static CONSOLE: Mutex<Console> = Mutex::new(Console);

/// Prints, one CPU at a time, with interrupts masked: their handlers may print too.
pub fn print(text: fmt::Arguments) {
    cpu::without_interrupts(|| {
        let _ = CONSOLE.lock().write_fmt(text);
    });
}

/// Prints without ending the line.
#[macro_export]
macro_rules! print {
    ($($text:tt)*) => { $crate::pl011::print(format_args!($($text)*)) };
}

/// Prints a line.
#[macro_export]
macro_rules! println {
    ($($text:tt)*) => { $crate::pl011::print(format_args!("{}\n", format_args!($($text)*))) };
}
