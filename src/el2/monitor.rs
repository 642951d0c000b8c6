//! The monitor at the UART, and at a second UART of each partition that may have it.
//!
//! Locks: a terminal's is taken before a partition's state and before the console's.

use bulkhead::arch::intid::Intid;
use bulkhead::arch::mpidr::Mpidr;
use bulkhead::boot::plan::PartitionPlan;
use bulkhead::devices::pl011::Pl011;
use bulkhead::operator::monitor::{Log, Peer, Status, System, Terminal};
use bulkhead::partition::lifecycle::{Order, Refusal, Stage};
use bulkhead::trap::stats::Counts;
use bulkhead::util::ring::Full;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::arch::sync::{Mutex, MutexGuard};
use super::cpu::{self, timer};
use super::drivers::power;
use super::vcpu::Vcpu;
use super::{console, partition};

/// The terminal at the UART. Only the CPU that takes the UART's interrupts has to do with it.
static AT_UART: Mutex<Option<Terminal>> = Mutex::new(None);

/// Takes the lock: one piece of code for all who do.
#[inline(never)]
fn at_uart() -> MutexGuard<'static, Option<Terminal>> {
    AT_UART.lock()
}

/// Whether that terminal has something to show that the console had no room for.
static WAITS: AtomicBool = AtomicBool::new(false);

/// The last lines of the log. This lock is the last to be taken.
static LOG: Mutex<Log> = Mutex::new(Log::EMPTY);

/// The counter when the partitions were made.
static STARTED: AtomicU64 = AtomicU64::new(0);

/// How many bytes a guest can have the monitor write for one access: what its FIFO holds.
const BYTES_AT_ONCE: usize = 32;

/// Makes the terminal at the UART, for this many partitions.
pub fn init(partitions: usize) {
    STARTED.store(timer::now(), Ordering::Relaxed);
    *at_uart() = Some(Terminal::new(Peer::Person, partitions));
}

/// Keeps text of Bulkhead's own log.
pub fn keep(text: &[u8]) {
    LOG.lock().add(text);
}

/// Somebody at the UART turns to the monitor.
pub fn open() {
    if let Some(terminal) = &mut *at_uart() {
        terminal.open();
    }
}

/// Somebody at the UART typed something for the monitor. What is typed too far ahead is dropped, as
/// at any terminal.
pub fn input(byte: u8) {
    if let Some(terminal) = &mut *at_uart() {
        _ = terminal.input(byte);
    }
}

/// Does what was typed at the UART, and hands the answer to the console, as far as that has room.
/// Whether there was something. Nothing may be locked.
pub fn run() -> bool {
    let mut moved = false;
    if let Some(terminal) = &mut *at_uart() {
        WAITS.store(false, Ordering::Release);
        terminal.run(&mut Partitions { at_uart: true }, &mut |byte| {
            let put = console::put_monitor(byte);
            moved |= put.is_ok();
            WAITS.store(put.is_err(), Ordering::Release);
            put
        });
    }
    moved
}

/// Whether [`run`] has something to do once the console has room.
pub fn waits() -> bool {
    WAITS.load(Ordering::Acquire)
}

/// The monitor as a partition has it: a UART with the monitor at its other end.
pub struct Port {
    uart: Pl011,
    /// Its interrupt.
    intid: Intid,
    terminal: Terminal,
}

impl Port {
    /// The second UART, with this interrupt, of one of this many partitions.
    pub fn new(partitions: usize, intid: Intid) -> Self {
        let terminal = Terminal::new(Peer::Program, partitions);
        Self { uart: Pl011::default(), intid, terminal }
    }

    /// Makes it as new.
    pub fn reset(&mut self) {
        self.terminal.reset();
        self.uart = Pl011::default();
    }

    /// Has the monitor read what the guest has written, and the guest get what it is answered.
    fn talk(&mut self) {
        let Self { uart, terminal, .. } = self;
        let mut left = BYTES_AT_ONCE;
        let mut moved = true;
        while moved {
            moved = false;
            uart.transmit(&mut |byte| terminal.input(byte).inspect(|()| moved = true));
            terminal.run(&mut Partitions { at_uart: false }, &mut |byte| {
                left = left.checked_sub(1).ok_or(Full)?;
                uart.receive(byte)
            });
        }
    }
}

impl Vcpu {
    /// An access to the UART with the monitor: a store of a value, or a load.
    #[inline(never)]
    pub fn monitor_access(&self, offset: u64, stored: Option<u64>) -> u64 {
        let Some(port) = &self.partition.monitor else { return 0 };
        let mut port = port.lock();
        let loaded = port.uart.access(offset, stored);
        port.talk();
        if let Some(line) = port.uart.changed_line() {
            self.update_vgic(|vgic, hw| vgic.set_line(port.intid, line, hw));
        }
        loaded
    }
}

/// The partitions as the monitor sees and steers them.
struct Partitions {
    at_uart: bool,
}

impl System for Partitions {
    fn partitions(&self) -> usize {
        partition::all().len()
    }

    fn plan(&self, partition: usize) -> &PartitionPlan {
        &partition::all()[partition].plan
    }

    fn status(&self, partition: usize) -> Status {
        let partition = &partition::all()[partition];
        let state = partition.state.lock();
        let stage = state.life.stage();
        let runs = matches!(stage, Stage::Running | Stage::Stopping);
        Status {
            stage,
            restarts: state.life.restarts(),
            uptime: runs.then(|| timer::milliseconds_since(partition.started())),
            last_end: state.life.last_end(),
            last_fault: state.last_fault,
        }
    }

    fn counts(&self, partition: usize) -> Counts {
        let mut counts = Counts::default();
        for cpu in &partition::all()[partition].plan.cpus {
            if let Some(vcpu) = cpu::get(*cpu).vcpu() {
                counts.add(&vcpu.counters);
            }
        }
        counts
    }

    fn affinity(&self, cpu: usize) -> Mpidr {
        cpu::get(cpu).mpidr()
    }

    fn milliseconds(&self) -> u64 {
        timer::milliseconds_since(STARTED.load(Ordering::Relaxed))
    }

    fn read_log(&self, position: u64, into: &mut [u8]) -> Option<(usize, u64)> {
        LOG.lock().read(position, into)
    }

    fn order(&mut self, partition: usize, order: Order) -> Result<(), Refusal> {
        partition::all()[partition].order(order)
    }

    fn attach(&mut self, partition: usize) -> Result<(), &'static str> {
        if !self.at_uart {
            return Err("attach is for who is at the machine's own UART");
        }
        console::attach(partition);
        Ok(())
    }

    fn power_off(&mut self) {
        console::say!("the machine powers off at the monitor's order");
        console::flush();
        power::exit(power::Status::Success)
    }
}
