//! A partition's port: its end of the console.

use alloc::string::String;
use bulkhead::devices::Peer;
use bulkhead::devices::pl011::Pl011;
use bulkhead::operator::console::{After, Buffer, Notify};
use bulkhead::util::deadlines::User;
use bulkhead::util::ring::Full;
use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering, fence};

use super::{CONSOLE, announce, notify};
use crate::el2::cpu::{Seat, timer};

/// The size of a FIFO, which is the number of typed bytes that a guest gets for one access or poll.
const BYTES_AT_ONCE: usize = 32;

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
    /// Whether its virtio console has.
    virtio_waits: AtomicBool,
    /// The buffer of the partition's input.
    input: &'static Buffer,
    /// Whether its virtio console takes the input, not the PL011.
    has_virtio: AtomicBool,
    /// The place of the partition's vCPU 0, which polls the PL011 after a kick.
    seat: &'static Seat,
}

impl Port {
    /// Returns the port of the partition with this index and name, with the buffers of its output
    /// and its input, whose vCPU 0 has this place.
    #[inline(always)]
    pub fn new(
        index: usize,
        name: String,
        [output, input]: [&'static Buffer; 2],
        seat: &'static Seat,
    ) -> Self {
        let [output_waits, virtio_waits, has_virtio] = [const { AtomicBool::new(false) }; 3];
        Self { index, name, output, output_waits, virtio_waits, input, has_virtio, seat }
    }

    /// Returns the partition's index in the Plan.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Returns the partition's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the buffer of the partition's output.
    pub fn output(&self) -> &'static Buffer {
        self.output
    }

    /// Returns the place of the partition's vCPU 0.
    pub fn seat(&self) -> &'static Seat {
        self.seat
    }

    /// Queues a byte of output. Returns whether the console must be notified.
    ///
    /// # Errors
    ///
    /// [`Full`] if the buffer is full.
    fn push(&self, byte: u8) -> Result<Notify, Full> {
        self.output.push(byte, timer::now())
    }

    /// Notifies the console of the partition's output, if `notify` requires it at once or soon.
    #[inline(always)]
    pub fn notify(&self, notified: Notify) {
        if notified != Notify::No {
            notify();
        }
    }

    /// Requests that the console look for the partition's output, which is a visit of its own or a
    /// later part of this one.
    pub fn request(&self) {
        announce();
        if let Some(place) = CONSOLE.place.get() {
            match place.sends_all && !place.is_here() {
                true => place.summon(place.cpu),
                false => timer::set_deadline(User::Console, Some(timer::now())),
            }
        }
    }

    /// Returns a connection through which a PL011 sends and receives.
    pub fn connect(&self) -> PortConnection<'_> {
        let remaining = if self.has_virtio() { 0 } else { BYTES_AT_ONCE };
        PortConnection { port: self, notify: Notify::No, remaining }
    }

    /// Moves the bytes that a PL011 has not sent to the buffer, which has room for all of them
    /// because its guest has ended.
    pub fn drain(&self, uart: &mut Pl011) {
        let now = timer::now();
        self.output.shut(now);
        uart.take_unsent(|bytes| _ = self.output.push_all(bytes, now));
        announce();
    }

    /// Returns what a line must follow that comes after all earlier output of the partition.
    pub fn earlier_output(&self) -> After {
        After { partition: self.index, position: self.output.position() }
    }

    /// Clears the flag of waiting output, for a partition that is built again.
    pub fn reset(&self) {
        self.output_waits.store(false, Ordering::Release);
    }

    /// Returns whether output waits for room in the buffer.
    pub fn output_waits(&self) -> bool {
        self.output_waits.load(Ordering::SeqCst) || self.virtio_waits.load(Ordering::SeqCst)
    }

    /// Returns whether the driver of the partition's virtio console works, if it has one.
    #[inline(always)]
    pub fn has_virtio(&self) -> bool {
        self.has_virtio.load(Ordering::Relaxed)
    }

    /// Sets whether the partition's virtio console takes the input, not the PL011. The caller holds
    /// that device's lock.
    #[inline(always)]
    pub fn give_to_virtio(&self, has_virtio: bool) {
        self.has_virtio.store(has_virtio, Ordering::Relaxed);
        self.virtio_waits.store(false, Ordering::Relaxed);
    }

    /// Sets whether output of the partition's virtio console waits for room in the buffer, which is
    /// then kicked when there is some. Returns whether there is room meanwhile, so that it need not
    /// wait.
    #[inline(always)]
    pub fn set_virtio_waits(&self, waits: bool) -> bool {
        if waits || self.virtio_waits.load(Ordering::Relaxed) {
            self.virtio_waits.store(waits, Ordering::SeqCst);
        }
        // Store, fence, load on both sides: see `PortConnection::put`.
        waits && self.output.has_room()
    }

    /// Takes a byte of the partition's input. The caller holds the partition's lock.
    pub fn take_input(&self) -> Option<u8> {
        let byte = self.input.pop()?;
        // See `input::may_read`; the fence between is in `pop`.
        if CONSOLE.input_waits.load(Ordering::Relaxed)
            && CONSOLE.input_waits.swap(false, Ordering::AcqRel)
            && let Some(place) = CONSOLE.place.get()
        {
            place.summon(place.cpu);
        }
        Some(byte)
    }

    /// Returns whether input waits for the partition's PL011.
    #[inline(always)]
    pub fn input_waits(&self) -> bool {
        !self.input.is_empty()
    }
}

/// A PL011's connection to a port, for the time of one access or poll.
pub struct PortConnection<'a> {
    port: &'a Port,
    notify: Notify,
    /// The number of typed bytes that the guest may still get.
    remaining: usize,
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
        self.notify = match (pushed, self.notify) {
            // The console must also be notified of a full buffer.
            (Err(Full) | Ok(Notify::Yes), _) | (_, Notify::Yes) => Notify::Yes,
            (Ok(Notify::No), notify) => notify,
            (Ok(Notify::Later), _) => Notify::Later,
        };
        pushed.map(|_| ())
    }

    fn take(&mut self) -> Option<u8> {
        self.remaining = self.remaining.checked_sub(1)?;
        self.port.take_input()
    }
}

/// Prints the partition's name.
impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}
