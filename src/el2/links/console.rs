//! A partition's console by virtio, whose other end is its port at Bulkhead's console.
//!
//! Only the partition's own CPUs use it: in the trap of a notification, and on a kick, when the
//! console has room again or input came. Who moves bytes holds the partition's lock, as for its
//! PL011, which writes to the same buffer.

use bulkhead::operator::console::{Notify, Writer};
use bulkhead::util::rate_limit::RateLimit;
use bulkhead::virtio::Fault;
use bulkhead::virtio::memory::Sink;
use bulkhead::virtio::personality::{RECEIVE, TRANSMIT};
use bulkhead::virtio::queue::Queue;
use bulkhead::virtio::registers::{Action, Registers, STATUS};
use bulkhead::virtio::signals::Signals;
use bulkhead::virtio::terminal::{Line, Terminal};
use core::arch::asm;
use core::sync::atomic::AtomicU8;

use super::device::{Console, Device, Visit, continue_later, say_fault};
use super::memory::OpenMemory;
use crate::el2::arch::sync::Mutex;
use crate::el2::console::Port;
use crate::el2::cpu::timer;
use crate::el2::drivers::gic::{Gic, PendingBit};
use crate::el2::mm::fill::PartitionMemory;

/// The device.
pub struct VirtioConsole {
    /// The partition's memory.
    pub memory: PartitionMemory,
    /// The partition's port at the console.
    pub port: &'static Port,
    /// The machine's interrupt controller.
    pub gic: &'static Gic,
    /// The interrupt of the device.
    pub interrupt: PendingBit,
    /// What the device tells its driver.
    pub signals: Signals,
    pub state: Mutex<State>,
    /// The limit of lines about mistakes of the driver.
    pub lines: Mutex<RateLimit>,
}

/// The state of a device.
pub struct State {
    pub registers: Registers,
    pub terminal: Terminal,
    /// A mistake of the driver that has no line yet.
    pub fault: Option<Fault>,
}

/// The partition's port, as bytes of a call pass it.
struct PortLine<'a> {
    port: &'a Port,
    writer: Writer<'a>,
}

impl Sink for PortLine<'_> {
    #[inline(always)]
    fn put(&mut self, byte: u8) {
        self.writer.put(byte);
    }

    #[inline(always)]
    fn put_word(&mut self, word: u64) {
        self.writer.put_word(word, store_word);
    }
}

impl Line for PortLine<'_> {
    #[inline(always)]
    fn room(&self) -> usize {
        self.writer.room()
    }

    #[inline(always)]
    fn has_ended(&self) -> bool {
        self.writer.has_line()
    }

    #[inline(always)]
    fn has_input(&self) -> bool {
        self.port.input_waits()
    }

    #[inline(always)]
    fn take(&mut self) -> Option<u8> {
        self.port.take_input()
    }
}

/// Stores the bytes of a word, the lowest first.
#[inline(always)]
fn store_word(places: &[AtomicU8; 8], word: u64) {
    // SAFETY: the eight consecutive bytes are atomics, so that no reference claims that they do not
    // change; SCTLR_EL2.A is 0, so that the store may be unaligned. Of several bytes that one store
    // writes, each is written in one access (Arm ARM, "Single-copy atomicity").
    unsafe {
        asm!("str {:x}, [{}]", in(reg) word, in(reg) places, options(nostack, preserves_flags));
    }
}

impl Device for &'static VirtioConsole {
    fn access(&self, offset: u64, size: u8, stored: Option<u64>) -> Option<u64> {
        Some(match stored {
            None => self.state.lock().registers.read(offset, size, &self.signals),
            Some(value) => {
                self.store(offset, size, value);
                0
            }
        })
    }

    /// Prints the line about the driver's last mistake, if it has none yet.
    fn poll(&self, _: &mut Visit) {
        let fault = self.state.lock().fault.take();
        if let Some(fault) = fault {
            say_fault(&self.lines, &[self.port.name(), ": its virtio ", "console"], fault);
        }
    }

    fn stop(&self) -> bool {
        self.store(STATUS, 4, 0);
        true
    }
}

impl Console for VirtioConsole {
    fn run(&self, is_due: bool) -> Notify {
        let port = self.port;
        let mut state = self.state.lock();
        let mut line = PortLine { port, writer: port.output().writer() };
        let memory = OpenMemory::open(&self.memory);
        let outcome = state.terminal.run(&*memory, &mut line, is_due);
        drop(memory);
        let notify = line.writer.finish(timer::now());
        let has_room = port.set_virtio_waits(outcome.is_full);
        if outcome.signal && self.signals.report_used() {
            self.interrupt.set();
        }
        if outcome.more || has_room {
            continue_later(self.gic);
        }
        if let Some(fault) = outcome.fault {
            self.fail(&mut state, fault);
        }
        // For the interrupt that is owed, too.
        if outcome.owes_signal { notify.max(Notify::Later) } else { notify }
    }
}

impl VirtioConsole {
    /// Carries out a store.
    #[inline(never)]
    fn store(&self, offset: u64, size: u8, value: u64) {
        let mut state = self.state.lock();
        match state.registers.write(offset, size, value, &self.signals) {
            Action::None => {}
            // What came while the driver handled the last interrupt needs another edge.
            Action::Interrupt => self.interrupt.set(),
            Action::Ready => {
                let State { registers, terminal, .. } = &mut *state;
                match queues(registers, &self.memory).and_then(|it| terminal.attach(Some(it))) {
                    Ok(()) => self.port.give_to_virtio(true),
                    Err(fault) => self.fail(&mut state, fault),
                }
            }
            Action::Reset => {
                _ = state.terminal.attach(None);
                self.port.give_to_virtio(false);
            }
        }
    }

    /// Marks the device as in need of a reset because of a mistake of its driver, whose line this
    /// CPU prints when it holds no lock.
    #[cold]
    #[inline(never)]
    fn fail(&self, state: &mut State, fault: Fault) {
        self.port.give_to_virtio(false);
        if self.signals.report_fault() {
            self.interrupt.set();
        }
        state.fault = Some(fault);
        continue_later(self.gic);
    }
}

/// Returns the receive queue and the transmit queue as the driver has set them up.
fn queues(registers: &Registers, memory: &PartitionMemory) -> Result<[Queue; 2], Fault> {
    let memory = OpenMemory::open(memory);
    let queue = |index| {
        let mut queue = None;
        Queue::set_up(
            &mut queue,
            &registers.queues()[usize::from(index)],
            registers.features(),
            &*memory,
        )?;
        queue.ok_or(Fault::Setup)
    };
    Ok([queue(RECEIVE)?, queue(TRANSMIT)?])
}
