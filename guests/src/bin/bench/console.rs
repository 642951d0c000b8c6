//! The cost of the console's UART: reading its flags, writing a byte, and writing a line as a
//! driver does.

use core::hint::black_box;

use runtime::mmio::{read32, write32};
use runtime::pl011::{self, DR, FR, TXFF};
use runtime::tree::machine;

use crate::figures::{keep, measure as row, samples};

/// A line of 80 characters, with CR LF.
const LINE: &[u8; 82] =
    b"................................................................................\r\n";
const LINES: usize = 11;

/// Measures the accesses.
pub fn measure() {
    let uart = machine().uart;
    let (flags, data) = (black_box(uart + FR), black_box(uart + DR));
    let until_free = || while pl011::read(FR) & TXFF != 0 {};
    // SAFETY: a register of the UART, which the tree names; reading it has no effect.
    row("console-flags", || (), || _ = unsafe { read32(flags) });
    // SAFETY: as above; there is room for the byte.
    row("console-byte", until_free, || unsafe { write32(data, b'.'.into()) });
    pl011::put(b'\n');
    let line = samples(LINES, until_free, || LINE.iter().for_each(|byte| put(uart, *byte)));
    keep("console-line", line);
}

/// Writes a byte as a driver does, once the flags show that there is room.
#[inline(always)]
fn put(uart: u64, byte: u8) {
    // SAFETY: registers of the UART, which the tree names.
    unsafe {
        while read32(uart + FR) & TXFF != 0 {}
        write32(uart + DR, byte.into());
    }
}
