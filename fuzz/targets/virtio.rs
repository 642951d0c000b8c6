//! Fuzzes a link's lane, a terminal and a disk with rings that contain anything. The first byte selects the kind
//! of the link. The rest is 16 KiB of a hostile partition's memory, repeated: the rings of both
//! queues, and buffers. Reads of that memory return it with changes.

#![no_main]

use bulkhead::arch::addr::{Ipa, Region};
use bulkhead::virtio::disk::Disk;
use bulkhead::virtio::link::{Kind, Lane, Memories};
use bulkhead::virtio::memory::{MemoryAccess, Place, Sink};
use bulkhead::virtio::queue::{Queue, QueueSetup};
use bulkhead::virtio::terminal::{Line, Terminal};
use bulkhead::virtio::{BYTES_PER_CALL, EVENT_IDX, INDIRECT_DESC, TERMINAL_QUEUE_SIZE, VERSION_1};
use libfuzzer_sys::fuzz_target;
use std::cell::{Cell, RefCell};

const SIZE: usize = 0x4000;
const QUEUE_SIZE: u16 = 64;
/// Network features of the receivers: partial checksums, and frames in several buffers.
const FEATURES: u64 = 2 | 1 << 15 | EVENT_IDX | INDIRECT_DESC | VERSION_1;

/// A partition's memory from address 0, of which one read in eight is changed.
struct Memory {
    bytes: RefCell<Vec<u8>>,
    noise: Cell<u64>,
    copied: Cell<u64>,
}

impl Memory {
    fn new(bytes: Vec<u8>, noise: u64) -> Self {
        Self { bytes: RefCell::new(bytes), noise: Cell::new(noise), copied: Cell::new(0) }
    }

    /// Reads bytes, one in eight times with a change.
    fn load<const N: usize>(&self, at: Place) -> [u8; N] {
        let offset = at.offset() as usize;
        let mut bytes = [0; N];
        bytes.copy_from_slice(&self.bytes.borrow()[offset..offset + N]);
        let noise = self.noise.get().wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        if self.noise.get() != 0 {
            self.noise.set(noise | 1);
            if noise >> 61 == 0 {
                bytes[(noise >> 32) as usize % N] ^= 1 << (noise >> 40 & 7);
            }
        }
        bytes
    }

    fn store(&self, at: Place, bytes: &[u8]) {
        let offset = at.offset() as usize;
        self.bytes.borrow_mut()[offset..offset + bytes.len()].copy_from_slice(bytes);
    }
}

impl MemoryAccess for &Memory {
    fn place(&self, at: Ipa, size: u64) -> Option<Place> {
        let region = Region::new(Ipa::new(0), SIZE as u64).expect("it does not wrap");
        Place::within(&region, at, size)
    }

    fn load_index(&self, at: Place) -> u16 {
        u16::from_le_bytes(self.load(at))
    }

    fn store_index(&self, at: Place, index: u16) {
        self.store(at, &index.to_le_bytes());
    }

    fn load_descriptor(&self, at: Place) -> [u64; 2] {
        let bits = u128::from_le_bytes(self.load(at));
        [bits as u64, (bits >> 64) as u64]
    }

    fn store_used(&self, at: Place, element: u64) {
        self.store(at, &element.to_le_bytes());
    }

    fn read<const N: usize>(&self, at: Place) -> [u8; N] {
        self.load(at)
    }

    fn write<const N: usize>(&self, at: Place, bytes: [u8; N]) {
        self.store(at, &bytes);
    }

    fn fence(&self) {}

    fn copy_to(&self, from: Place, other: &Self, to: Place, size: u32) {
        let offset = from.offset() as usize;
        let bytes = self.bytes.borrow()[offset..offset + size as usize].to_vec();
        other.store(to, &bytes);
        self.copied.set(self.copied.get() + u64::from(size));
    }
}

/// The memories of both ports.
struct Ports<'a>([&'a Memory; 2]);

impl<'a> Memories for Ports<'a> {
    type View = &'a Memory;
    type Memory = Box<&'a Memory>;
    type Pair = Box<[&'a Memory; 2]>;

    fn open(&self, port: u8) -> Option<Self::Memory> {
        self.0.get(usize::from(port)).copied().map(Box::new)
    }

    fn open_pair(&self, [first, second]: [u8; 2]) -> Option<Self::Pair> {
        Some(Box::new([*self.open(first)?, *self.open(second)?]))
    }
}

/// A console with room for some bytes, and some bytes of input.
struct Console {
    room: usize,
    input: usize,
}

impl Sink for Console {
    fn put(&mut self, _: u8) {
        self.room = self.room.checked_sub(1).expect("there is room");
    }

