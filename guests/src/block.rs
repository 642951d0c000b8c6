//! A disk by virtio over MMIO (VIRTIO 1.2, 4.2 and 5.2).
//!
//! It uses one split queue as Linux does: with EVENT_IDX, and with each request in an indirect
//! table. There is one request at a time, whose end a caller polls for.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicU16, AtomicUsize, Ordering, fence};

use crate::mmio;
use crate::tree::{Link, machine};

/// The size of a sector in bytes.
pub const SECTOR: u64 = 512;
/// The number of disks that can be open.
const DISKS: usize = 4;
/// The number of descriptors of the queue.
const SIZE: usize = 4;

// Offsets of registers.
const DEVICE_ID: u64 = 0x08;
const DEVICE_FEATURES: u64 = 0x10;
const DRIVER_FEATURES: u64 = 0x20;
const DRIVER_FEATURES_SELECT: u64 = 0x24;
const QUEUE_SELECT: u64 = 0x30;
const QUEUE_SIZE: u64 = 0x38;
const QUEUE_READY: u64 = 0x44;
const QUEUE_NOTIFY: u64 = 0x50;
const STATUS: u64 = 0x70;
const QUEUE_DESCRIPTORS: u64 = 0x80;
const QUEUE_AVAILABLE: u64 = 0x90;
const QUEUE_USED: u64 = 0xa0;
const CAPACITY: u64 = 0x100;

/// The identifier of a block device.
const BLOCK: u32 = 2;
/// EVENT_IDX and INDIRECT_DESC.
const FEATURES: u32 = 0x3000_0000;
/// VIRTIO_F_VERSION_1, in the upper word.
const VERSION_1: u32 = 1;
/// VIRTIO_BLK_F_RO.
const READ_ONLY: u32 = 1 << 5;

// Flags of descriptors.
const NEXT: u16 = 1;
const WRITE: u16 = 2;
const INDIRECT: u16 = 4;

/// What a request does (VIRTIO 1.2, 5.2.6).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Kind {
    /// Reads sectors.
    Read = 0,
    /// Writes sectors.
    Write = 1,
    /// Writes what is cached.
    Flush = 4,
    /// Reads the name.
    Id = 8,
}

/// A descriptor.
#[repr(C, align(16))]
#[derive(Clone, Copy)]
struct Descriptor {
    address: u64,
    size: u32,
    flags: u16,
    next: u16,
}

/// What the device accesses too.
#[repr(C, align(4096))]
struct Shared {
    descriptors: [Descriptor; SIZE],
    table: [Descriptor; 3],
    available: [u16; 3 + SIZE],
    used_padding: u16,
    used: [u32; 3 + 2 * SIZE],
    /// Type, and a reserved word; sector.
    header: [u64; 2],
    status: u8,
}

struct Memory(UnsafeCell<[Shared; DISKS]>);

// SAFETY: each `Disk` uses an element of its own, and every access is a volatile one through a
// pointer.
unsafe impl Sync for Memory {}

const NONE: Descriptor = Descriptor { address: 0, size: 0, flags: 0, next: 0 };
const EMPTY: Shared = Shared {
    descriptors: [NONE; SIZE],
    table: [NONE; 3],
    available: [0; 3 + SIZE],
    used_padding: 0,
    used: [0; 3 + 2 * SIZE],
    header: [0; 2],
    status: 0,
};

static MEMORY: Memory = Memory(UnsafeCell::new([EMPTY; DISKS]));
static OPEN: AtomicUsize = AtomicUsize::new(0);

/// An open disk.
pub struct Disk {
    link: Link,
    shared: *mut Shared,
    /// The number of requests.
    given: u16,
}

impl Disk {
    /// Opens all disks by virtio, at most four, in the order of the tree.
    pub fn all() -> impl Iterator<Item = Self> {
        machine().links().into_iter().flatten().filter_map(Self::open)
    }

