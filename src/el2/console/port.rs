//! A partition's port: its end of the console.

use alloc::string::String;
use bulkhead::devices::pl011::Pl011;
use bulkhead::devices::{Device, Env, Peer};
use bulkhead::operator::console::{Buffer, Notify, Source};
use bulkhead::util::ring::Full;
use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering, fence};

use super::{pump_after, shared};
use crate::el2::cpu::timer;

/// The output buffer and the input of one partition, to which its PL011 is connected.
pub struct Port {
    /// The partition's index in the Plan.
    index: usize,
    /// The partition's name.
    name: String,
    /// The buffer of the partition's output.
    output: &'static Buffer,
    /// Whether the PL011 has output for which the buffer had no room.
    output_waits: AtomicBool,
    /// Whether input waits for room in the PL011.
    input_waits: AtomicBool,
    /// The physical CPU of the partition's vCPU 0, which polls the PL011 after a kick.
    cpu: usize,
}

impl Port {
    /// Returns the port of the partition with this index and name, whose vCPU 0 runs on `cpu`.
    #[inline(always)]
    pub fn new(index: usize, name: String, output: &'static Buffer, cpu: usize) -> Self {
        let [output_waits, input_waits] = [const { AtomicBool::new(false) }; 2];
        Self { index, name, output, output_waits, input_waits, cpu }
    }

    /// Returns the partition's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the buffer of the partition's output.
    pub fn output(&self) -> &'static Buffer {
        self.output
    }

    /// Returns the physical CPU of the partition's vCPU 0.
    pub fn cpu(&self) -> usize {
        self.cpu
    }

    /// Queues a byte of output. Returns whether the console must be notified.
    ///
    /// # Errors
    ///
    /// [`Full`] if the buffer is full.
    fn push(&self, byte: u8) -> Result<Notify, Full> {
        self.output.push(byte, timer::now())
    }

    /// Notifies the console of the partition's output, if `notify` requires it.
    #[inline(always)]
    pub fn notify(&self, notify: Notify) {
        if notify == Notify::Yes {
            self.pump();
        }
    }

    /// Notifies the console of the partition's output, which sends what is due.
    #[inline(never)]
    fn pump(&self) {
        pump_after(Some(Source::partition(self.index)));
    }

    /// Returns a connection through which a PL011 sends and receives.
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

    /// Clears the flag of waiting output, for a partition that is built again.
    pub fn reset(&self) {
        self.output_waits.store(false, Ordering::Release);
    }

    /// Returns whether output waits for room in the buffer.
    pub fn output_waits(&self) -> bool {
        self.output_waits.load(Ordering::SeqCst)
    }

    /// Returns whether input waits for the partition's PL011.
    #[inline(always)]
    pub fn input_waits(&self) -> bool {
        self.input_waits.load(Ordering::Acquire)
    }

    /// Sets whether input waits.
    pub(super) fn set_input_waits(&self, waits: bool) {
        self.input_waits.store(waits, Ordering::Release);
    }
}

/// A PL011's connection to a port, for the time of one access or poll.
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
            // Store, fence, load on both sides: this CPU sets the flag, then tries again; the
            // console makes room, then reads the flag. At least one sees the other's store.
            self.port.output_waits.store(true, Ordering::SeqCst);
            fence(Ordering::SeqCst);
            pushed = self.port.push(byte);
        }
        if pushed.is_ok() && self.port.output_waits() {
            self.port.output_waits.store(false, Ordering::SeqCst);
        }
        // The console must also be notified of a full buffer.
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
        shared.update_waiting();
        taken
    }
}

/// Prints the partition's name.
impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}
