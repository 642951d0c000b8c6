//! The cost of the console's UART: reading its flags, writing a byte, writing a line as drivers do,
//! and passing a line on to the machine's UART.

use core::hint::black_box;
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use runtime::mmio::{read32, write32};
use runtime::pl011::{self, DR, FR, ICR, IMSC, RIS, RT, RX, TX, TXFF};
use runtime::tree::machine;
use runtime::{cpu, gic};

use crate::figures::{keep, measure as row, samples};

/// A line of 80 characters, with CR LF.
pub const LINE: &[u8; 82] =
    b"................................................................................\r\n";
/// The bytes of its text.
pub const TEXT_BYTES: usize = 80;
const LINES: usize = 11;
/// The passes of a loop in which the last line leaves the machine's UART, or most of it.
const PAUSE: u32 = 20_000;
/// The bytes that Linux's driver writes for each transmit interrupt: half of a FIFO of 32 bytes.
const BURST: usize = 16;

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
    pause();
    let silence = samples(LINES, || (), pause).median();
    let drain = |bytes| {
        let (text, end) = LINE.split_at(TEXT_BYTES);
        let fill = || text[..bytes].iter().for_each(|byte| put(uart, *byte));
        let ends = || {
            end.iter().for_each(|byte| write(uart, *byte));
            pause();
        };
        samples(LINES, fill, ends).map(|it| it.saturating_sub(silence))
    };
    let (half, whole) = (drain(TEXT_BYTES / 2), drain(TEXT_BYTES));
    let rest = |it: u64| it.saturating_sub(half.median()) / (TEXT_BYTES / 2) as u64;
    keep("console-drain-line", whole);
    keep("console-drain", whole.map(rest));
    gic::enable(machine().uart_interrupt);
    let driver = samples(
        LINES,
        || (),
        || {
            Driver::print();
            pause();
        },
    );
    keep("console-driver", driver.map(|it| it.saturating_sub(silence)));
    gic::disable(machine().uart_interrupt);
}

/// Writes a byte as a driver does, once the flags show that there is room.
#[inline(always)]
fn put(uart: u64, byte: u8) {
    // SAFETY: a register of the UART, which the tree names.
    while unsafe { read32(uart + FR) } & TXFF != 0 {}
    write(uart, byte);
}

/// Writes a byte.
#[inline(always)]
fn write(uart: u64, byte: u8) {
    // SAFETY: a register of the UART, which the tree names.
    unsafe { write32(uart + DR, byte.into()) }
}

/// Waits for as long as it takes to send a line.
#[inline(never)]
pub fn pause() {
    for pass in 0..PAUSE {
        black_box(pass);
    }
}

/// The accesses by which Linux sends what a program has written (`drivers/tty/serial/amba-pl011.c`,
/// without DMA): it fills the FIFO, looking at FR before each byte, and leaves the rest to the
/// transmit interrupt.
struct Driver {
    /// The index in [`LINE`] of the byte that comes next.
    next: AtomicUsize,
    /// The index behind the last byte of what the driver was given.
    end: AtomicUsize,
    /// IMSC.
    mask: AtomicU32,
}

static DRIVER: Driver =
    Driver { next: AtomicUsize::new(0), end: AtomicUsize::new(0), mask: AtomicU32::new(RX | RT) };

impl Driver {
    /// Sends a line in the two parts that the terminal's line discipline makes of it: the text, and
    /// CR LF.
    fn print() {
        DRIVER.next.store(0, Ordering::Relaxed);
        for end in [TEXT_BYTES, LINE.len()] {
            DRIVER.end.store(end, Ordering::Relaxed);
            DRIVER.start();
            cpu::unmask_interrupts();
            while DRIVER.next.load(Ordering::Relaxed) < end {}
            cpu::mask_interrupts();
        }
    }

    /// Begins to send.
    fn start(&self) {
        while let Some(byte) = self.byte() {
            if pl011::read(FR) & TXFF != 0 {
                return self.set_mask(self.mask.load(Ordering::Relaxed) | TX);
            }
            self.send(byte);
        }
        self.stop();
    }

    /// Masks the transmit interrupt, when nothing is left to send.
    fn stop(&self) {
        self.set_mask(self.mask.load(Ordering::Relaxed) & !TX);
    }

    /// Returns the next byte.
    fn byte(&self) -> Option<u8> {
        let (next, end) = (self.next.load(Ordering::Relaxed), self.end.load(Ordering::Relaxed));
        LINE[..end].get(next).copied()
    }

    fn send(&self, byte: u8) {
        pl011::write(DR, byte.into());
        self.next.store(self.next.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    fn set_mask(&self, mask: u32) {
        self.mask.store(mask, Ordering::Relaxed);
        pl011::write(IMSC, mask);
    }

    fn status(&self) -> u32 {
        pl011::read(RIS) & self.mask.load(Ordering::Relaxed)
    }
}

/// Handles the UART's interrupt.
pub fn interrupt() {
    let mut status = DRIVER.status();
    while status != 0 {
        pl011::write(ICR, status & !(TX | RT | RX));
        for byte in (0..BURST).map_while(|_| DRIVER.byte()) {
            DRIVER.send(byte);
        }
        if DRIVER.byte().is_none() {
            DRIVER.stop();
        }
        status = DRIVER.status();
    }
}
