//! The console: connects the machine's UART with Bulkhead's log, the monitor and the partitions.
//!
//! Lock order: a partition's lock is taken before the console's, never after it.

mod input;
mod port;

use alloc::vec::Vec;
use bulkhead::operator::console::input::Input;
use bulkhead::operator::console::{Console, Log, Source};
use bulkhead::util::deadlines::User;
use bulkhead::util::format::{Sink, format};
use bulkhead::util::ring::Full;
use core::fmt;
use core::mem::take;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::arch::sync::{Mutex, MutexGuard, SetOnce};
use super::cpu::timer;
use super::drivers::gic::Gic;
use super::drivers::uart::{AnyUart, Uart, emergency};

pub use input::{attach, handle_kick, interrupt};
pub use port::Port;

/// The console and what it is connected with.
pub struct PhysicalConsole {
    /// The state that all CPUs change.
    shared: Mutex<SharedState>,
    /// The partitions' ports, once boot has made them.
    ports: SetOnce<Vec<Port>>,
    /// The monitor, if the description asks for it.
    monitor: SetOnce<&'static dyn ConsoleMonitor>,
    /// Whether the monitor has output for which its buffer had no room.
    monitor_waits: AtomicBool,
    /// The interrupt controller, to kick CPUs whose output has room or whose input has arrived.
    gic: SetOnce<&'static Gic>,
    /// The index of the CPU that handles the UART's interrupts.
    cpu: AtomicUsize,
}

/// A static, because the `log` crate requires a `&'static` logger, which writes to the console.
static CONSOLE: PhysicalConsole = PhysicalConsole {
    shared: Mutex::new(SharedState {
        uart: None,
        lines: None,
        input: None,
        log: Log::EMPTY,
        is_live: false,
        has_moved: false,
        is_blocked: false,
        is_inside_line: false,
    }),
    ports: SetOnce::new(),
    monitor: SetOnce::new(),
    monitor_waits: AtomicBool::new(false),
    gic: SetOnce::new(),
    cpu: AtomicUsize::new(0),
};

/// The monitor as the console uses it. A trait object, because the monitor's code is unmapped
/// unless the description has `monitor;`.
pub trait ConsoleMonitor: Sync {
    /// Prints the monitor's greeting and prompt, when the view changes to the monitor.
    fn open(&self);

    /// Takes a byte of input. The byte is dropped if the monitor's input buffer is full.
    fn input(&self, byte: u8);

    /// Carries out the commands that were typed, and writes output while the console has room.
    /// Returns whether it wrote any. The caller must hold no lock.
    fn run(&self) -> bool;
}

/// The state of the console that its lock guards.
pub struct SharedState {
    /// The UART, if the machine has one with a driver.
    pub uart: Option<AnyUart>,
    /// The output of all sources, once the partitions are known.
    pub lines: Option<Console>,
    /// The input, once the partitions are known.
    pub input: Option<Input>,
    /// The most recent lines of Bulkhead's own log.
    pub log: Log,
    /// Whether guests run. If so, no CPU waits for the UART: output waits in the buffers.
    pub is_live: bool,
    /// Whether output has left a buffer since CPUs with waiting output were last kicked.
    pub has_moved: bool,
    /// Whether the UART had no room for the next byte.
    pub is_blocked: bool,
    /// Whether the last byte of the log of boot did not end a line.
    pub is_inside_line: bool,
}

/// Takes the console's lock.
// One copy for all callers.
#[inline(never)]
pub fn shared() -> MutexGuard<'static, SharedState> {
    CONSOLE.shared.lock()
}

/// Returns the partitions' ports; none before boot has made them.
fn ports() -> &'static [Port] {
    CONSOLE.ports.get().map_or(&[], Vec::as_slice)
}

/// Sets the partitions' ports, in the order of the Plan.
pub fn set_ports(ports: Vec<Port>) -> &'static [Port] {
    CONSOLE.ports.set(ports)
}

/// Sets the monitor.
pub fn set_monitor(monitor: &'static dyn ConsoleMonitor) {
    CONSOLE.monitor.set(monitor);
}

/// Changes to the operation while guests run: output waits in the buffers, and the UART's
/// interrupts, which the CPU with index `cpu` handles, move it.
pub fn go_live(gic: &'static Gic, cpu: usize) {
    CONSOLE.gic.set(gic);
    CONSOLE.cpu.store(cpu, Ordering::Relaxed);
    let mut shared = shared();
    shared.is_live = true;
    shared.choose_interrupts();
    drop(shared);
    pump();
}

