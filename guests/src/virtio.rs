//! A network card by virtio over MMIO (VIRTIO 1.2, 4.2 and 5.1), an end of a link between partitions,
//! and the partition's own console (5.3).
//!
//! It uses split queues without indirect descriptors and without EVENT_IDX, and frames in a single
//! buffer.

use core::cell::UnsafeCell;
use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicU16, Ordering, fence};

use crate::mmio;
use crate::tree::{Link, machine};

/// The number of descriptors of each queue, and of buffers.
const SIZE: usize = 16;
/// The size of the header before each frame (`virtio_net_hdr`).
const HEADER: usize = 12;
/// The largest frame.
pub const FRAME: usize = 1514;
/// The size of a buffer.
const BUFFER: usize = 2048;

const RECEIVE: usize = 0;
const TRANSMIT: usize = 1;

// Offsets of registers.
const DEVICE_ID: u64 = 0x08;
const DEVICE_FEATURES: u64 = 0x10;
const DEVICE_FEATURES_SELECT: u64 = 0x14;
const DRIVER_FEATURES: u64 = 0x20;
const DRIVER_FEATURES_SELECT: u64 = 0x24;
const QUEUE_SELECT: u64 = 0x30;
const QUEUE_SIZE: u64 = 0x38;
const QUEUE_READY: u64 = 0x44;
const QUEUE_NOTIFY: u64 = 0x50;
const INTERRUPT_STATUS: u64 = 0x60;
const INTERRUPT_ACK: u64 = 0x64;
const STATUS: u64 = 0x70;
const QUEUE_DESCRIPTORS: u64 = 0x80;
const QUEUE_AVAILABLE: u64 = 0x90;
const QUEUE_USED: u64 = 0xa0;
const CONFIGURATION: u64 = 0x100;

/// MAC address (bit 5) and state of the link (bit 16).
const FEATURES: u32 = 1 << 5 | 1 << 16;
/// VIRTIO_F_VERSION_1, in the upper word.
const VERSION_1: u32 = 1;
/// ACKNOWLEDGE and DRIVER, then FEATURES_OK, then DRIVER_OK.
const STEPS: [u32; 3] = [3, 11, 15];
/// FEATURES_OK.
const FEATURES_OK: u32 = 8;
/// DEVICE_NEEDS_RESET.
const NEEDS_RESET: u32 = 0x40;
/// The flag of a descriptor whose buffer the device writes.
const WRITE: u16 = 2;

/// A descriptor.
#[repr(C)]
#[derive(Clone, Copy)]
struct Descriptor {
    address: u64,
    size: u32,
    flags: u16,
    next: u16,
}

/// A queue and its buffers, which the device accesses too.
#[repr(C, align(4096))]
struct Shared {
    buffers: [[u8; BUFFER]; SIZE],
    descriptors: [Descriptor; SIZE],
    available: [u16; 3 + SIZE],
    used_padding: u16,
    used: [u32; 2 + 2 * SIZE],
}

/// The queues of the one device that a guest can open.
struct Memory(UnsafeCell<[Shared; 2]>);

// SAFETY: `TAKEN` lets one `Network` or `Terminal` exist, on whose behalf alone the memory is accessed.
unsafe impl Sync for Memory {}

const EMPTY: Shared = Shared {
    buffers: [[0; BUFFER]; SIZE],
    descriptors: [Descriptor { address: 0, size: 0, flags: 0, next: 0 }; SIZE],
    available: [0; 3 + SIZE],
    used_padding: 0,
    used: [0; 2 + 2 * SIZE],
};

static MEMORY: Memory = Memory(UnsafeCell::new([EMPTY; 2]));
static TAKEN: AtomicBool = AtomicBool::new(false);

/// An open network card.
pub struct Network {
    link: Link,
    /// The features that the driver knows.
    features: u32,
    /// For each queue, the used index up to which elements were taken.
    taken: [u16; 2],
    /// For each queue, the number of elements that were made available.
    given: [u16; 2],
}

impl Network {
    /// Opens the card at an end of a link. Returns `None` if it is no network card or one is open.
    pub fn open(link: Link) -> Option<Self> {
        Self::open_device(link, 1, FEATURES)
    }

    /// Opens a device of a kind, with those of these features that it has.
    fn open_device(link: Link, kind: u32, features: u32) -> Option<Self> {
        let mut device = Self { link, features, taken: [0; 2], given: [0; 2] };
        if device.read(DEVICE_ID) != kind || TAKEN.swap(true, Ordering::AcqRel) {
            return None;
        }
        device.start();
        Some(device)
    }