    fn put_word(&mut self, _: u64) {
        self.room = self.room.checked_sub(8).expect("there is room");
    }
}

impl Line for Console {
    fn room(&self) -> usize {
        self.room
    }

    fn has_ended(&self) -> bool {
        self.room.is_multiple_of(2)
    }

    fn has_input(&self) -> bool {
        self.input > 0
    }

    fn take(&mut self) -> Option<u8> {
        self.input = self.input.checked_sub(1)?;
        Some(b'x')
    }
}

/// Returns the queue whose rings are in the 2 KiB from an address on.
fn queue(at: u64, memory: &Memory) -> Queue {
    queue_of(QUEUE_SIZE, at, memory)
}

/// Returns such a queue of another size.
fn queue_of(size: u16, at: u64, memory: &Memory) -> Queue {
    let mut queue = None;
    Queue::set_up(&mut queue, &setup(size, at), FEATURES, &memory).expect("it is a good queue");
    queue.expect("it is set up")
}

/// Returns how a driver sets up such a queue.
fn setup(size: u16, at: u64) -> QueueSetup {
    let [descriptors, available, used] = [0, 0x400, 0x500].map(|offset| Ipa::new(at + offset));
    QueueSetup { is_ready: true, size, descriptors, available, used }
}

/// The memory of a partition that has made 64 buffers of 128 bytes available.
fn honest() -> Vec<u8> {
    let mut bytes = vec![0; SIZE];
    for index in 0..QUEUE_SIZE {
        let at = 16 * usize::from(index);
        let address = 0x2000 + 128 * u64::from(index);
        bytes[at..at + 8].copy_from_slice(&address.to_le_bytes());
        bytes[at + 8] = 128;
        bytes[at + 12] = 2;
        let slot = 0x404 + 2 * usize::from(index);
        bytes[slot..slot + 2].copy_from_slice(&index.to_le_bytes());
    }
    bytes[0x402] = QUEUE_SIZE as u8;
    bytes
}

fuzz_target!(|bytes: &[u8]| {
    let Some((first, rest)) = bytes.split_first() else { return };
    if rest.is_empty() {
        return;
    }
    let kind = [Kind::Network, Kind::Console, Kind::Socket][usize::from(first & 3).min(2)];
    let content = rest.iter().copied().cycle().take(SIZE).collect();
    let hostile = Memory::new(content, u64::from(first >> 2));
    let other = Memory::new(honest(), 0);
    let ports = Ports([&hostile, &other]);
    for mut lane in Lane::of_link(kind, &[3, 4]) {
        for (port, memory, receive, transmit) in [(0, &hostile, 0x800, 0), (1, &other, 0, 0x800)] {
            let [receive, transmit] = [receive, transmit].map(|at| setup(QUEUE_SIZE, at));
            let queues = [receive, transmit, QueueSetup::default()];
            lane.attach(port, &queues, FEATURES, &memory).expect("the queues are good");
        }
        let mut senders = 3;
        for _ in 0..16 {
            hostile.copied.set(0);
            let outcome = lane.run(senders, &ports);
            assert_eq!(outcome.broken & 2, 0, "the other one has done nothing wrong");
            assert!(hostile.copied.get() <= BYTES_PER_CALL.into());
            senders = outcome.more | 1;
        }
    }
    // The rings of the other one's transmit queue are as they were: nothing was sent.
    assert!(other.bytes.borrow()[0x800..0xd02].iter().all(|byte| *byte == 0));
    let mut terminal = Terminal::default();
    let queues = [0, 0x800].map(|at| queue_of(TERMINAL_QUEUE_SIZE, at, &hostile));
    terminal.attach(Some(queues)).expect("the queues are small");
    let mut console = Console { room: 2000, input: 200 };
    for round in 0..16 {
        let room = console.room;
        terminal.run(&&hostile, &mut console, round % 2 == 0);
        assert!(room - console.room <= 512, "a call moves few bytes");
    }
    let region = Region::new(Ipa::new(0x1000), 0x2000).expect("it does not wrap");
    let mut disk = Disk::new(region, first & 0x80 != 0, [0; 20]);
    let store = Memory::new(vec![0xa5; SIZE], 0);
    disk.attach(Some(queue(0, &hostile)));
    for _ in 0..16 {
        disk.run(&&hostile, &&store);
    }
    let bytes = store.bytes.borrow();
    assert!(bytes[..0x1000].iter().chain(&bytes[0x3000..]).all(|byte| *byte == 0xa5));
});
