//! The monitor: its terminals at the UART and at the PL011 of each partition with `monitor;`, and
//! the commands that it carries out.
//!
//! Once guests run, calls into this file are made only through [`console::ConsoleMonitor`] and
//! [`MonitorDevice`], so that it can be unmapped if the description has no `monitor;`. Lock order:
//! a terminal's lock is taken before any partition's and before the console's.

use bulkhead::arch::intid::Intid;
use bulkhead::arch::mpidr::Mpidr;
use bulkhead::boot::plan::PartitionPlan;
use bulkhead::devices::pl011::Pl011;
use bulkhead::devices::{self, Device, Env, Offset};
use bulkhead::operator::monitor::{Peer, Status, System, Terminal};
use bulkhead::partition::lifecycle::{Order, Refusal, Stage};
use bulkhead::trap::stats::Counts;
use bulkhead::util::ring::{Full, Ring};

use super::arch::sync::{Mutex, SetOnce};
use super::console;
use super::cpu::timer;
use super::drivers::power;
use super::partition::{MonitorDevice, Partition};
use super::vcpu::resident;

/// The number of bytes that the monitor writes to a guest for one access: the size of the FIFO.
const BYTES_AT_ONCE: usize = 32;

/// The monitor at the UART.
pub struct Monitor {
    terminal: Mutex<Terminal>,
    /// The partitions that it shows and controls, once they are built.
    partitions: SetOnce<&'static [Partition]>,
    /// The physical counter's value when it was made.
    started: u64,
}

impl Monitor {
    /// Returns a monitor of this number of partitions.
    #[inline(always)]
    pub fn new(partitions: usize) -> Self {
        let terminal = Mutex::new(Terminal::new(Peer::Person, partitions));
        Self { terminal, partitions: SetOnce::new(), started: timer::now() }
    }

    /// Sets the partitions, before the first guest starts.
    pub fn set_partitions(&self, partitions: &'static [Partition]) {
        self.partitions.set(partitions);
    }
}

impl console::ConsoleMonitor for Monitor {
    fn open(&self) {
        self.terminal.lock().open();
    }

    fn input(&self, byte: u8) {
        // Bytes for which the input buffer has no room are dropped.
        _ = self.terminal.lock().input(byte);
    }

    fn run(&self) -> bool {
        let mut has_moved = false;
        let mut partitions = Partitions { monitor: self, at_uart: true };
        self.terminal.lock().run(&mut partitions, &mut |byte| {
            let put = console::put_monitor(byte);
            has_moved |= put.is_ok();
            put
        });
        has_moved
    }
}

/// A partition's PL011 that is connected to the monitor.
pub struct MonitorUart {
    /// The INTID of the PL011.
    intid: Intid,
    /// The PL011 and its connection to the monitor.
    device: Mutex<(Pl011, MonitorConnection)>,
}

/// The connection of a partition's PL011 to the monitor.
struct MonitorConnection {
    monitor: &'static Monitor,
    terminal: Terminal,
    /// The number of bytes that the monitor may still write for this access.
    remaining: usize,
    /// Bytes that the monitor has written and the PL011 has not taken.
    written: Ring<BYTES_AT_ONCE>,
}

impl MonitorUart {
    /// Returns a PL011 with this INTID, connected to the monitor of this number of partitions.
    #[inline(always)]
    pub fn new(monitor: &'static Monitor, partitions: usize, intid: Intid) -> Self {
        let terminal = Terminal::new(Peer::Program, partitions);
        let connection =
            MonitorConnection { monitor, terminal, remaining: 0, written: Ring::EMPTY };
        Self { intid, device: Mutex::new((Pl011::default(), connection)) }
    }
}

impl MonitorDevice for MonitorUart {
    fn access(&self, offset: u64, stored: Option<u64>, notify: &mut dyn FnMut(Intid, bool)) -> u64 {
        let (uart, connection) = &mut *self.device.lock();
        connection.remaining = BYTES_AT_ONCE;
        let mut loaded = 0;
        let mut env = Env { now: 0, peer: connection };
        match stored {
            Some(value) => Device::write(uart, Offset::new(offset), value, &mut env),
            None => loaded = Device::read(uart, Offset::new(offset), &mut env),
        }
        if let Some(line) = uart.changed_line() {
            notify(self.intid, line);
        }
        loaded
    }

    fn reset(&self) {
        let (uart, connection) = &mut *self.device.lock();
        Device::reset(uart);
        connection.terminal.reset();
        connection.written = Ring::EMPTY;
    }
}

impl devices::Peer for MonitorConnection {
    fn put(&mut self, byte: u8) -> Result<(), Full> {
        self.terminal.input(byte)
    }

    fn take(&mut self) -> Option<u8> {
        if self.written.is_empty() {
            let Self { monitor, terminal, remaining, written } = self;
            terminal.run(&mut Partitions { monitor, at_uart: false }, &mut |byte| {
                let left = remaining.checked_sub(1).ok_or(Full)?;
                written.push(byte)?;
                *remaining = left;
                Ok(())
            });
        }
        self.written.pop()
    }
}

/// The system as a terminal of the monitor sees and controls it.
struct Partitions<'a> {
    monitor: &'a Monitor,
    /// Whether the terminal is the one at the UART.
    at_uart: bool,
}

impl Partitions<'_> {
    fn get(&self, partition: usize) -> &'static Partition {
        &self.monitor.partitions[partition]
    }
}

impl System for Partitions<'_> {
    fn partitions(&self) -> usize {
        self.monitor.partitions.len()
    }

    fn plan(&self, partition: usize) -> &PartitionPlan {
        &self.get(partition).plan
    }

    fn status(&self, partition: usize) -> Status {
        let partition = self.get(partition);
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
        let partition = self.get(partition);
        let mut counts = Counts::default();
        for cpu in &partition.plan.cpus {
            let vcpus = resident::all()[*cpu].vcpus().iter();
            vcpus
                .filter(|vcpu| core::ptr::eq(vcpu.partition, partition))
                .for_each(|vcpu| counts.add(&vcpu.counters));
        }
        counts
    }

    fn affinity(&self, cpu: usize) -> Mpidr {
        resident::all()[cpu].cpu.mpidr()
    }

    fn milliseconds(&self) -> u64 {
        timer::milliseconds_since(self.monitor.started)
    }

    fn read_log(&self, position: u64, into: &mut [u8]) -> Option<(usize, u64)> {
        console::read_log(position, into)
    }

    fn order(&mut self, partition: usize, order: Order) -> Result<(), Refusal> {
        self.get(partition).order(order)
    }

    fn attach(&mut self, partition: usize) -> Result<(), &'static str> {
        if !self.at_uart {
            return Err("attach works only at the machine's own UART");
        }
        console::attach(partition);
        Ok(())
    }

    fn power_off(&mut self) {
        console::say!("the machine powers off at the monitor's order");
        console::flush();
        power::exit(power::ExitStatus::Success)
    }
}
