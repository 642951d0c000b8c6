//! The console: connects the machine's UART with Bulkhead's log, the monitor and the partitions.
//!
//! Its work has a place ([`Place`]): the CPU that the Plan names for it, or else the CPUs whose
//! output it is. It is done in pieces of a bounded size (`pieces`), and no CPU waits for its lock
//! once guests run: who finds it held leaves a mark, and the holder looks once more ([`WorkMark`]).

mod flush;
mod input;
mod pieces;
mod port;

use alloc::vec::Vec;
use bulkhead::operator::console::input::{Input, View};
use bulkhead::operator::console::{After, Buffer, Console, Log, OwnLine, OwnLines, Source};
use bulkhead::util::format::format;
use bulkhead::util::work_mark::WorkMark;
use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use super::arch::sync::{Mutex, MutexGuard, SetOnce};
use super::cpu::{self, CONSOLE as CONSOLE_WORK, Cpu};
use super::drivers::gic::Gic;
use super::drivers::uart::MachineUart;

pub use flush::flush;
pub use input::attach;
pub use pieces::{attend, interrupt};
pub use port::Port;

/// The console and what it is connected with.
pub struct PhysicalConsole {
    /// The UART, if the machine has one with a driver.
    uart: SetOnce<MachineUart>,
    /// The state that all CPUs change.
    shared: Mutex<SharedState>,
    /// Whether there may be work for the holder of that lock.
    mark: WorkMark,
    /// Whether there may be new output, for which the holder of that lock must look at all sources.
    has_news: AtomicBool,
    /// The input, which only the CPU that handles the UART's interrupts uses.
    input: Mutex<Option<Input>>,
    /// Whether the UART is not read, because the guest that has the input must read first.
    input_waits: AtomicBool,
    /// Bulkhead's own lines on their way to the console.
    own_lines: OwnLines,
    /// The CPU that has added the last of them.
    own_writer: AtomicUsize,
    /// The most recent lines of Bulkhead's own log.
    log: Log,
    /// The view that was requested and not changed to: see [`View::number`]. 0 if none was.
    view: AtomicU64,
    /// The partitions' ports, once boot has made them.
    ports: SetOnce<Vec<Port>>,
    /// The monitor, if the description asks for it.
    monitor: SetOnce<&'static dyn ConsoleMonitor>,
    /// Whether the monitor has something to do.
    monitor_waits: AtomicBool,
    /// Whether it had the last visit of its CPU, of which every second one is the monitor's.
    monitor_was_last: AtomicBool,
    /// The buffer of the monitor's output.
    monitor_output: SetOnce<&'static Buffer>,
    /// Where the work is done, once guests run.
    place: SetOnce<Place>,
}

/// A static, because the `log` crate requires a `&'static` logger, which writes to the console.
static CONSOLE: PhysicalConsole = PhysicalConsole {
    uart: SetOnce::new(),
    shared: Mutex::new(SharedState { lines: None, asked: None, is_inside_line: false }),
    mark: WorkMark::new(),
    has_news: AtomicBool::new(true),
    input: Mutex::new(None),
    input_waits: AtomicBool::new(false),
    own_lines: OwnLines::new(),
    own_writer: AtomicUsize::new(0),
    log: Log::new(),
    view: AtomicU64::new(0),
    ports: SetOnce::new(),
    monitor: SetOnce::new(),
    monitor_waits: AtomicBool::new(false),
    monitor_was_last: AtomicBool::new(false),
    monitor_output: SetOnce::new(),
    place: SetOnce::new(),
};

/// Where the work of the console and of the monitor is done.
#[derive(Clone, Copy)]
pub struct Place {
    /// The interrupt controller, to kick CPUs.
    pub gic: &'static Gic,
    /// The CPU that handles the UART's interrupts and runs the monitor.
    pub cpu: &'static Cpu,
    /// Whether that CPU also sends all output. Otherwise each partition's CPUs send its own.
    pub sends_all: bool,
    /// Whether the UART raises an interrupt when it has room. If not, that CPU looks again.
    pub has_interrupt: bool,
}

/// The monitor as the console uses it. A trait object, because the monitor's code is unmapped
/// unless the description has `monitor;`.
pub trait ConsoleMonitor: Sync {
    /// Prints the monitor's greeting and prompt, when the view changes to the monitor.
    fn open(&self);

    /// Takes a byte of input. The byte is dropped if the monitor's input buffer is full.
    fn input(&self, byte: u8);

    /// Does a bounded part of the monitor's work, and adds its output to the buffer. Returns
    /// whether there may be more to do at once.
    fn step(&self, output: &Buffer) -> bool;
}

