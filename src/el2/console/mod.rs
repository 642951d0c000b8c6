//! The physical UART between a person, Bulkhead's log and the partitions.

use bulkhead::boot::machine::{self, Setting};
use bulkhead::operator::console::input::Input;
use bulkhead::operator::console::{self, Buffer, Console, Source};
use bulkhead::util::deadlines::User;
use bulkhead::util::format::{Sink, format};
use bulkhead::util::ring::Full;
use bulkhead::vgic::{CpuMask, Delivery};
use core::fmt::{self, Write};
use core::mem::take;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use log::{Level, LevelFilter, Log, Metadata, Record};
use spin::Once;

use super::arch::sync::{Mutex, MutexGuard};
use super::cpu::timer;
use super::drivers::gic;
use super::drivers::mmio::Registers;
use super::drivers::uart::Uart;
use super::monitor;
use super::partition::{self, Partition};
use super::trap::irq;

mod input;
pub use super::vcpu::uart::drain;
pub use input::{answer_doorbell, attach, input_waits, interrupt, poll_input};

/// How long a partial line waits for its end while nobody else prints: a prompt comes out without a
/// noticeable delay.
const PARTIAL_LINE_MS: u64 = 100;
/// How long a guest may take to read what is typed before the rest is dropped.
const DEAF_MS: u64 = 1000;

/// The UART, if the machine has one that Bulkhead can drive.
static UART: Once<Uart> = Once::new();

/// What waits for the UART, under one lock. A partition's lock is taken before this one, never after
/// it.
struct Shared {
    /// Once it is known who there is.
    console: Option<Console>,
    /// What was typed, once there are partitions to read it.
    input: Option<Input>,
    /// Whether guests run: from then on nobody waits for the UART.
    live: bool,
    /// Something has left a buffer, and who waits for that was not told.
    moved: bool,
    /// The UART had no room for the next byte.
    blocked: bool,
    /// Whether the log, before guests run, is inside a line.
    inside_line: bool,
}

static SHARED: Mutex<Shared> = Mutex::new(Shared {
    console: None,
    input: None,
    live: false,
    moved: false,
    blocked: false,
    inside_line: false,
});

/// Takes the lock: one piece of code for all who do.
#[inline(never)]
fn shared() -> MutexGuard<'static, Shared> {
    SHARED.lock()
}

/// The index of the CPU that takes the UART's interrupts.
static CPU: AtomicUsize = AtomicUsize::new(0);

/// Takes over the UART that the machine's tree names, and sends the log there.
pub fn init(machine: &machine::Console) {
    for Setting { register, mask, value } in &machine.settings {
        let register = Registers::map(*register);
        register.write(0, register.read(0) & !mask | value);
    }
    UART.call_once(|| Uart::new(machine.kind, Registers::map(machine.registers)));
    if log::set_logger(&Logger).is_ok() {
        log::set_max_level(LevelFilter::Info);
    }
}

/// Makes room for the partitions' output, which is told apart by their names.
pub fn add_partitions(names: &[&str]) {
    let console = Console::new(names, timer::milliseconds(PARTIAL_LINE_MS));
    let input = Input::new(names.len(), timer::milliseconds(DEAF_MS));
    let mut shared = shared();
    (shared.console, shared.input) = (Some(console), Some(input));
}

/// Where a partition writes.
pub fn buffer(partition: usize) -> &'static Buffer {
    let shared = shared();
    let console = shared.console.as_ref().expect("`add_partitions` comes first");
    console.buffer(Source::partition(partition))
}

/// From now on output waits in the buffers, and the UART's interrupts move it. They come to this CPU if no
/// partition owns it; else to the first CPU of the first partition, unless the guest there could keep
/// them from coming and there is a partition that cannot, as its interrupts are trapped.
pub fn go_live(partitions: &[Partition], boot_cpu: usize) {
    let is_owned = partitions.iter().any(|partition| partition.plan.cpus.contains(&boot_cpu));
    let trapped = partitions.iter().find(|it| it.plan.delivery == Delivery::Trapped);
    let cpu = match trapped.or(partitions.first()) {
        Some(partition) if is_owned => partition.plan.cpus[0],
        _ => boot_cpu,
    };
    let mut shared = shared();
    shared.live = true;
    shared.choose_interrupts();
    drop(shared);
    CPU.store(cpu, Ordering::Relaxed);
    irq::enable_console(cpu);
    pump();
}

impl Shared {
    /// Moves what is due to the UART, as far as it has room, or all of it while no guest runs. Without a
    /// UART it is gone.
    fn pump(&mut self, now: u64) {
        let (uart, Some(console)) = (UART.get(), &mut self.console) else { return };
        if !console.is_due(now) {
            return;
        }
        self.blocked = false;
        while !IS_TAKEN.load(Ordering::Relaxed) {
            if uart.is_some_and(|uart| !uart.has_room()) {
                self.blocked = self.live;
                if self.blocked {
                    break;
                }
                continue;
            }
            let Some(byte) = console.next(now) else { break };
            if let Some(uart) = uart {
                uart.put(byte);
            }
            self.moved = true;
        }
        self.choose_interrupts();
    }

