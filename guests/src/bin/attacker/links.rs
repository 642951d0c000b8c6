//! A hostile driver of the partition's ends of links (VIRTIO 1.2, 2.7): rings outside its memory,
//! chains that loop, wrap, nest, change while they are read, or are longer than they may be.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering};

use runtime::tree::machine;
use runtime::{fail, mmio, println, secondary};

use crate::context::{Context, count};
use crate::random::Random;

/// The number of descriptors in a ring, and the bytes of the memory for rings and buffers.
const SIZE: u64 = 16;
const ARENA: usize = 0x4000;

// Offsets of registers.
const STATUS: u64 = 0x70;
const NOTIFY: u64 = 0x50;
/// The registers that are written at random.
const REGISTERS: [u64; 19] = [
    0x14, 0x20, 0x24, 0x30, 0x38, 0x44, 0x50, 0x60, 0x64, 0x70, 0x80, 0x84, 0x90, 0x94, 0xa0, 0xa4,
    0xfc, 0x100, 0xffc,
];

// Places in the arena, in 64-bit words: descriptors, the two rings, a table, and a buffer.
const DESCRIPTORS: u64 = 0x000;
const AVAILABLE: u64 = 0x100;
const USED: u64 = 0x140;
const TABLE: u64 = 0x180;
const BUFFER: u64 = 0x200;

// Flags of descriptors.
const NEXT: u64 = 1;
const WRITE: u64 = 2;
const INDIRECT: u64 = 4;

#[repr(C, align(4096))]
struct Arena(UnsafeCell<[u64; ARENA / 8]>);

// SAFETY: every access is a volatile one through a pointer.
unsafe impl Sync for Arena {}

static MEMORY: Arena = Arena(UnsafeCell::new([0; ARENA / 8]));
static IS_OVER: AtomicBool = AtomicBool::new(false);

/// Attacks all links, `rounds=N` times each (1). Other CPUs change the rings all the time.
pub fn attack() {
    let links = machine().links();
    if links[0].is_none() {
        fail!("there is no link");
    }
    for index in 1..count() {
        if let Err(error) = secondary::start(index, change) {
            fail!("CPU_ON of CPU {index} returns {error:?}");
        }
    }
    let mut context = Context::new(0);
    let mut needed = 0;
    for _ in 0..context.rounds {
        for link in links.iter().flatten() {
            needed += u64::from(attack_once(link.registers, &mut context.random));
        }
    }
    IS_OVER.store(true, Ordering::Release);
    for link in links.iter().flatten() {
        write(link.registers + STATUS, 0);
    }
    // What went to the virtio console may not have ended its line.
    println!("\nattacker: {} rounds on links, {needed} devices needed a reset", context.rounds);
}

/// Sets a device up with rings that are wrong in some way, notifies it, and writes registers at
/// random. Returns whether the device needed a reset.
fn attack_once(registers: u64, random: &mut Random) -> bool {
    write(registers + STATUS, 0);
    write(registers + STATUS, 3);
    // Most often with EVENT_IDX and indirect descriptors, and VERSION_1.
    for (word, features) in [(0, pick(random, 0x3000_0000, 0)), (1, 1)] {
        write(registers + 0x24, word);
        write(registers + 0x20, features as u32);
    }
    write(registers + STATUS, 11);
    for queue in 0..3 {
        write(registers + 0x30, queue);
        write(registers + 0x38, pick(random, SIZE, 3) as u32);
        for (register, place) in [(0x80, DESCRIPTORS), (0x90, AVAILABLE), (0xa0, USED)] {
            let address = if random.below(24) == 0 { wild(random) } else { address(place) };
            write(registers + register, address as u32);
            write(registers + register + 4, (address >> 32) as u32);
        }
        write(registers + 0x44, 1);
    }
    fill(random);
    write(registers + STATUS, 15);
    for _ in 0..4 {
        write(registers + NOTIFY, random.below(4) as u32);
        fill(random);
    }
    let needed = needs_reset(registers);
    for _ in 0..random.below(8) {
        let register = REGISTERS[random.below(REGISTERS.len() as u64) as usize];
        write(registers + register, random.value() as u32);
        if random.below(4) == 0 {
            // SAFETY: as `write`, in another size.
            unsafe { mmio::write8(registers + register + random.below(4), random.value() as u8) };
        }
    }
    needed
}

/// Starts the driver of each network with rings that are wrong, one mistake at a time, and expects
/// that the device needs a reset; then with right ones.
pub fn start_with_wrong_rings() {
    let memory = machine().memory()[0];
    let [descriptors, available, used] = [DESCRIPTORS, AVAILABLE, USED].map(address);
    // Sizes, and the three places: a size that is no power of two, places that are not aligned as
    // VIRTIO 1.2, 2.7 demands, and places before, across the end of, and far from the memory.
    let wrong = [
        (3, [descriptors, available, used]),
        (SIZE, [descriptors + 8, available, used]),
        (SIZE, [descriptors, available, used + 2]),
        (SIZE, [memory.base.wrapping_sub(16), available, used]),
        (SIZE, [descriptors, memory.base + memory.size - 2, used]),
        (SIZE, [descriptors, available, u64::MAX - 3]),
    ];
    let mut needed = 0;
    for registers in machine().links().iter().flatten().map(|link| link.registers) {
        for (size, places) in wrong {
            start(registers, size, places);
            if !needs_reset(registers) {
                fail!("a driver starts with a ring of {size} at {places:x?}");
            }
            needed += 1;
        }
        start(registers, SIZE, [descriptors, available, used]);
        if needs_reset(registers) {
            fail!("a driver with right rings needs a reset");
        }
        write(registers + STATUS, 0);
    }
    println!("attacker: {needed} devices with wrong rings needed a reset");
}

