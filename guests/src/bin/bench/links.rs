//! The cost of a network between partitions: what one notification of the device takes, in which
//! the frame gets into the peer's buffers and the peer is interrupted.
//!
//! The rings are as Linux uses them (VIRTIO 1.2, 2.7): EVENT_IDX; a frame with its header in one
//! buffer, or a large one in an indirect table; and for reception buffers of 1,536 bytes, of which
//! a large frame gets several.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicU16, Ordering, fence};

use runtime::gic;
use runtime::mmio::{read32, write32};
use runtime::tree::{Link, machine};
use runtime::{cpu, fail};
use spin::Once;

use crate::console;
use crate::figures::{keep, measure as row, samples};

/// The number of descriptors of each queue, and the size of a buffer for reception.
pub const SIZE: usize = 256;
const BUFFER: usize = 1536;
/// The size of the header before a frame (`virtio_net_hdr`).
const HEADER: usize = 12;
/// The largest frame, and how often it is sent.
const LARGE: usize = 64 << 10;
const LARGE_TIMES: usize = 21;
/// Where small frames are in the memory for what is sent.
const SMALL: usize = LARGE * 3 / 2;
/// How often a line is printed.
const LINES: usize = 11;

// Offsets of registers.
const DEVICE_FEATURES: u64 = 0x10;
const DEVICE_FEATURES_SELECT: u64 = 0x14;
const DRIVER_FEATURES: u64 = 0x20;
const DRIVER_FEATURES_SELECT: u64 = 0x24;
const QUEUE_SELECT: u64 = 0x30;
const QUEUE_SIZE_MAX: u64 = 0x34;
const QUEUE_SIZE: u64 = 0x38;
const QUEUE_READY: u64 = 0x44;
const QUEUE_NOTIFY: u64 = 0x50;
const INTERRUPT_STATUS: u64 = 0x60;
const INTERRUPT_ACK: u64 = 0x64;
const STATUS: u64 = 0x70;
const CONFIGURATION: u64 = 0x100;

/// EVENT_IDX, INDIRECT_DESC, and of networks STATUS, MRG_RXBUF, HOST_TSO4, GUEST_TSO4, MAC,
/// GUEST_CSUM and CSUM.
const FEATURES: u32 = 0x3000_0000 | 1 << 16 | 1 << 15 | 1 << 11 | 1 << 7 | 1 << 5 | 1 << 1 | 1;
/// VIRTIO_F_VERSION_1, in the upper word.
const VERSION_1: u32 = 1;

/// A descriptor.
#[repr(C, align(16))]
#[derive(Clone, Copy)]
struct Descriptor {
    address: u64,
    size: u32,
    flags: u16,
    next: u16,
}

/// The flags of descriptors.
const NEXT: u16 = 1;
const WRITE: u16 = 2;
const INDIRECT: u16 = 4;

/// A queue, which the device accesses too.
#[repr(C, align(4096))]
pub struct Queue {
    descriptors: [Descriptor; SIZE],
    available: [u16; 3 + SIZE],
    used_padding: u16,
    used: [u32; 3 + 2 * SIZE],
    table: [Descriptor; 4],
}

#[repr(C, align(4096))]
struct Memory {
    queues: [Queue; 2],
    buffers: [u8; SIZE * BUFFER],
    /// What is sent: the parts of a large frame, and small ones.
    sent: [u8; 2 * LARGE],
}

#[repr(transparent)]
struct Shared(UnsafeCell<Memory>);

// SAFETY: one CPU uses it, and every access is a volatile one through a pointer.
unsafe impl Sync for Shared {}

const NONE: Descriptor = Descriptor { address: 0, size: 0, flags: 0, next: 0 };
const EMPTY: Queue = Queue {
    descriptors: [NONE; SIZE],
    available: [0; 3 + SIZE],
    used_padding: 0,
    used: [0; 3 + 2 * SIZE],
    table: [NONE; 4],
};

static MEMORY: Shared = Shared(UnsafeCell::new(Memory {
    queues: [EMPTY; 2],
    buffers: [0; SIZE * BUFFER],
    sent: [0; 2 * LARGE],
}));
/// The device that the guest uses.
static DEVICE: Once<Device> = Once::new();

/// An open device.
struct Device {
    link: Link,
    /// The number of descriptors of its queues.
    size: usize,
}

/// Returns the number of descriptors of each queue.
fn size() -> usize {
    DEVICE.get().map_or(SIZE, |device| device.size)
}

/// Returns the place of a queue.
pub fn queue(index: usize) -> *mut Queue {
    // SAFETY: the place of a field.
    unsafe { (&raw mut (*MEMORY.0.get()).queues[index & 1]).cast() }
}