    /// Asks the UART for those interrupts that there is a use for.
    fn choose_interrupts(&mut self) {
        if let Some(uart) = UART.get() {
            let receive = self.live && self.input.as_ref().is_some_and(Input::has_room);
            uart.set_interrupts(receive, self.blocked);
        }
    }

    /// Sends text of Bulkhead's own on its way.
    #[inline(never)]
    fn log(&mut self, text: &[u8]) {
        monitor::keep(text);
        let now = timer::now();
        for byte in text {
            // A log that is full because the UART is slow waits for it: lines are not lost.
            while let Some(console) = &mut self.console
                && console.put(Source::BULKHEAD, *byte, now).is_err()
            {
                self.pump(timer::now());
            }
        }
    }

    /// When EL2's timer is to move on what waits.
    fn deadline(&self) -> Option<u64> {
        let output = self.console.as_ref().and_then(Console::deadline);
        let input = self.input.as_ref().and_then(Input::deadline);
        match (output, input) {
            (Some(output), Some(input)) => Some(output.min(input)),
            _ => output.or(input),
        }
    }
}

impl Sink for Shared {
    fn put(&mut self, text: &[u8]) {
        self.log(text);
    }
}

/// Sends a byte of the monitor's on its way, unless it must wait for room.
pub fn put_monitor(byte: u8) -> Result<(), Full> {
    let mut shared = shared();
    match &mut shared.console {
        Some(console) => console.put(Source::MONITOR, byte, timer::now()),
        None => Ok(()),
    }
}

/// Looks at what a partition has written, and moves on what waits.
pub fn tell(partition: &Partition) {
    pump_after(Some(Source::partition(partition.index)));
}

/// Moves on what waits: after new output, for the UART's interrupt, and when something is due that
/// time alone brings.
pub fn pump() {
    pump_after(None);
}

fn pump_after(writer: Option<Source>) {
    let mut shared = shared();
    let now = timer::now();
    if let (Some(console), Some(writer)) = (&mut shared.console, writer) {
        console.note(writer);
    }
    shared.tick_input(now);
    shared.pump(now);
    after_pump(shared);
}

/// Arms this CPU's timer for what waits for its time, and has those go on who waited for room, if
/// there is any now.
fn after_pump(mut shared: MutexGuard<'_, Shared>) {
    if shared.live {
        timer::set_deadline(User::Console, shared.deadline());
    }
    let has_room = take(&mut shared.moved);
    drop(shared);
    if !has_room {
        return;
    }
    for partition in partition::all() {
        if partition.output_waits.load(Ordering::SeqCst) {
            partition.kick(CpuMask::one(0));
        }
    }
    if monitor::waits() {
        gic::get().ring_doorbell(CPU.load(Ordering::Relaxed));
    }
}

/// Prints a line of Bulkhead's own, while guests run. At boot it is the `log` crate's macros that do.
macro_rules! say {
    ($($argument:tt)*) => {
        $crate::el2::console::print_line(format_args!($($argument)*))
    };
}
pub(super) use say;

/// Prints a line of Bulkhead's own, while guests run.
pub fn print_line(line: fmt::Arguments<'_>) {
    let mut shared = shared();
    format(line, &mut *shared);
    shared.log(b"\n");
    shared.pump(timer::now());
    // In the focused view a line may have to wait.
    after_pump(shared);
}

/// Bulkhead's own lines at boot, while nobody else has anything to say.
struct Logger;

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= Level::Info
    }

    fn log(&self, record: &Record<'_>) {
        let _ = writeln!(Alone(&mut shared()), "{}", record.args());
    }

    fn flush(&self) {}
}

/// Writes to the UART as it comes.
struct Alone<'a>(&'a mut Shared);

impl Write for Alone<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        monitor::keep(text.as_bytes());
        let shared = &mut *self.0;
        let Some(uart) = UART.get() else { return Ok(()) };
        let console = shared.console.as_ref();
        let prefix =
            console.map_or(console::OWN_PREFIX, |console| console.prefix(Source::BULKHEAD));
        let mut inside_line = shared.inside_line;
        for byte in text.bytes() {
            if !inside_line {
                prefix.bytes().for_each(|byte| uart.send(byte));
            }
            inside_line = byte != b'\n';
            if !inside_line {
                uart.send(b'\r');
            }
            uart.send(byte);
        }
        shared.inside_line = inside_line;
        Ok(())
    }
}

/// Waits until all that was written has left.
pub fn flush() {
    let mut shared = shared();
    let Some(uart) = UART.get() else { return };
    while let Some(console) = &mut shared.console
        && let Some(byte) = console.next(u64::MAX)
    {
        uart.send(byte);
    }
    uart.drain();
}

/// Set for good by a panic, whose lines no other CPU's output may tear.
static IS_TAKEN: AtomicBool = AtomicBool::new(false);

/// Writes past the console and its lock, for a panic: whoever has the lock may be who panicked.
// Out of line, for there are several callers.
#[inline(never)]
pub fn emergency_write(text: &[u8]) {
    IS_TAKEN.store(true, Ordering::Relaxed);
    if let Some(uart) = UART.get() {
        for byte in text {
            if *byte == b'\n' {
                uart.send(b'\r');
            }
            uart.send(*byte);
        }
    }
}
