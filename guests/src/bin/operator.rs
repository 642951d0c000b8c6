//! Gives orders to another partition at its monitor, at random times, and checks that the other
//! partition, which resets itself all the time, starts again after each of them.
//!
//! Command line: `target=NAME`; `orders=N` (100), the number of orders.

#![no_std]
#![no_main]

use runtime::gic::Interrupt;
use runtime::tree::machine;
use runtime::{fail, mmio, pl011, println, timer};

runtime::guest!(main, interrupt);

/// The longest time between two orders, in microseconds.
const GAP_US: u64 = 30_000;
/// The limit of a wait for an answer or a restart, in microseconds: far longer than one takes, even
/// on a busy host.
const LIMIT_US: u64 = 30_000_000;
/// The length of the longest line of an answer.
const LINE: usize = 80;

/// The monitor's terminal.
struct Monitor {
    uart: u64,
}

/// A row of `list`.
#[derive(Clone, Copy)]
struct Row {
    is_stopped: bool,
    restarts: u64,
}

fn main() {
    let Some(uart) = machine().monitor else { fail!("there is no monitor") };
    let Some(target) = machine().argument("target") else { fail!("there is no target") };
    let orders = machine().number("orders").unwrap_or(100);
    let monitor = Monitor { uart };
    monitor.init();
    let mut random = timer::now_physical() | 1;
    println!("operator: begins");
    let first = monitor.row(target).restarts;
    for order in 1..=orders {
        timer::within(next(&mut random) % GAP_US, || false);
        // An order is refused if the partition is in that state already.
        match next(&mut random) % 4 {
            0 => {
                monitor.command("stop", target);
                timer::within(next(&mut random) % GAP_US, || false);
                monitor.command("start", target);
            }
            1 => monitor.command("start", target),
            _ => monitor.command("restart", target),
        }
        let before = monitor.row(target).restarts;
        let has_restarted = || {
            let row = monitor.row(target);
            if row.is_stopped {
                // It has turned all of its CPUs off.
                monitor.command("start", target);
            }
            row.restarts > before
        };
        if !timer::within(LIMIT_US, has_restarted) {
            fail!("{target} has not started again for 30 s after order {order}");
        }
    }
    let restarts = monitor.row(target).restarts - first;
    monitor.command("stop", target);
    if !timer::within(LIMIT_US, || monitor.row(target).is_stopped) {
        fail!("{target} has not stopped for 30 s");
    }
    println!("operator: done, {orders} orders, {restarts} restarts");
}

/// Returns the next number of a generator (xorshift64, Marsaglia).
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state >> 8
}

impl Monitor {
    fn read(&self, register: u64) -> u32 {
        // SAFETY: the tree names the UART, which is mapped as a device.
        unsafe { mmio::read32(self.uart + register) }
    }

    fn write(&self, register: u64, value: u32) {
        // SAFETY: as in `read`.
        unsafe { mmio::write32(self.uart + register, value) }
    }

    /// Sets 8 bits, and enables the FIFOs, the transmitter and the receiver.
    fn init(&self) {
        self.write(pl011::LCR_H, 0b11 << 5 | 1 << 4);
        self.write(pl011::CR, 1 << 9 | 1 << 8 | 1);
    }

    /// Gives an order, and waits for its answer, whatever that is.
    fn command(&self, order: &str, target: &str) {
        self.send(order);
        self.send(" ");
        self.send(target);
        self.answer(|_| {});
    }

    /// Returns what `list` has about the partition.
    fn row(&self, target: &str) -> Row {
        self.send("list");
        let mut row = None;
        self.answer(|line| {
            let mut words = line.split_ascii_whitespace().skip(1);
            if words.next() == Some(target) {
                let is_stopped = words.next() == Some("stopped");
                let restarts = words.nth(2).and_then(|word| word.parse().ok());
                row = restarts.map(|restarts| Row { is_stopped, restarts });
            }
        });
        match row {
            Some(row) => row,
            None => fail!("{target} is not listed"),
        }
    }

    fn send(&self, text: &str) {
        for byte in text.bytes() {
            while self.read(pl011::FR) & pl011::TXFF != 0 {}
            self.write(pl011::DR, byte.into());
        }
    }

    /// Ends the command, and calls `take` with each line of its answer but the last.
    fn answer(&self, mut take: impl FnMut(&str)) {
        self.send("\n");
        let (mut line, mut length) = ([0; LINE], 0);
        let is_complete = timer::within(LIMIT_US, || {
            while self.read(pl011::FR) & pl011::RXFE == 0 {
                match self.read(pl011::DR) as u8 {
                    b'\n' => {
                        let text = core::str::from_utf8(&line[..length]).unwrap_or("");
                        if text == "ok" || text.starts_with("error: ") {
                            return true;
                        }
                        take(text);
                        length = 0;
                    }
                    byte if length < LINE => {
                        line[length] = byte;
                        length += 1;
                    }
                    _ => {}
                }
            }
            false
        });
        if !is_complete {
            fail!("the monitor has not answered for 30 s");
        }
    }
}

fn interrupt(interrupt: Interrupt) {
    fail!("unexpected interrupt {}", interrupt.intid);
}
