//! The monitor: its terminals at the UART and at the PL011 of each partition with `monitor;`, and
//! the commands that it carries out.
//!
//! Once guests run, calls into this file are made only through [`console::ConsoleMonitor`],
//! [`Supervisor`] and [`MonitorDevice`], so that it can be unmapped if the description has no
//! `monitor;`.
//!
//! The lock of the terminal at the UART is taken on one CPU, that of a partition's terminal on the
//! partition's CPUs, and under these no other lock is taken: what the monitor shows of partitions
//! is published by their CPUs, which also carry out its orders.

use bulkhead::arch::intid::Intid;
use bulkhead::arch::mpidr::Mpidr;
use bulkhead::boot::plan::PartitionPlan;
use bulkhead::devices::pl011::Pl011;
use bulkhead::devices::{self, Device, Env, Offset};
use bulkhead::operator::console::Buffer;
use bulkhead::operator::monitor::{Peer, PortStatus, Status, System, Terminal};
use bulkhead::operator::snapshot::Snapshot;
use bulkhead::partition::lifecycle::{Effect, Order, Refusal, Stage};
use bulkhead::trap::stats::Counts;
use bulkhead::util::ring::{Full, Ring};
use bulkhead::vgic::{CpuMask, Delivery};

use core::sync::atomic::Ordering;

use super::arch::sync::{Mutex, SetOnce};
use super::console;
use super::cpu::{ORDER, timer};
use super::drivers::power;
use super::partition::{LinkReports, MonitorDevice, Partition, PartitionState, Supervisor};
use super::vcpu::resident;

/// The number of bytes that the monitor writes to a guest for one access: the size of the FIFO.
const BYTES_AT_ONCE: usize = 32;
/// The number of steps of the monitor for one access. A few, because most only take a typed byte.
const STEPS_AT_ONCE: usize = 4;

/// The monitor at the UART.
pub struct Monitor {
    terminal: Mutex<Terminal>,
    /// The partitions that it shows and controls, once they are built.
    partitions: SetOnce<&'static [Partition]>,
    /// The links that it shows, if there are any.
    links: SetOnce<&'static dyn LinkReports>,
    /// The physical counter's value when it was made.
    started: u64,
}

impl Monitor {
    /// Returns a monitor of this number of partitions.
    #[inline(always)]
    pub fn new(partitions: usize) -> Self {
        let terminal = Mutex::new(Terminal::new(Peer::Person, partitions));
        let (partitions, links) = (SetOnce::new(), SetOnce::new());
        Self { terminal, partitions, links, started: timer::now() }
    }

    /// Sets the partitions, before the first guest starts.
    pub fn set_partitions(&self, partitions: &'static [Partition]) {
        self.partitions.set(partitions);
    }

    /// Sets the links, before the first guest starts.
    pub fn set_links(&self, links: &'static dyn LinkReports) {
        self.links.set(links);
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

    fn step(&self, output: &Buffer) -> bool {
        let mut partitions = Partitions { monitor: self, at_uart: true };
        let mut terminal = self.terminal.lock();
        terminal.advance(&mut partitions, &mut |bytes| {
            if output.push_all(bytes, timer::now()) { bytes.len() } else { 0 }
        })
    }
}

impl Supervisor for Monitor {
    fn publish(&self, partition: &Partition, state: &PartitionState) {
        partition.published.publish(Snapshot::new(&state.life, state.last_fault).to_words());
    }