/// Returns the address of a buffer.
fn buffer(index: usize) -> u64 {
    // SAFETY: the place of a field.
    unsafe { &raw const (*MEMORY.0.get()).buffers[index % SIZE * BUFFER] as u64 }
}

/// Returns the address of a byte of what is sent.
fn sent(index: usize) -> u64 {
    // SAFETY: the place of a field.
    unsafe { &raw const (*MEMORY.0.get()).sent[index] as u64 }
}

fn write(register: u64, value: u32) {
    if let Some(device) = DEVICE.get() {
        // SAFETY: a register of the device, which the tree names; its driver is the only writer.
        unsafe { write32(device.link.registers + register, value) };
    }
}

fn read(register: u64) -> u32 {
    // SAFETY: a register of the device, which the tree names; reading it has no effect.
    DEVICE.get().map_or(0, |device| unsafe { read32(device.link.registers + register) })
}

/// Puts a chain into the available ring; `given` is the number of those before.
pub fn give(queue: *mut Queue, given: u16, head: u16) {
    // SAFETY: places of fields, of which the device only reads those that the index has shown it.
    unsafe {
        (&raw mut (*queue).available[2 + usize::from(given) % size()]).write_volatile(head);
        AtomicU16::from_ptr(&raw mut (*queue).available[1])
            .store(given.wrapping_add(1), Ordering::Release);
    }
}

/// Returns the number of chains of a queue that the device has used.
pub fn used(queue: *mut Queue) -> u16 {
    // SAFETY: the place of the index, the upper half of the first word, which the device writes.
    let index = unsafe { AtomicU16::from_ptr((&raw mut (*queue).used).cast::<u16>().add(1)) };
    index.load(Ordering::Acquire)
}

/// Writes a descriptor of a queue, which the device does not use now: address, size and flags.
pub fn describe(queue: *mut Queue, index: usize, (address, size, flags): (u64, usize, u16)) {
    let descriptor = Descriptor { address, size: size as u32, flags, next: 0 };
    // SAFETY: the place of a field.
    unsafe { (&raw mut (*queue).descriptors[index]).write_volatile(descriptor) };
}

/// Sets the device with this label up.
pub fn open(name: &str) {
    let Some(link) = machine().link(name) else { fail!("there is no link {name}") };
    // SAFETY: a register of the device, which the tree names.
    let most = unsafe { read32(link.registers + QUEUE_SIZE_MAX) } as usize;
    DEVICE.call_once(|| Device { link, size: most.min(SIZE) });
    write(STATUS, 0);
    write(STATUS, 3);
    write(DEVICE_FEATURES_SELECT, 0);
    let offered = read(DEVICE_FEATURES);
    for (word, features) in [(0, FEATURES & offered), (1, VERSION_1)] {
        write(DRIVER_FEATURES_SELECT, word);
        write(DRIVER_FEATURES, features);
    }
    write(STATUS, 11);
    for index in 0..2 {
        let place = queue(index);
        write(QUEUE_SELECT, index as u32);
        write(QUEUE_SIZE, size() as u32);
        // SAFETY: places of fields.
        let places = unsafe {
            let used = &raw const (*place).used as u64;
            [place as u64, &raw const (*place).available as u64, used]
        };
        for (register, place) in [0x80, 0x90, 0xa0].into_iter().zip(places) {
            write(register, place as u32);
            write(register + 4, (place >> 32) as u32);
        }
        write(QUEUE_READY, 1);
    }
    write(STATUS, 15);
}

/// Returns whether the driver at another end works.
pub fn is_up() -> bool {
    read(CONFIGURATION + 4) >> 16 & 1 != 0
}

/// Receives for ever.
pub fn receive() {
    open("lan");
    give_buffers();
    cpu::wait_until(|| false);
}

/// Gives the device all buffers, and has it interrupt.
pub fn give_buffers() {
    let receive = queue(0);
    for index in 0..SIZE {
        describe(receive, index, (buffer(index), BUFFER, WRITE));
        give(receive, index as u16, index as u16);
    }
    write(QUEUE_NOTIFY, 0);
    enable_interrupt();
}

/// Enables the interrupt of the device.
fn enable_interrupt() {
    if let Some(device) = DEVICE.get() {
        gic::enable(device.link.interrupt);
    }
}

