//! Tests Bulkhead's memcpy, memset and memcmp, which this guest has in place of the compiler's, at
//! every alignment and length that they distinguish: with wide accesses, and with those that work
//! with the MMU off.

#![no_std]
#![no_main]

use core::arch::global_asm;
use core::cell::UnsafeCell;
use core::cmp::Ordering::{Equal, Greater, Less};
use core::sync::atomic::{AtomicBool, Ordering};

use runtime::gic::Interrupt;
use runtime::{fail, println};

runtime::guest!(main, interrupt);

global_asm!(include_str!("../../../src/el2/arch/memory.s"), wide = sym WIDE);

/// Whether wide accesses are used, as in `src/el2/arch/memory.rs`; set by `main`.
static WIDE: AtomicBool = AtomicBool::new(false);

unsafe extern "C" {
    fn memcpy(to: *mut u8, from: *const u8, bytes: usize) -> *mut u8;
    fn memset(to: *mut u8, byte: i32, bytes: usize) -> *mut u8;
    fn memcmp(one: *const u8, other: *const u8, bytes: usize) -> i32;
}

/// The numbers of offsets from a multiple of 16 and of lengths: the longest loop twice, and each
/// remainder.
const OFFSETS: usize = 17;
const LENGTHS: usize = 2 * 64 + 64;
/// The value of bytes that must not be written.
const GUARD: u8 = 0xee;

#[repr(align(16))]
struct Buffer(UnsafeCell<[u8; OFFSETS + LENGTHS + 16]>);

// SAFETY: there is one CPU, and nothing uses the buffers in an interrupt.
unsafe impl Sync for Buffer {}

static TO: Buffer = Buffer(UnsafeCell::new([0; OFFSETS + LENGTHS + 16]));
static FROM: Buffer = Buffer(UnsafeCell::new([0; OFFSETS + LENGTHS + 16]));

impl Buffer {
    fn at(&self, offset: usize) -> *mut u8 {
        self.0.get().cast::<u8>().wrapping_add(offset)
    }

    /// Reads a byte, without the functions under test.
    fn get(&self, index: usize) -> u8 {
        // SAFETY: all callers pass an index within the buffer.
        unsafe { self.at(index).read_volatile() }
    }

    fn set(&self, index: usize, byte: u8) {
        // SAFETY: as in `get`.
        unsafe { self.at(index).write_volatile(byte) }
    }

    fn fill(&self, byte: impl Fn(usize) -> u8) {
        (0..OFFSETS + LENGTHS + 16).for_each(|index| self.set(index, byte(index)));
    }

    /// Returns whether `bytes` bytes from `offset` on have the values of `byte`, and all others
    /// that of [`GUARD`].
    fn holds(&self, offset: usize, bytes: usize, byte: impl Fn(usize) -> u8) -> bool {
        (0..OFFSETS + LENGTHS + 16).all(|index| {
            let is_inside = (offset..offset + bytes).contains(&index);
            self.get(index) == if is_inside { byte(index - offset) } else { GUARD }
        })
    }
}

fn main() {
    let mut tries = 0;
    for wide in [false, true] {
        WIDE.store(wide, Ordering::Relaxed);
        tries += test_memcpy() + test_memset() + test_memcmp();
    }
    println!("memory: done, {tries} tries");
}

fn interrupt(_: Interrupt) {}

fn test_memcpy() -> u32 {
    let mut tries = 0;
    FROM.fill(|index| index as u8 ^ 0x5a);
    for (to, from) in pairs() {
        for bytes in 0..LENGTHS {
            TO.fill(|_| GUARD);
            // SAFETY: both ranges are within their buffers.
            let result = unsafe { memcpy(TO.at(to), FROM.at(from), bytes) };
            if result != TO.at(to) || !TO.holds(to, bytes, |index| FROM.get(from + index)) {
                fail!("memcpy of {bytes} bytes from offset {from} to {to}");
            }
            tries += 1;
        }
    }
    tries
}

fn test_memset() -> u32 {
    let mut tries = 0;
    for to in 0..OFFSETS {
        for bytes in 0..LENGTHS {
            for byte in [0, 0xa5] {
                TO.fill(|_| GUARD);
                // SAFETY: the range is within the buffer. Only bits 7:0 of the value count.
                let result = unsafe { memset(TO.at(to), byte | 0x700, bytes) };
                if result != TO.at(to) || !TO.holds(to, bytes, |_| byte as u8) {
                    fail!("memset of {bytes} bytes at offset {to}");
                }
                tries += 1;
            }
        }
    }
    tries
}

/// Compares equal ranges, and ranges that differ in one byte, whose further bytes must not matter.
fn test_memcmp() -> u32 {
    const BYTES: usize = 27;
    let mut tries = 0;
    for (one, other) in pairs() {
        for bytes in 0..BYTES {
            for place in 0..bytes + 2 {
                for (left, right) in [(0x7f, 0x80), (0x80, 0x7f)] {
                    TO.fill(|_| GUARD);
                    FROM.fill(|_| GUARD);
                    (0..bytes).for_each(|index| TO.set(one + index, index as u8));
                    (0..bytes).for_each(|index| FROM.set(other + index, index as u8));
                    TO.set(one + place, left);
                    FROM.set(other + place, right);
                    if place + 1 < bytes {
                        TO.set(one + place + 1, right);
                        FROM.set(other + place + 1, left);
                    }
                    let expected = match place < bytes {
                        true if left < right => Less,
                        true => Greater,
                        false => Equal,
                    };
                    // SAFETY: both ranges are within their buffers.
                    let result = unsafe { memcmp(TO.at(one), FROM.at(other), bytes) };
                    if result.cmp(&0) != expected {
                        fail!("memcmp of {bytes} bytes at {one} and {other}, differing at {place}");
                    }
                    tries += 1;
                }
            }
        }
    }
    tries
}

/// Returns the offsets for two buffers: every pair of remainders of 8, and a few more.
fn pairs() -> impl Iterator<Item = (usize, usize)> {
    (0..9).flat_map(|one| (0..9).map(move |other| (one, other))).chain([(16, 8), (8, 16), (16, 1)])
}