    fn carry_out_order(&self, partition: &Partition) {
        let Some(order) = partition.orders.pending() else { return };
        carry_out(partition, order);
        if !partition.orders.remove(order) {
            request_order(partition);
        }
    }
}

/// Requests that a partition's CPUs carry out the order in its slot.
fn request_order(partition: &Partition) {
    partition.seats[0].wake.request(ORDER);
    partition.kick(CpuMask::one(0));
}

/// Carries out an order, at once or as soon as the partition has stopped. If the partition's stage
/// has changed since the order was placed, it may have no effect.
fn carry_out(partition: &Partition, order: Order) {
    let mut state = partition.state.lock();
    let (had_stopped, had_crashed) = (state.has_stopped, state.life.stage() == Stage::Crashed);
    let effect = state.life.order(order);
    partition.publish(&state);
    match effect {
        Err(_) | Ok(Effect::Later) => {}
        Ok(Effect::Leave) => partition.request_leave(state),
        Ok(Effect::Build) => {
            state.has_stopped = false;
            drop(state);
            partition.totals.revive(had_stopped, had_crashed);
            partition.request_rebuild();
        }
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
    /// The number of steps that it may still do.
    steps: usize,
    /// Bytes that the monitor has written and the PL011 has not taken.
    written: Ring<BYTES_AT_ONCE>,
}

impl MonitorUart {
    /// Returns a PL011 with this INTID, connected to the monitor of this number of partitions.
    #[inline(always)]
    pub fn new(monitor: &'static Monitor, partitions: usize, intid: Intid) -> Self {
        let terminal = Terminal::new(Peer::Program, partitions);
        let connection =
            MonitorConnection { monitor, terminal, remaining: 0, steps: 0, written: Ring::EMPTY };
        Self { intid, device: Mutex::new((Pl011::default(), connection)) }
    }
}

impl MonitorUart {
    /// Calls `operation` with the PL011 and its connection, and then `notify` if the level of its
    /// interrupt line has changed.
    fn with_device(
        &self,
        notify: &mut dyn FnMut(Intid, bool),
        operation: &mut dyn FnMut(&mut dyn Device, &mut Env<'_>),
    ) {
        let (uart, connection) = &mut *self.device.lock();
        (connection.remaining, connection.steps) = (BYTES_AT_ONCE, STEPS_AT_ONCE);
        operation(uart, &mut Env { now: 0, peer: connection });
        if let Some(line) = uart.changed_line() {
            notify(self.intid, line);
        }
    }
}

impl MonitorDevice for MonitorUart {
    fn access(&self, offset: u64, stored: Option<u64>, notify: &mut dyn FnMut(Intid, bool)) -> u64 {
        let mut loaded = 0;
        self.with_device(notify, &mut |uart, env| match stored {
            Some(value) => uart.write(Offset::new(offset), value, env),
            None => loaded = uart.read(Offset::new(offset), env),
        });
        loaded
    }

    fn poll(&self, notify: &mut dyn FnMut(Intid, bool)) {
        self.with_device(notify, &mut |uart, env| uart.poll(env));
    }

    fn has_work(&self) -> bool {
        // Unless all steps were used up, the monitor waits for input or for room in the FIFO.
        let (_, connection) = &*self.device.lock();
        connection.steps == 0 && connection.written.is_empty() && connection.terminal.has_work()
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
        let Self { monitor, terminal, remaining, steps, written } = self;
        while written.is_empty() && *remaining > 0 && *steps > 0 {
            *steps -= 1;
            let mut partitions = Partitions { monitor, at_uart: false };
            let has_more = terminal.advance(&mut partitions, &mut |bytes| {
                let count = bytes.len().min(*remaining).min(BYTES_AT_ONCE);
                written.extend(&bytes[..count]);
                *remaining -= count;
                count
            });
            if !has_more {
                break;
            }
        }
        written.pop()
    }
}

/// Returns what a partition's CPUs have published. If they publish all the time, as a guest can
/// make them by one fault after another, it may be a mixture of two.
// One copy for all callers.
#[inline(never)]
fn snapshot(partition: &Partition) -> Snapshot {
    Snapshot::from_words(partition.published.read())
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
        let Snapshot { stage, restarts, last_end, last_fault } = snapshot(partition);
        let stage = partition.orders.stage(stage);
        let runs = matches!(stage, Stage::Running | Stage::Stopping);
        let uptime = runs.then(|| timer::milliseconds_since(partition.started()));
        let dma_faults = partition.dma_faults.load(Ordering::Relaxed);
        Status { stage, restarts, uptime, last_end, last_fault, dma_faults }
    }

    fn counts(&self, partition: usize) -> Counts {
        let partition = self.get(partition);
        let mut counts = Counts::default();
        for cpu in &partition.plan.cpus {
            let resident = &resident::all()[*cpu];
            counts.add_copied(&resident.cpu.copied);
            let vcpus = resident.vcpus().iter();
            vcpus
                .filter(|vcpu| core::ptr::eq(vcpu.partition, partition))
                .for_each(|vcpu| counts.add(&vcpu.counters));
        }
        counts
    }

    fn has_links(&self) -> bool {
        self.monitor.links.get().is_some()
    }

    fn port(&self, link: usize, port: usize) -> Option<PortStatus<'_>> {
        self.monitor.links.get()?.port(link, port)
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
        let partition = self.get(partition);
        let stage = snapshot(partition).stage;
        if let Some(refusal) = order.refused_in(partition.orders.stage(stage)) {
            return Err(refusal);
        }
        partition.orders.place(order);
        request_order(partition);
        if partition.plan.delivery == Delivery::Direct && stage == Stage::Running {
            // The guest may have made its CPU deaf to the kick. If the order does not end it,
            // `Vcpu::resume_after_cut` restores stage 2.
            partition.stage2.cut();
        }
        Ok(())
    }

    fn attach(&mut self, partition: usize) -> Result<(), &'static str> {
        if !self.at_uart {
            return Err("attach works only at the machine's own UART");
        }
        console::attach(partition);
        Ok(())
    }

    fn power_off(&mut self) {
        let line = format_args!("the machine powers off at the monitor's order");
        console::queue_line(line, None);
        console::flush();
        power::exit(power::ExitStatus::Success)
    }
}
