//! The console: the machine's UART between a person, Bulkhead's log, the monitor and the partitions.
//!
//! Locks: a partition's lock is taken before the console's, never after it.

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

pub use input::{answer_kick, attach, interrupt};
pub use port::Port;

/// The physical console.
pub struct PhysicalConsole {
    shared: Mutex<SharedState>,
    /// The partitions' ends of the console, once they are known.
    ports: SetOnce<Vec<Port>>,
    /// The monitor, if the description asks for it.
    monitor: SetOnce<&'static dyn ConsoleMonitor>,
    /// Whether the monitor has output for which the console had no room.
    monitor_waits: AtomicBool,
    /// The interrupt controller, for kicking CPUs whose output or input can move on.
    gic: SetOnce<&'static Gic>,
    /// The index of the CPU that handles the UART's interrupts.
    cpu: AtomicUsize,
}

/// A static, because the `log` crate's logger takes no arguments.
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

/// The monitor as the console drives it. The console knows no more of it than this, because its code
/// is unmapped unless the description asks for it.
pub trait ConsoleMonitor: Sync {
    /// Greets a person who turns to the monitor.
    fn open(&self);

    /// Takes a byte that was typed. Bytes typed too far ahead are dropped.
    fn input(&self, byte: u8);

    /// Carries out what was typed, and writes what the console has room for. Returns whether it wrote
    /// anything. Called with no lock held.
    fn run(&self) -> bool;
}

/// The state of the console that its lock guards.
pub struct SharedState {
    /// The UART, if the machine has one with a driver.
    pub uart: Option<AnyUart>,
    /// The output of all sources, once the partitions are known.
    pub lines: Option<Console>,
    /// The input, once there are partitions to read it.
    pub input: Option<Input>,
    /// The last lines of Bulkhead's own log.
    pub log: Log,
    /// Whether guests run: from then on nothing waits for the UART.
    pub is_live: bool,
    /// Whether output has left a buffer since waiting writers were last kicked.
    pub has_moved: bool,
    /// Whether the UART had no room for the next byte.
    pub is_blocked: bool,
    /// Whether boot's log is inside a line.
    pub is_inside_line: bool,
}

/// Takes the console's lock. One copy for all callers.
#[inline(never)]
pub fn shared() -> MutexGuard<'static, SharedState> {
    CONSOLE.shared.lock()
}

/// Returns the partitions' ports, once boot has made them.
fn ports() -> &'static [Port] {
    CONSOLE.ports.get().map_or(&[], Vec::as_slice)
}

/// Keeps the partitions' ports, in the order of the Plan.
pub fn set_ports(ports: Vec<Port>) -> &'static [Port] {
    CONSOLE.ports.set(ports)
}

/// Gives the console the monitor.
pub fn set_monitor(monitor: &'static dyn ConsoleMonitor) {
    CONSOLE.monitor.set(monitor);
}

/// From now on output waits in the buffers, and the UART's interrupts, which `cpu` handles, move it.
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
    /// Sends the output that is due, as far as the UART has room; all of it before guests run.
    /// Without a UART it is discarded.
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

    /// Unmasks those interrupts of the UART that there is a use for.
    fn choose_interrupts(&mut self) {
        if let Some(uart) = self.uart {
            let receive = self.is_live && self.input.as_ref().is_some_and(Input::has_room);
            uart.set_interrupts(receive, self.is_blocked);
        }
    }

    /// Queues text of Bulkhead's own.
    #[inline(never)]
    fn log(&mut self, text: &[u8]) {
        self.log.add(text);
        let now = timer::now();
        for byte in text {
            // If the UART is so slow that the buffer is full, waits for it: no line is lost.
            while let Some(lines) = &mut self.lines
                && lines.put(Source::BULKHEAD, *byte, now).is_err()
            {
                self.pump(timer::now());
            }
        }
    }

    /// Returns when EL2's timer has to move output or input on.
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

/// Queues a byte of the monitor's.
///
/// # Errors
///
/// If its buffer is full. The monitor runs again when there is room.
pub fn put_monitor(byte: u8) -> Result<(), Full> {
    let mut shared = shared();
    let Some(lines) = &mut shared.lines else { return Ok(()) };
    let put = lines.put(Source::MONITOR, byte, timer::now());
    CONSOLE.monitor_waits.store(put.is_err(), Ordering::Release);
    put
}

/// Reads Bulkhead's log from a position on: see [`Log::read`].
pub fn read_log(position: u64, into: &mut [u8]) -> Option<(usize, u64)> {
    shared().log.read(position, into)
}

/// Sends output that is due: after new output, for the UART's interrupt, and at a deadline.
pub fn pump() {
    pump_after(None);
}

/// Notes that a source has output, and sends what is due.
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

/// Sets this CPU's timer for the next deadline, and kicks the CPUs whose output waited for room.
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

/// Prints a line of Bulkhead's own while guests run. During boot the `log` crate's macros do.
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
    // In the focused view the line may have to wait.
    after_pump(shared);
}

/// Waits until all output has been sent.
pub fn flush() {
    let mut shared = shared();
    let Some(uart) = shared.uart else { return };
    while let Some(lines) = &mut shared.lines
        && let Some(byte) = lines.next(u64::MAX)
    {
        uart.send_blocking(byte);
    }
    uart.flush();
}
