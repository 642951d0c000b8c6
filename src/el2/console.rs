//! The physical UART between Bulkhead's log and the partitions.

use bulkhead::console::{Console, Source};
use bulkhead::machine;
use bulkhead::ring::Full;
use bulkhead::vgic::CpuMask;
use core::fmt::{self, Write};
use core::sync::atomic::{AtomicBool, Ordering};
use log::{Level, LevelFilter, Log, Metadata, Record};
use spin::Mutex;

use super::mmio::Registers;
use super::partition::{self, Partition};
use super::uart::Uart;
use super::{interrupts, timer};

/// How long a partial line waits for its end: a prompt comes out without a noticeable delay, and a
/// line is not torn because its guest was held up in the middle.
const PARTIAL_LINE_MS: u64 = 200;

/// The UART and what waits for it, under one lock. A partition's lock is taken before this one,
/// never after it.
struct Shared {
    uart: Option<Uart>,
    console: Option<Console>,
    /// Whether guests run: from then on nobody waits for the UART.
    live: bool,
    /// A byte that was typed and that the guest's UART had no room for.
    held: Option<u8>,
}

static SHARED: Mutex<Shared> =
    Mutex::new(Shared { uart: None, console: None, live: false, held: None });

/// Whether `held` is occupied, for those who do not have the lock.
static INPUT_WAITS: AtomicBool = AtomicBool::new(false);

/// Takes over the UART that the machine's tree names, and sends the log there.
pub fn init(machine: &machine::Console) {
    let uart = Uart::new(machine.kind, Registers::map(machine.registers));
    let mut shared = SHARED.lock();
    shared.uart = Some(uart);
    shared.console = Some(new_console(&[]));
    drop(shared);
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
        self.choose_interrupts();
    }

    /// Asks the UART for those interrupts that there is a use for.
    fn choose_interrupts(&mut self) {
        if let Some(uart) = &mut self.uart {
            let receive = self.live && self.held.is_none();
            uart.set_interrupts(receive, self.live && !uart.has_room());
        }
    }

    /// The next byte that was typed.
    fn next_input(&mut self) -> Option<u8> {
        self.held.take().or_else(|| self.uart.as_mut()?.receive())
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

/// Moves on what waits: after new output, for the UART's interrupt, and when a partial line is
/// due. Arms this CPU's timer for the next one.
pub fn pump() {
    let mut shared = SHARED.lock();
    let is_due = shared.console.as_ref().is_some_and(|console| console.is_due(timer::now()));
    if is_due {
        shared.pump();
    }
    timer::set_deadline(shared.console.as_ref().and_then(Console::deadline));
    drop(shared);
    if !is_due {
        return;
    }
    for partition in partition::all() {
        if partition.output_waits.load(Ordering::Acquire) {
            partition.kick(CpuMask::one(0));
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
    let Shared { uart: Some(uart), console: Some(console), .. } = &mut *shared else {
        return;
    };
    while let Some(byte) = console.next(u64::MAX) {
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
