//! A partition's end of the console.

use alloc::string::String;
use bulkhead::devices::pl011::Pl011;
use bulkhead::operator::console::{Buffer, Source, Tell};
use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};

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
    pub fn push(&self, byte: u8) -> Result<Tell, bulkhead::util::ring::Full> {
        self.output.push(byte, timer::now())
    }

    /// Has the console look at the partition's output, if `tell` says so.
    #[inline(always)]
    pub fn notify(&self, tell: Tell) {
        if tell == Tell::Yes {
            self.pump();
        }
    }

    #[inline(never)]
    fn pump(&self) {
        pump_after(Some(Source::partition(self.index)));
    }

    /// Moves a PL011's output into the buffer, as far as there is room. Returns whether the console
    /// is to be notified.
    #[inline(never)]
    pub fn transmit(&self, uart: &mut Pl011) -> Tell {
        let mut told = Tell::No;
        let mut is_full = true;
        while is_full {
            is_full = false;
            uart.transmit(&mut |byte| {
                let pushed = self.output.push(byte, timer::now());
                is_full = pushed.is_err();
                // A full buffer also means that the console is to be notified.
                if pushed != Ok(Tell::No) {
                    told = Tell::Yes;
                }
                pushed.map(|_| ())
            });
            // Store, then load: either the console sees the flag when it has made room, or this sees
            // the room.
            self.output_waits.store(uart.is_busy(), Ordering::SeqCst);
            is_full &= self.output.has_room();
        }
        told
    }

    /// Waits until the console has taken all output of a PL011.
    pub fn drain(&self, uart: &mut Pl011) {
        while self.transmit(uart) == Tell::Yes {
            self.pump();
        }
    }

    /// Moves input into a PL011, as far as it has room.
    #[inline(never)]
    pub fn pull(&self, uart: &mut Pl011) {
        let mut shared = shared();
        let Some(input) = &mut shared.input else { return };
        input.deliver(self.index, timer::now(), |byte| uart.receive(byte));
        shared.note_waiting();
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

/// Prints the partition's name.
impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}