    /// Resets the card, and sets it up again.
    pub fn start(&mut self) {
        self.write(STATUS, 0);
        self.write(STATUS, STEPS[0]);
        self.write(DEVICE_FEATURES_SELECT, 0);
        let offered = self.read(DEVICE_FEATURES);
        for (word, features) in [(0, offered & self.features), (1, VERSION_1)] {
            self.write(DRIVER_FEATURES_SELECT, word);
            self.write(DRIVER_FEATURES, features);
        }
        self.write(STATUS, STEPS[1]);
        assert!(self.read(STATUS) & FEATURES_OK != 0, "the card refuses its own features");
        (self.taken, self.given) = ([0; 2], [0; 2]);
        for queue in [RECEIVE, TRANSMIT] {
            self.set_up(queue);
        }
        self.write(STATUS, STEPS[2]);
        for buffer in 0..SIZE as u16 {
            self.give(RECEIVE, buffer, BUFFER as u32);
        }
        self.notify(RECEIVE);
    }

    /// Returns the card's MAC address.
    pub fn mac(&self) -> [u8; 6] {
        let words = [self.read(CONFIGURATION), self.read(CONFIGURATION + 4)];
        let [a, b, c, d] = words[0].to_le_bytes();
        let [e, f, ..] = words[1].to_le_bytes();
        [a, b, c, d, e, f]
    }

    /// Returns whether the driver at another end works.
    pub fn is_up(&self) -> bool {
        self.read(CONFIGURATION + 4) >> 16 & 1 != 0
    }

    /// Returns whether the device has found a mistake.
    pub fn needs_reset(&self) -> bool {
        self.read(STATUS) & NEEDS_RESET != 0
    }

    /// Acknowledges the card's interrupt.
    pub fn acknowledge(&self) {
        let status = self.read(INTERRUPT_STATUS);
        self.write(INTERRUPT_ACK, status);
    }

    /// Returns the next buffer to send from; `None` if all are on their way.
    fn free_buffer(&mut self) -> Option<u16> {
        // The device returns buffers in the order in which they were sent.
        while self.take(TRANSMIT).is_some() {}
        let given = self.given[TRANSMIT];
        let used = given.wrapping_sub(self.taken[TRANSMIT]) as usize;
        (used < SIZE).then_some(given % SIZE as u16)
    }

    /// Sends a frame of up to [`FRAME`] bytes. Returns false if all buffers are on their way.
    pub fn send(&mut self, frame: &[u8]) -> bool {
        let Some(buffer) = self.free_buffer() else { return false };
        let place = self.buffer(TRANSMIT, buffer);
        // SAFETY: the buffer is larger than a header and a frame, and the device does not use it.
        unsafe {
            place.write_bytes(0, HEADER);
            place.add(HEADER).copy_from_nonoverlapping(frame.as_ptr(), frame.len().min(FRAME));
        }
        self.give(TRANSMIT, buffer, (HEADER + frame.len().min(FRAME)) as u32);
        self.notify(TRANSMIT);
        true
    }

    /// Receives a frame into `frame`, and returns its size; `None` if there is none.
    pub fn receive(&mut self, frame: &mut [u8; FRAME]) -> Option<usize> {
        let (buffer, written) = self.take(RECEIVE)?;
        let size = (written as usize).saturating_sub(HEADER).min(FRAME);
        let place = self.buffer(RECEIVE, buffer);
        // SAFETY: the buffer is larger than a header and a frame, and the device has returned it.
        unsafe { frame.as_mut_ptr().copy_from_nonoverlapping(place.add(HEADER), size) };
        self.give(RECEIVE, buffer, BUFFER as u32);
        self.notify(RECEIVE);
        Some(size)
    }

    /// Tells the device where a queue is.
    fn set_up(&mut self, queue: usize) {
        let shared = self.shared(queue);
        self.write(QUEUE_SELECT, queue as u32);
        self.write(QUEUE_SIZE, SIZE as u32);
        // SAFETY: the places of fields; the device does not use the queue before it is ready.
        let (descriptors, available, used) = unsafe {
            (&raw mut (*shared).available).write([0; 3 + SIZE]);
            (&raw mut (*shared).used).write([0; 2 + 2 * SIZE]);
            (
                &raw const (*shared).descriptors,
                &raw const (*shared).available,
                &raw const (*shared).used,
            )
        };
        let places = [
            (QUEUE_DESCRIPTORS, descriptors as u64),
            (QUEUE_AVAILABLE, available as u64),
            (QUEUE_USED, used as u64),
        ];
        for (register, place) in places {
            self.write(register, place as u32);
            self.write(register + 4, (place >> 32) as u32);
        }
        self.write(QUEUE_READY, 1);
    }

