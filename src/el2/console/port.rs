//! A partition's end of the console.

use alloc::string::String;
use bulkhead::devices::pl011::Pl011;
use bulkhead::devices::{Device, Env, Peer};
use bulkhead::operator::console::{Buffer, Notify, Source};
use bulkhead::util::ring::Full;
use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering, fence};

use super::{pump_after, shared};
use crate::el2::cpu::timer;

/// Where a partition's PL011 is connected.
pub struct Port {
    /// The partition's index in the Plan.
    index: usize,
    name: String,
    /// The buffer of its output.
    output: &'static Buffer,
    /// Whether its PL011 has output for which the buffer had no room.
    output_waits: AtomicBool,
    /// Whether input waits for room in its PL011.
    input_waits: AtomicBool,
    /// The physical CPU of its vCPU 0, which moves output and input on.
    cpu: usize,
}

impl Port {
    /// Returns the port of the partition with this index and name, whose vCPU 0 has this CPU.
    #[inline(always)]
    pub fn new(index: usize, name: String, output: &'static Buffer, cpu: usize) -> Self {
        let [output_waits, input_waits] = [const { AtomicBool::new(false) }; 2];
        Self { index, name, output, output_waits, input_waits, cpu }
    }

    /// Returns the partition's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the physical CPU of the partition's vCPU 0.
    pub fn cpu(&self) -> usize {
        self.cpu
    }

    /// Queues a byte of output.
    ///
    /// # Errors
    ///
    /// If the buffer is full.
    #[inline(always)]
    pub fn push(&self, byte: u8) -> Result<Notify, Full> {
        self.output.push(byte, timer::now())
    }

    /// Has the console look at the partition's output, if `tell` says so.
    #[inline(always)]
    pub fn notify(&self, tell: Notify) {
        if tell == Notify::Yes {
            self.pump();
        }
    }

    #[inline(never)]
    fn pump(&self) {
        pump_after(Some(Source::partition(self.index)));
    }

    /// Connects a PL011 to the port, for as long as it is worked on.
    pub fn connect(&self) -> PortConnection<'_> {
        PortConnection { port: self, notify: Notify::No }
    }

    /// Waits until the console has taken all output of a PL011.
    pub fn drain(&self, uart: &mut Pl011) {
        loop {
            let mut connection = self.connect();
            Device::poll(uart, &mut Env { now: 0, peer: &mut connection });
            if connection.notify == Notify::No {
                return;
            }
            self.pump();
        }
    }

    /// Forgets that output waits, for a partition that is built again.
    pub fn reset(&self) {
        self.output_waits.store(false, Ordering::Release);
    }

    /// Whether output waits for room in the buffer.
    pub fn output_waits(&self) -> bool {
        self.output_waits.load(Ordering::SeqCst)
    }

    /// Whether input waits for room in the partition's PL011.
    #[inline(always)]
    pub fn input_waits(&self) -> bool {
        self.input_waits.load(Ordering::Acquire)
    }

    /// Notes whether input waits.
    pub(super) fn set_input_waits(&self, waits: bool) {
        self.input_waits.store(waits, Ordering::Release);
    }
}

/// The console's end of a PL011's line.
pub struct PortConnection<'a> {
    port: &'a Port,
    notify: Notify,
}

impl PortConnection<'_> {
    /// Returns whether the console is to be notified of the bytes that were sent.
    pub fn notify(&self) -> Notify {
        self.notify
    }
}

impl Peer for PortConnection<'_> {
    fn put(&mut self, byte: u8) -> Result<(), Full> {
        let mut pushed = self.port.push(byte);
        if pushed.is_err() {
            // Store, then look again: either the console sees the flag when it has made room, or
            // this sees the room.
            self.port.output_waits.store(true, Ordering::SeqCst);
            fence(Ordering::SeqCst);
            pushed = self.port.push(byte);
        }
        if pushed.is_ok() && self.port.output_waits() {
            self.port.output_waits.store(false, Ordering::SeqCst);
        }
        // The console also looks again at a buffer that is full.
        if pushed != Ok(Notify::No) {
            self.notify = Notify::Yes;
        }
        pushed.map(|_| ())
    }

    fn take(&mut self) -> Option<u8> {
        if !self.port.input_waits() {
            return None;
        }
        let mut shared = shared();
        let mut taken = None;
        let input = shared.input.as_mut()?;
        input.deliver(self.port.index, timer::now(), |byte| match taken {
            None => {
                taken = Some(byte);
                Ok(())
            }
            Some(_) => Err(Full),
        });
        shared.note_waiting();
        taken
    }
}

/// Prints the partition's name.
impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}