/// The state of the console that its lock guards. Before guests run CPUs wait for the lock.
pub struct SharedState {
    /// The output of all sources, once the partitions are known.
    pub lines: Option<Console>,
    /// The source whose CPU was asked to send, and has not answered, and when that was, as a
    /// counter value.
    asked: Option<(Source, u64)>,
    /// Whether the last byte of the log of boot did not end a line.
    pub is_inside_line: bool,
}

/// Takes the console's lock, before guests run.
pub fn shared() -> MutexGuard<'static, SharedState> {
    CONSOLE.shared.lock()
}

/// Sets the UART.
pub fn set_uart(uart: MachineUart) {
    CONSOLE.uart.set(uart);
}

/// Returns the UART, if there is one.
pub fn uart() -> Option<&'static MachineUart> {
    CONSOLE.uart.get()
}

/// Adds text of boot to the log, on behalf of the holder of the console's lock.
pub fn add_to_log(_: &SharedState, text: &[u8]) {
    CONSOLE.log.add(text);
}

/// Returns the partitions' ports; none before boot has made them.
// One copy for all callers.
#[inline(never)]
fn ports() -> &'static [Port] {
    CONSOLE.ports.get().map_or(&[], Vec::as_slice)
}

/// Sets the input, and the partitions' ports in the order of the Plan.
pub fn set_ports(
    input: Input,
    monitor_output: &'static Buffer,
    ports: Vec<Port>,
) -> &'static [Port] {
    *CONSOLE.input.lock() = Some(input);
    CONSOLE.monitor_output.set(monitor_output);
    CONSOLE.ports.set(ports)
}

/// Sets the monitor.
pub fn set_monitor(monitor: &'static dyn ConsoleMonitor) {
    CONSOLE.monitor.set(monitor);
}

/// Changes to the operation while guests run: output waits in the buffers until its CPU sends it.
pub fn go_live(place: Place) {
    CONSOLE.place.set(place);
    place.summon(place.cpu);
}

impl Place {
    /// Requests that a CPU do the console's work.
    // One copy for all callers.
    #[inline(never)]
    fn summon(&self, cpu: &Cpu) {
        cpu.wake.request(CONSOLE_WORK);
        self.gic.kick(cpu.index());
    }

    /// Returns whether this CPU handles the UART's interrupts and runs the monitor.
    fn is_here(&self) -> bool {
        self.cpu.index() == cpu::current().index()
    }
}

/// Makes the next piece of the console's work look for new output, which was added before.
fn announce() {
    // Release: who finds the flag finds the output.
    CONSOLE.has_news.store(true, Ordering::Release);
}

/// Notifies the console of new output of this CPU's partition or of Bulkhead.
// One copy for all callers.
#[inline(never)]
fn notify() {
    announce();
    let Some(place) = CONSOLE.place.get() else { return };
    if !place.sends_all || place.is_here() {
        attend();
    } else if !CONSOLE.mark.set() {
        place.summon(place.cpu);
    }
}

/// Requests that the view change.
fn request_view(view: View) {
    CONSOLE.view.store(view.number(), Ordering::Release);
}

/// Reads Bulkhead's log from a position: see [`Log::read`].
pub fn read_log(position: u64, into: &mut [u8]) -> Option<(usize, u64)> {
    CONSOLE.log.read(position, into)
}

/// Prints a line of Bulkhead's own while guests run. Boot uses the `log` crate's macros instead.
macro_rules! say {
    ($($argument:tt)*) => {
        $crate::el2::console::print_line(format_args!($($argument)*), None)
    };
}
pub(super) use say;

/// Prints a line of Bulkhead's own while guests run, without waiting: if too many lines wait, it is
/// lost and counted. With a port it follows all earlier output of that partition.
pub fn print_line(line: fmt::Arguments<'_>, after: Option<&Port>) {
    queue_line(line, after.map(Port::earlier_output));
    // To send it is a visit of its own, as the caller has other things to do.
    if let Some(place) = CONSOLE.place.get() {
        place.summon(if place.sends_all { place.cpu } else { cpu::current() });
    }
}

/// Queues a line of Bulkhead's own, on a CPU that attends to the console next.
// One copy for all callers.
#[inline(never)]
pub fn queue_line(line: fmt::Arguments<'_>, after: Option<After>) {
    let mut own_line = OwnLine::EMPTY;
    format(line, &mut own_line);
    queue(&mut own_line, after);
}

/// Queues a line that was not ended.
// One copy for all callers.
#[inline(never)]
fn queue(line: &mut OwnLine, after: Option<After>) {
    line.end();
    CONSOLE.own_lines.push(line, after);
    CONSOLE.own_writer.store(cpu::current().index(), Ordering::Relaxed);
}