/// Handles the interrupt of the device. Returns whether it is one.
pub fn take(intid: u32) -> bool {
    let Some(Device { link, size }) = DEVICE.get() else { return false };
    if link.interrupt != intid {
        return false;
    }
    write(INTERRUPT_ACK, read(INTERRUPT_STATUS));
    if *size < SIZE {
        // The console, whose buffers are not given back.
        return true;
    }
    let receive = queue(0);
    loop {
        let index = used(receive);
        // SAFETY: places of fields; the device writes the used ring, this CPU all else.
        unsafe {
            let given = &raw const (*receive).available[1];
            let before = given.read_volatile();
            // As many as were used, which is what the ring lacks.
            while given.read_volatile().wrapping_sub(SIZE as u16) != index {
                let next = given.read_volatile();
                let slot = 1 + 2 * (usize::from(next) % SIZE);
                let head = (&raw const (*receive).used).cast::<u32>().add(slot).read_volatile();
                give(receive, next, head as u16);
            }
            (&raw mut (*receive).available[2 + SIZE]).write_volatile(index);
            // What each side writes before it reads what the other wants: VIRTIO 1.2, 2.7.10.
            fence(Ordering::SeqCst);
            let event = (&raw const (*receive).used[1 + 2 * SIZE]).cast::<u16>().read_volatile();
            let given = given.read_volatile();
            if given.wrapping_sub(event).wrapping_sub(1) < given.wrapping_sub(before) {
                write(QUEUE_NOTIFY, 0);
            }
        }
        if used(receive) == index {
            return true;
        }
    }
}

/// Measures what a sender's notifications take, and what an interrupt's two accesses take.
pub fn measure() {
    open("lan");
    while !is_up() {
        cpu::relax();
    }
    let mut sent = 0;
    for (name, size) in [("link-60", 60), ("link-1500", 1500)] {
        let prepare = || {
            describe_small(0, size);
            send(&mut sent);
        };
        row(name, prepare, notify);
    }
    describe_large(0);
    keep("link-64k", samples(LARGE_TIMES, || send(&mut sent), notify));
    row("link-interrupt", || (), || write(INTERRUPT_ACK, read(INTERRUPT_STATUS)));
}

/// Measures a line of 80 characters on the virtio console as Linux prints what a program has written
/// (`drivers/tty/hvc/hvc_console.c`, `drivers/char/virtio_console.c`): the text and CR LF, in a
/// buffer each, for which it does not wait, and with the interrupt for them.
pub fn measure_terminal() {
    open("console");
    enable_interrupt();
    for (index, (at, size)) in
        [(0, console::TEXT_BYTES), (console::TEXT_BYTES, 2)].into_iter().enumerate()
    {
        describe(queue(1), index, (console::LINE[at..].as_ptr() as u64, size, 0));
    }
    console::pause();
    let silence = samples(LINES, || (), console::pause).median();
    let mut sent: u16 = 0;
    let line = samples(
        LINES,
        || (),
        || {
            for head in [0, 1] {
                // SAFETY: the place of a field; the device reads it.
                unsafe { (&raw mut (*queue(1)).available[2 + size()]).write_volatile(sent) };
                give(queue(1), sent, head);
                sent = sent.wrapping_add(1);
                notify();
            }
            cpu::unmask_interrupts();
            console::pause();
            cpu::mask_interrupts();
        },
    );
    keep("console-virtio", line.map(|it| it.saturating_sub(silence)));
}

/// Makes the frame available, after the peer has had time for the one before.
fn send(sent: &mut u16) {
    for _ in 0..400 {
        cpu::relax();
    }
    give(queue(1), *sent, 0);
    *sent = sent.wrapping_add(1);
}

/// Notifies the device of what is to be sent.
pub fn notify() {
    write(QUEUE_NOTIFY, 1);
}

/// Has a descriptor of the queue for sending describe a small frame, and its header.
pub fn describe_small(index: usize, size: usize) {
    describe(queue(1), index, (sent(SMALL), HEADER + size, 0));
}

/// Has a descriptor of the queue for sending describe a large frame: a TCP segment that is to be
/// divided, in a table of four buffers.
pub fn describe_large(index: usize) {
    /// A partial checksum; TCP over IPv4; header, segment, and where the checksum is.
    const GSO: [u8; HEADER] = [1, 1, 54, 0, 0xb4, 0x05, 34, 0, 16, 0, 0, 0];
    let parts = [HEADER + 66, LARGE / 3, LARGE / 3, LARGE / 3 - 66 + LARGE % 3];
    let send = queue(1);
    // SAFETY: places of fields, which the device does not use now.
    let table = unsafe {
        (sent(0) as *mut [u8; HEADER]).write_volatile(GSO);
        for (index, size) in parts.into_iter().enumerate() {
            let flags = if index == 3 { 0 } else { NEXT };
            let (address, next) = (sent(index * (LARGE / 3)), index as u16 + 1);
            let part = Descriptor { address, size: size as u32, flags, next };
            (&raw mut (*send).table[index]).write_volatile(part);
        }
        &raw const (*send).table as u64
    };
    describe(send, index, (table, 64, INDIRECT));
}