impl SharedState {
    /// Sends output that is due while the UART has room, and before guests run all of it. Without a
    /// UART it is discarded.
    fn pump(&mut self, now: u64) {
        let (uart, Some(lines)) = (self.uart, &mut self.lines) else { return };
        if !lines.is_due(now) {
            return;
        }
        self.is_blocked = false;
        while !emergency::is_taken() {
            if uart.is_some_and(|uart| !uart.can_send()) {
                self.is_blocked = self.is_live;
                if self.is_blocked {
                    break;
                }
                continue;
            }
            let Some(byte) = lines.next(now) else { break };
            if let Some(uart) = uart {
                uart.send(byte);
            }
            self.has_moved = true;
        }
        self.choose_interrupts();
    }

    /// Unmasks the UART's receive interrupt if there is room for input, and its transmit interrupt
    /// if output waits for room.
    fn choose_interrupts(&mut self) {
        if let Some(uart) = self.uart {
            let receive = self.is_live && self.input.as_ref().is_some_and(Input::has_room);
            uart.set_interrupts(receive, self.is_blocked);
        }
    }

    /// Queues text of Bulkhead's own log.
    #[inline(never)]
    fn log(&mut self, text: &[u8]) {
        self.log.add(text);
        let now = timer::now();
        for byte in text {
            // If the buffer is full, sends until there is room, so that no line is lost.
            while let Some(lines) = &mut self.lines
                && lines.put(Source::BULKHEAD, *byte, now).is_err()
            {
                self.pump(timer::now());
            }
        }
    }

    /// Returns the time at which output or input is due, as a counter value.
    fn deadline(&self) -> Option<u64> {
        let output = self.lines.as_ref().and_then(Console::deadline);
        let input = self.input.as_ref().and_then(Input::deadline);
        match (output, input) {
            (Some(output), Some(input)) => Some(output.min(input)),
            _ => output.or(input),
        }
    }
}

impl Sink for SharedState {
    fn put(&mut self, text: &[u8]) {
        self.log(text);
    }
}

/// Queues a byte of the monitor's output.
///
/// # Errors
///
/// [`Full`] if the monitor's buffer is full. The monitor runs again when there is room.
pub fn put_monitor(byte: u8) -> Result<(), Full> {
    let mut shared = shared();
    let Some(lines) = &mut shared.lines else { return Ok(()) };
    let put = lines.put(Source::MONITOR, byte, timer::now());
    CONSOLE.monitor_waits.store(put.is_err(), Ordering::Release);
    put
}

/// Reads Bulkhead's log from a position: see [`Log::read`].
pub fn read_log(position: u64, into: &mut [u8]) -> Option<(usize, u64)> {
    shared().log.read(position, into)
}

/// Sends output that is due. Called after new output, for the UART's interrupt, and at a deadline.
pub fn pump() {
    pump_after(None);
}

/// Notes that `writer` has output, if given, and sends output that is due.
fn pump_after(writer: Option<Source>) {
    let mut shared = shared();
    let now = timer::now();
    if let (Some(lines), Some(writer)) = (&mut shared.lines, writer) {
        lines.note(writer);
    }
    shared.tick_input(now);
    shared.pump(now);
    after_pump(shared);
}

/// Sets this CPU's timer to the next deadline, and kicks the CPUs whose output waits for room.
fn after_pump(mut shared: MutexGuard<'_, SharedState>) {
    if shared.is_live {
        timer::set_deadline(User::Console, shared.deadline());
    }
    let has_room = take(&mut shared.has_moved);
    drop(shared);
    if !has_room {
        return;
    }
    let Some(gic) = CONSOLE.gic.get() else { return };
    ports().iter().filter(|port| port.output_waits()).for_each(|port| gic.kick(port.cpu()));
    if CONSOLE.monitor_waits.load(Ordering::Acquire) {
        gic.kick(CONSOLE.cpu.load(Ordering::Relaxed));
    }
}

/// Prints a line of Bulkhead's own while guests run. Boot uses the `log` crate's macros instead.
macro_rules! say {
    ($($argument:tt)*) => {
        $crate::el2::console::print_line(format_args!($($argument)*))
    };
}
pub(super) use say;

/// Prints a line of Bulkhead's own while guests run.
pub fn print_line(line: fmt::Arguments<'_>) {
    let mut shared = shared();
    format(line, &mut *shared);
    shared.log(b"\n");
    shared.pump(timer::now());
    // In a focused view the line may have to wait, so the timer is set.
    after_pump(shared);
}

/// Waits until all output has been sent.
pub fn flush() {
    let mut shared = shared();
    let Some(uart) = shared.uart else { return };
    while let Some(lines) = &mut shared.lines
        && let Some(byte) = lines.next(u64::MAX)
    {
        uart.send_all(&[byte]);
    }
    uart.flush();
}
