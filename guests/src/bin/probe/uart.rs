//! The PL011, driven by interrupts.

use core::sync::atomic::{AtomicU32, Ordering};

use runtime::pl011::{self, ICR, IMSC, MIS, RIS, RT, RX, TX};
use runtime::tree::machine;
use runtime::{cpu, gic, println};

use crate::interrupts::taken;
use crate::report::report;

/// UARTPeriphID0 to UARTPCellID3.
const IDENTIFICATION: u64 = 0xfe0;
const CELL: u32 = 0xb105_f00d;

static CAUSE: AtomicU32 = AtomicU32::new(0);

/// Handles the interrupt: records the cause and masks it at the device.
pub fn take() {
    let cause = pl011::read(MIS);
    CAUSE.store(cause, Ordering::Relaxed);
    pl011::write(IMSC, pl011::read(IMSC) & !cause);
    pl011::write(ICR, cause & TX);
}

/// Runs the checks.
pub fn check() {
    let byte = |index: u64| pl011::read(IDENTIFICATION + 4 * index) & 0xff;
    let cell = (4..8).rev().fold(0, |value, index| value << 8 | byte(index));
    report("uart-cell-id", cell, CELL);
    report("uart-part", (byte(0), byte(1) & 0xf), (0x11, 0));

    pl011::write(IMSC, 0);
    println!("a line, after which there is room in the transmit FIFO");
    report("uart-tx-raw", pl011::read(RIS) & TX, TX);
    report("uart-masked", pl011::read(MIS), 0);
    gic::enable(machine().uart_interrupt);
    pl011::write(IMSC, TX);
    report("uart-tx-interrupt", taken(1), (1, [machine().uart_interrupt]));
    report("uart-tx-cause", CAUSE.load(Ordering::Relaxed), TX);
    if machine().argument("echo").is_some() {
        echo();
    }
    gic::disable(machine().uart_interrupt);
}

/// Reads a line of input, by interrupts, and prints it.
fn echo() {
    println!("probe: waiting for a line");
    let mut interrupts = 0;
    let mut line = [0; 64];
    let mut length = 0;
    while length == 0 || !matches!(line[length - 1], b'\r' | b'\n') {
        CAUSE.store(0, Ordering::Relaxed);
        pl011::write(IMSC, RX | RT);
        cpu::wait_until(|| CAUSE.load(Ordering::Relaxed) != 0);
        cpu::mask_interrupts();
        interrupts += 1;
        // Cleared before reading: a byte that arrives after the last one was read must interrupt
        // again.
        pl011::write(ICR, RX | RT);
        while let Some(byte) = pl011::get() {
            line[length] = byte;
            length = (length + 1).min(line.len() - 1);
        }
    }
    let line = core::str::from_utf8(&line[..length - 1]).unwrap_or("(not UTF-8)");
    println!("probe: echo {line}");
    report("uart-rx-interrupts", interrupts > 0, true);
    report("uart-empty", pl011::get(), None);
    taken::<0>(0);
}