    /// Makes a buffer available to the device.
    fn give(&mut self, queue: usize, buffer: u16, size: u32) {
        let address = self.buffer(queue, buffer) as u64;
        let flags = if queue == RECEIVE { WRITE } else { 0 };
        let shared = self.shared(queue);
        let given = self.given[queue];
        let slot = 2 + usize::from(given) % SIZE;
        // SAFETY: the places of fields; the device does not use the buffer's descriptor yet.
        unsafe {
            let descriptor = &raw mut (*shared).descriptors[usize::from(buffer)];
            descriptor.write_volatile(Descriptor { address, size, flags, next: 0 });
            (&raw mut (*shared).available[slot]).write_volatile(buffer);
        }
        self.given[queue] = given.wrapping_add(1);
        // SAFETY: the place of the index, which is aligned; only this CPU writes it.
        let index = unsafe { AtomicU16::from_ptr(&raw mut (*shared).available[1]) };
        index.store(self.given[queue], Ordering::Release);
    }

    /// Takes a buffer that the device has returned, and the number of bytes that it has written.
    fn take(&mut self, queue: usize) -> Option<(u16, u32)> {
        let shared = self.shared(queue);
        // SAFETY: the index is the upper half of the first word; the device writes it.
        let index = unsafe { AtomicU16::from_ptr((&raw mut (*shared).used).cast::<u16>().add(1)) };
        let taken = self.taken[queue];
        if index.load(Ordering::Acquire) == taken {
            return None;
        }
        let slot = 1 + 2 * (usize::from(taken) % SIZE);
        // SAFETY: the places of an element that the device has written before the index.
        let (buffer, written) = unsafe {
            let used = &raw const (*shared).used;
            (
                used.cast::<u32>().add(slot).read_volatile(),
                used.cast::<u32>().add(slot + 1).read_volatile(),
            )
        };
        self.taken[queue] = taken.wrapping_add(1);
        Some((buffer as u16 % SIZE as u16, written))
    }

    /// Notifies the device of available buffers, unless it does not need that.
    fn notify(&self, queue: usize) {
        // The index before the flag (VIRTIO 1.2, 2.7.13.4.1).
        fence(Ordering::SeqCst);
        let shared = self.shared(queue);
        // SAFETY: the flags are the lower half of the first word.
        let flags = unsafe { (&raw const (*shared).used).cast::<u16>().read_volatile() };
        if flags & 1 == 0 {
            self.write(QUEUE_NOTIFY, queue as u32);
        }
    }

    fn shared(&self, queue: usize) -> *mut Shared {
        // SAFETY: the static has two queues.
        unsafe { MEMORY.0.get().cast::<Shared>().add(queue & 1) }
    }

    fn buffer(&self, queue: usize, buffer: u16) -> *mut u8 {
        // SAFETY: the place of one of the buffers.
        unsafe { (&raw mut (*self.shared(queue)).buffers[usize::from(buffer) % SIZE]).cast() }
    }

    fn read(&self, register: u64) -> u32 {
        // SAFETY: a register of the card, which the tree names; reading it has no effect.
        unsafe { mmio::read32(self.link.registers + register) }
    }

    fn write(&self, register: u64, value: u32) {
        // SAFETY: a register of the card, which the tree names; its driver is the only writer.
        unsafe { mmio::write32(self.link.registers + register, value) };
    }
}

/// The partition's own console by virtio, open.
pub struct Terminal(Network);

impl Terminal {
    /// Opens the console. Returns `None` if the partition has none, or a device is open.
    pub fn open() -> Option<Self> {
        Network::open_device(machine().link("console")?, 3, 0).map(Self)
    }

    /// Sends bytes, in a buffer of the device's. Returns false if all buffers are on their way.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        let Some(buffer) = self.0.free_buffer() else { return false };
        let place = self.0.buffer(TRANSMIT, buffer);
        let size = bytes.len().min(BUFFER);
        // SAFETY: the buffer is as large, and the device does not use it.
        unsafe { place.copy_from_nonoverlapping(bytes.as_ptr(), size) };
        self.0.give(TRANSMIT, buffer, size as u32);
        self.0.notify(TRANSMIT);
        true
    }

    /// Waits until the device has returned all buffers that were sent.
    pub fn flush(&mut self) {
        while self.0.taken[TRANSMIT] != self.0.given[TRANSMIT] {
            _ = self.0.take(TRANSMIT);
        }
    }
}

/// Formats text into buffers, and sends them.
impl fmt::Write for Terminal {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        while !self.send(text.as_bytes()) {}
        Ok(())
    }
}
