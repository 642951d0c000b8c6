//! The physical UART between Bulkhead's log and the partitions.

use bulkhead::console::{Console, Source};
use bulkhead::machine;
use core::fmt::{self, Write};
use log::{Level, LevelFilter, Log, Metadata, Record};
use spin::Mutex;

use super::mmio::Registers;
use super::timer;
use super::uart::Uart;

/// How long a partial line waits for its end.
const PARTIAL_LINE_MS: u64 = 20;

/// The UART and what waits for it, under one lock. A partition's lock is taken before this one,
/// never after it.
struct Shared {
    uart: Option<Uart>,
    console: Option<Console>,
    /// Whether guests run: from then on nobody waits for the UART.
    live: bool,
}

static SHARED: Mutex<Shared> = Mutex::new(Shared { uart: None, console: None, live: false });

/// Takes over the UART that the machine's tree names, and sends the log there.
pub fn init(machine: &machine::Console) {
    let machine::ConsoleKind::Pl011 = machine.kind;
    let uart = Uart::new(Registers::map(machine.registers));
    let mut shared = SHARED.lock();
    shared.uart = Some(uart);
    shared.console = Some(new_console(core::iter::empty()));
    drop(shared);
    if log::set_logger(&Logger).is_ok() {
        log::set_max_level(LevelFilter::Info);
    }
}

fn new_console<'a>(partitions: impl Iterator<Item = &'a str>) -> Console {
    Console::new(partitions, timer::milliseconds(PARTIAL_LINE_MS))
}

/// Makes room for the partitions' output, which is told apart by their names.
pub fn add_partitions<'a>(names: impl Iterator<Item = &'a str>) {
    let console = new_console(names);
    SHARED.lock().console = Some(console);
}

/// From now on output waits in the buffers, and the UART's interrupts move it.
pub fn go_live() {
    let mut shared = SHARED.lock();
    shared.live = true;
    shared.pump();
}

impl Shared {
    /// Moves what is due to the UART, as far as it has room, or all of it while no guest runs.
    fn pump(&mut self) {
        let (Some(uart), Some(console)) = (&mut self.uart, &mut self.console) else {
            return;
        };
        let now = timer::now();
        loop {
            if self.live && !uart.has_room() {
                break;
            }
            let Some(byte) = console.next(now) else {
                break;
            };
            uart.send(byte);
        }
        uart.set_interrupts(self.live, self.live && !uart.has_room());
    }
}

/// Sends a byte of a partition's on its way; `false` if it must wait for room.
pub fn put(partition: usize, byte: u8) -> bool {
    let mut shared = SHARED.lock();
    let Some(console) = &mut shared.console else {
        return true;
    };
    console.put(Source::partition(partition), byte, timer::now()).is_ok()
}

/// Moves on what waits: after new output, for the UART's interrupt, and when a partial line is
/// due. Arms this CPU's timer for the next one.
pub fn pump() {
    let mut shared = SHARED.lock();
    shared.pump();
    timer::set_deadline(shared.console.as_ref().and_then(Console::deadline));
}

/// The next byte that somebody typed.
pub fn receive() -> Option<u8> {
    SHARED.lock().uart.as_mut()?.receive()
}

/// Bulkhead's own lines.
struct Logger;

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= Level::Info
    }

    fn log(&self, record: &Record<'_>) {
        let mut shared = SHARED.lock();
        let _ = writeln!(shared, "{}", record.args());
        shared.pump();
    }

    fn flush(&self) {}
}

impl Write for Shared {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let now = timer::now();
        for byte in text.bytes() {
            // A log that is full because the UART is slow waits for it: lines are not lost.
            while let Some(console) = &mut self.console
                && console.put(Source::BULKHEAD, byte, now).is_err()
            {
                self.pump();
            }
        }
        Ok(())
    }
}

/// Waits until all that was written has left.
pub fn flush() {
    let mut shared = SHARED.lock();
    let Shared { uart: Some(uart), console: Some(console), .. } = &mut *shared else {
        return;
    };
    while let Some(byte) = console.panic_flush() {
        uart.send(byte);
    }
    uart.drain();
}

/// Writes past the console, for a panic: the lock may be held by whoever panicked.
pub fn emergency_write(text: &str) {
    // SAFETY: the other CPUs and whatever held the lock on this one never go on with it: the
    // machine stops after what is written here.
    unsafe { SHARED.force_unlock() };
    if let Some(uart) = &mut SHARED.lock().uart {
        for byte in text.bytes() {
            if byte == b'\n' {
                uart.send(b'\r');
            }
            uart.send(byte);
        }
    }
}
