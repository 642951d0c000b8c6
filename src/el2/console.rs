//! The physical UART between Bulkhead's log and the partitions.

use bulkhead::console::{Console, Source};
use bulkhead::deadlines::User;
use bulkhead::machine::{self, Setting};
use bulkhead::pl011::Pl011;
use bulkhead::ring::Full;
use bulkhead::vgic::CpuMask;
use core::fmt::{self, Write};
use core::sync::atomic::{AtomicBool, Ordering};
use log::{Level, LevelFilter, Log, Metadata, Record};
use spin::Once;

use super::mmio::Registers;
use super::partition::{self, Partition};
use super::uart::Uart;
use super::wait::Mutex;
use super::{interrupts, timer};

/// How long a partial line waits for its end while nobody else prints: a prompt comes out without a
/// noticeable delay.
const PARTIAL_LINE_MS: u64 = 100;

/// The UART, if the machine has one that Bulkhead can drive.
static UART: Once<Uart> = Once::new();

/// What waits for the UART, under one lock. A partition's lock is taken before this one, never after
/// it.
struct Shared {
    console: Option<Console>,
    /// Whether guests run: from then on nobody waits for the UART.
    live: bool,
    /// A byte that was typed and that the guest's UART had no room for.
    held: Option<u8>,
}

static SHARED: Mutex<Shared> = Mutex::new(Shared { console: None, live: false, held: None });

/// Whether `held` is occupied, for those who do not have the lock.
static INPUT_WAITS: AtomicBool = AtomicBool::new(false);

/// Takes over the UART that the machine's tree names, and sends the log there.
pub fn init(machine: &machine::Console) {
    for Setting { register, mask, value } in &machine.settings {
        let register = Registers::map(*register);
        register.write(0, register.read(0) & !mask | value);
    }
    UART.call_once(|| Uart::new(machine.kind, Registers::map(machine.registers)));
    SHARED.lock().console = Some(new_console(&[]));
    if log::set_logger(&Logger).is_ok() {
        log::set_max_level(LevelFilter::Info);
    }
}

fn new_console(partitions: &[&str]) -> Console {
    Console::new(partitions, timer::milliseconds(PARTIAL_LINE_MS))
}

/// Makes room for the partitions' output, which is told apart by their names.
pub fn add_partitions(names: &[&str]) {
    let console = new_console(names);
    SHARED.lock().console = Some(console);
}

/// From now on output waits in the buffers, and the UART's interrupts move it. They come to this
/// CPU if no partition owns it, else to the first CPU of the partition that gets the input.
pub fn go_live(partitions: &[Partition], boot_cpu: usize) {
    let is_owned = partitions.iter().any(|partition| partition.plan.cpus.contains(&boot_cpu));
    let cpu = match partitions.first() {
        Some(first) if is_owned => first.plan.cpus[0],
        _ => boot_cpu,
    };
    let mut shared = SHARED.lock();
    shared.live = true;
    shared.choose_interrupts();
    drop(shared);
    interrupts::enable_console(cpu);
    pump();
}

impl Shared {
    /// Moves what is due to the UART, as far as it has room, or all of it while no guest runs.
    /// Tells whether there was something.
    fn pump(&mut self) -> bool {
        let (Some(uart), Some(console)) = (UART.get(), &mut self.console) else {
            return false;
        };
        let now = timer::now();
        if !console.is_due(now) {
            return false;
        }
        let mut moved = false;
        loop {
            if self.live && !uart.has_room() {
                break;
            }
            let Some(byte) = console.next(now) else {
                break;
            };
            uart.send(byte);
            moved = true;
        }
        if moved {
            self.choose_interrupts();
        }
        moved
    }

    /// Asks the UART for those interrupts that there is a use for.
    fn choose_interrupts(&mut self) {
        if let Some(uart) = UART.get() {
            let receive = self.live && self.held.is_none();
            uart.set_interrupts(receive, self.live && !uart.has_room());
        }
    }

    /// The next byte that was typed.
    fn next_input(&mut self) -> Option<u8> {
        self.held.take().or_else(|| UART.get()?.receive())
    }
}

/// Sends a byte of a partition's on its way, unless it must wait for room.
pub fn put(partition: usize, byte: u8) -> Result<(), Full> {
    let mut shared = SHARED.lock();
    match &mut shared.console {
        Some(console) => console.put(Source::partition(partition), byte, timer::now()),
        None => Ok(()),
    }
}

/// Waits until the console has taken what a partition's UART has left to send.
pub fn drain(partition: usize, uart: &mut Pl011) {
    let mut is_full = true;
    while is_full {
        is_full = false;
        uart.transmit(|byte| put(partition, byte).inspect_err(|Full| is_full = true));
        pump();
    }
}

/// Moves on what waits: after new output, for the UART's interrupt, and when a partial line is
/// due. Arms this CPU's timer for the next one.
pub fn pump() {
    let mut shared = SHARED.lock();
    let moved = shared.pump();
    let deadline = shared.console.as_ref().and_then(Console::deadline);
    timer::set_deadline(User::Console, deadline);
    drop(shared);
    if moved {
        for partition in partition::all() {
            if partition.output_waits.load(Ordering::Acquire) {
                partition.kick(CpuMask::one(0));
            }
        }
    }
}

/// The UART's interrupt: there is room for output, or somebody typed.
pub fn interrupt() {
    poll_input();
    pump();
}

/// Hands what was typed to the first partition, as far as its UART has room. The rest stays
/// in the physical UART, with the interrupt off, until the guest has read something.
pub fn poll_input() {
    let Some(partition) = partition::all().first() else {
        return;
    };
    let mut arrived = false;
    let mut state = partition.state.lock();
    let mut shared = SHARED.lock();
    while let Some(byte) = shared.next_input() {
        if state.uart.receive(byte).is_err() {
            shared.held = Some(byte);
            break;
        }
        arrived = true;
    }
    INPUT_WAITS.store(shared.held.is_some(), Ordering::Release);
    shared.choose_interrupts();
    drop(shared);
    drop(state);
    if arrived {
        partition.kick(CpuMask::one(0));
    }
}

/// Whether input waits for room in a guest's UART.
pub fn input_waits() -> bool {
    INPUT_WAITS.load(Ordering::Acquire)
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
    let (Some(uart), Some(console)) = (UART.get(), &mut shared.console) else {
        return;
    };
    while let Some(byte) = console.next(u64::MAX) {
        uart.send(byte);
    }
    uart.drain();
}

/// Writes past the console and its lock, for a panic: whoever has the lock may be who panicked.
pub fn emergency_write(text: &str) {
    if let Some(uart) = UART.get() {
        for byte in text.bytes() {
            if byte == b'\n' {
                uart.send(b'\r');
            }
            uart.send(byte);
        }
    }
}