    /// Opens a device. Returns `None` if it is no disk, or if too many are open.
    fn open(link: Link) -> Option<Self> {
        let mut disk = Self { link, shared: MEMORY.0.get().cast(), given: 0 };
        if disk.read(DEVICE_ID) != BLOCK {
            return None;
        }
        let index = OPEN.fetch_add(1, Ordering::AcqRel);
        if index >= DISKS {
            return None;
        }
        // SAFETY: the static has an element with this index.
        disk.shared = unsafe { disk.shared.add(index) };
        disk.write(STATUS, 0);
        disk.write(STATUS, 3);
        for (word, features) in [(0, FEATURES), (1, VERSION_1)] {
            disk.write(DRIVER_FEATURES_SELECT, word);
            disk.write(DRIVER_FEATURES, features);
        }
        disk.write(STATUS, 11);
        disk.write(QUEUE_SELECT, 0);
        disk.write(QUEUE_SIZE, SIZE as u32);
        let shared = disk.shared;
        // SAFETY: the places of fields.
        let places = unsafe {
            [
                (QUEUE_DESCRIPTORS, &raw const (*shared).descriptors as u64),
                (QUEUE_AVAILABLE, &raw const (*shared).available as u64),
                (QUEUE_USED, &raw const (*shared).used as u64),
            ]
        };
        for (register, place) in places {
            disk.write(register, place as u32);
            disk.write(register + 4, (place >> 32) as u32);
        }
        disk.write(QUEUE_READY, 1);
        disk.write(STATUS, 15);
        Some(disk)
    }

    /// Returns the disk's name.
    pub fn name(&self) -> &'static str {
        self.link.name
    }

    /// Returns the number of sectors.
    pub fn sectors(&self) -> u64 {
        u64::from(self.read(CAPACITY)) | u64::from(self.read(CAPACITY + 4)) << 32
    }

    /// Returns whether the device says that it cannot be written.
    pub fn is_read_only(&self) -> bool {
        self.read(DEVICE_FEATURES) & READ_ONLY != 0
    }

    /// Resets the device, which may not use the queue any more.
    pub fn reset(&self) {
        self.write(STATUS, 0);
    }

    /// Carries out a request with these bytes as its data, and returns the device's status: 0 if it
    /// was done, 1 after an error, 2 if it is not supported.
    pub fn request(&mut self, kind: Kind, sector: u64, data: &mut [u8]) -> u8 {
        self.prepare(kind, sector, data);
        self.notify();
        while !self.is_done() {}
        // SAFETY: the place of a field, which the device has written.
        unsafe { (&raw const (*self.shared).status).read_volatile() }
    }

    /// Makes a request available, without a notification. The data must stay where they are.
    pub fn prepare(&mut self, kind: Kind, sector: u64, data: &mut [u8]) {
        let shared = self.shared;
        let direction = if kind == Kind::Write { 0 } else { WRITE };
        // SAFETY: places of fields; the device has used all requests before.
        unsafe {
            (&raw mut (*shared).header).write_volatile([kind as u64, sector]);
            (&raw mut (*shared).status).write_volatile(0xff);
            let parts = [
                (&raw const (*shared).header as u64, 16, 0),
                (data.as_mut_ptr() as u64, data.len() as u32, direction),
                (&raw const (*shared).status as u64, 1, WRITE),
            ];
            // Without data there are two parts.
            let parts = parts.into_iter().filter(|part| part.1 > 0);
            let count = if data.is_empty() { 2 } else { 3 };
            for (index, (address, size, flags)) in (1_u16..).zip(parts) {
                let flags = if index == count { flags } else { flags | NEXT };
                let place = &raw mut (*shared).table[usize::from(index) - 1];
                place.write_volatile(Descriptor { address, size, flags, next: index });
            }
            let (address, size) = (&raw const (*shared).table as u64, 16 * u32::from(count));
            let head = Descriptor { address, size, flags: INDIRECT, next: 0 };
            (&raw mut (*shared).descriptors[0]).write_volatile(head);
            // The next used element shall interrupt.
            (&raw mut (*shared).available[2 + SIZE]).write_volatile(self.given);
            (&raw mut (*shared).available[2 + usize::from(self.given) % SIZE]).write_volatile(0);
            self.given = self.given.wrapping_add(1);
            AtomicU16::from_ptr(&raw mut (*shared).available[1])
                .store(self.given, Ordering::Release);
        }
        fence(Ordering::SeqCst);
    }

    /// Notifies the device.
    pub fn notify(&self) {
        self.write(QUEUE_NOTIFY, 0);
    }

    /// Returns whether the device has used all requests.
    pub fn is_done(&self) -> bool {
        // SAFETY: the index is the upper half of the first word, which the device writes.
        let index =
            unsafe { AtomicU16::from_ptr((&raw mut (*self.shared).used).cast::<u16>().add(1)) };
        index.load(Ordering::Acquire) == self.given
    }

    fn read(&self, register: u64) -> u32 {
        // SAFETY: a register of the device, which the tree names; reading it has no effect.
        unsafe { mmio::read32(self.link.registers + register) }
    }

    fn write(&self, register: u64, value: u32) {
        // SAFETY: a register of the device, which the tree names; its driver is the only writer.
        unsafe { mmio::write32(self.link.registers + register, value) };
    }
}