/// Resets a device, and starts its driver with queues that all have these rings.
fn start(registers: u64, size: u64, places: [u64; 3]) {
    for status in [0, 3] {
        write(registers + STATUS, status);
    }
    // VERSION_1 alone.
    for (word, features) in [(0, 0), (1, 1)] {
        write(registers + 0x24, word);
        write(registers + 0x20, features);
    }
    write(registers + STATUS, 11);
    for queue in 0..2 {
        write(registers + 0x30, queue);
        write(registers + 0x38, size as u32);
        for (register, place) in [0x80, 0x90, 0xa0].into_iter().zip(places) {
            write(registers + register, place as u32);
            write(registers + register + 4, (place >> 32) as u32);
        }
        write(registers + 0x44, 1);
    }
    write(registers + STATUS, 15);
}

/// Returns whether a device needs a reset.
fn needs_reset(registers: u64) -> bool {
    // SAFETY: a register of the device, which the tree names; reading it has no effect.
    let status = unsafe { mmio::read32(registers + STATUS) };
    status & 0x40 != 0
}

/// Fills descriptors, a table of descriptors and the available ring.
fn fill(random: &mut Random) {
    for table in [DESCRIPTORS, TABLE] {
        for index in 0..SIZE {
            let place = match random.below(24) {
                0 => wild(random),
                1 => address(TABLE),
                2 => address(DESCRIPTORS),
                _ => address(BUFFER) + random.below(0x800),
            };
            let size = match random.below(16) {
                0 => random.value() & 0xffff_ffff,
                1..=3 => 16 * random.below(SIZE + 2),
                4 => 0,
                _ => random.below(0x900),
            };
            let flags = match random.below(12) {
                0 => random.below(8),
                1 => INDIRECT,
                2 | 3 => NEXT,
                4 => NEXT | WRITE,
                5..=7 => WRITE,
                _ => 0,
            };
            let next = pick(random, random_index(index), 0xffff);
            put(table + 2 * index, place);
            put(table + 2 * index + 1, size | flags << 32 | next << 48);
        }
    }
    let head = |random: &mut Random| {
        let usual = random.below(SIZE);
        pick(random, usual, 0xffff)
    };
    let usual = random.below(SIZE + 1);
    // Flags, the index, then heads of chains.
    let start = [random.below(2), pick(random, usual, 0xffff), head(random), head(random)];
    put(AVAILABLE, start.into_iter().rev().fold(0, |word, part| word << 16 | part));
    for word in 1..SIZE / 4 + 1 {
        let heads = [head(random), head(random), head(random), head(random)];
        put(AVAILABLE + word, heads.into_iter().rev().fold(0, |heads, head| heads << 16 | head));
    }
}

/// Changes the rings while the device reads them, until the attack is over.
fn change(index: usize) {
    let mut random = Context::new(index).random;
    while !IS_OVER.load(Ordering::Acquire) {
        match random.below(64) {
            0 => put(random.below(BUFFER), random.value()),
            _ => fill(&mut random),
        }
    }
}

/// Returns the index of a descriptor near another one: the next, or the same.
fn random_index(index: u64) -> u64 {
    (index + u64::from(!index.is_multiple_of(5))) % SIZE
}

/// Returns the usual value, or now and then another one.
fn pick(random: &mut Random, usual: u64, other: u64) -> u64 {
    if random.below(200) == 0 { other } else { usual }
}

/// Returns an address that is not in the arena: of a device, at an end of the memory, or anything.
fn wild(random: &mut Random) -> u64 {
    let memory = machine().memory()[0];
    match random.below(6) {
        0 => machine().uart,
        1 => memory.base + memory.size - random.below(64),
        2 => memory.base.wrapping_sub(random.below(64)),
        3 => memory.base + memory.size + random.below(1 << 20) * 16,
        4 => u64::MAX - random.below(64),
        _ => random.next(),
    }
}

/// Returns the address of a word of the arena.
fn address(word: u64) -> u64 {
    MEMORY.0.get() as u64 + 8 * word
}

/// Writes a word of the arena.
fn put(word: u64, value: u64) {
    let place = address(word % (ARENA as u64 / 8)) as *mut u64;
    // SAFETY: a word of the arena; no reference to it exists.
    unsafe { place.write_volatile(value) };
}

/// Writes a register.
fn write(register: u64, value: u32) {
    // SAFETY: a register of a device that the tree names, whose effects are confined to what the
    // device may access: this is what is tried here.
    unsafe { mmio::write32(register, value) };
}
