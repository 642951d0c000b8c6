//! A program for Linux that exchanges messages with another partition through memory that they
//! share, as `guests/src/mailbox.rs` does, by /dev/mem:
//!
//!     shared MEMORY DOORBELL N    sends N messages, each after the answer to the one before
//!
//! MEMORY and DOORBELL are physical addresses, in decimal. An answer has each word of the message,
//! increased by one. The program does not wait for its own doorbell's interrupt, which no driver of a
//! distribution's kernel takes, but looks at the memory again and again.
//!
//! The exit status is 0; or 1 if the kernel does not map the memory, 2 if an answer is wrong, and 3 if
//! there is none.

#![no_std]
#![no_main]

use core::arch::{asm, global_asm};
use core::ptr::{read_volatile, write_volatile};

// The entry point has the name that linkers expect.
global_asm!(".global _start", "_start:", "mov x0, sp", "bl main");

// Numbers of system calls on arm64 (Linux, include/uapi/asm-generic/unistd.h).
const OPENAT: u64 = 56;
const EXIT: u64 = 93;
const SCHED_YIELD: u64 = 124;
const MMAP: u64 = 222;

const AT_FDCWD: i64 = -100;
/// O_RDWR | O_SYNC.
const READ_WRITE: u64 = 0o4010002;
/// PROT_READ | PROT_WRITE.
const PROTECTION: u64 = 3;
const MAP_SHARED: u64 = 1;

const PAGE: u64 = 0x1000;
/// How often it looks for an answer.
const LOOKS: u32 = 2_000_000;

// Offsets in the page for a pair, and their sizes: see `guests/src/mailbox.rs`.
const SENT: u64 = 0x00;
const TAKEN: u64 = 0x40;
const MESSAGES: u64 = 0x80;
const RING: u32 = 32;
const WORDS: u32 = 14;

// Offsets of the doorbell's registers.
const PORT: u64 = 0x00;
const PORTS: u64 = 0x04;
const RING_REGISTER: u64 = 0x0c;

/// Makes a system call. The result is negative after an error.
///
/// # Safety
///
/// Arguments that the call takes for addresses must be those of memory that it may access so.
unsafe fn call(number: u64, arguments: [u64; 6]) -> i64 {
    let result;
    // SAFETY: the kernel changes x0 and what the caller guarantees.
    unsafe {
        asm!(
            "svc #0",
            in("x8") number,
            inout("x0") arguments[0] => result,
            in("x1") arguments[1],
            in("x2") arguments[2],
            in("x3") arguments[3],
            in("x4") arguments[4],
            in("x5") arguments[5],
            options(nostack),
        );
    }
    result
}

/// Ends the program.
fn exit(status: u64) -> ! {
    loop {
        // SAFETY: the call takes no addresses.
        unsafe { call(EXIT, [status, 0, 0, 0, 0, 0]) };
    }
}

/// Returns the result of a system call, or ends the program after an error.
fn or_exit(result: i64) -> u64 {
    u64::try_from(result).unwrap_or_else(|_| exit(1))
}

/// Reads the decimal number in the argument with this index.
///
/// # Safety
///
/// `stack` must be the address of the arguments as the kernel passes them.
unsafe fn number(stack: *const *const u8, index: usize) -> u64 {
    // SAFETY: by the caller's guarantee; a missing argument is a null pointer.
    let mut text = unsafe { *stack.add(1 + index) };
    let mut number: u64 = 0;
    // SAFETY: the argument is a string that a zero ends.
    while !text.is_null() && unsafe { *text } != 0 {
        // SAFETY: as above.
        let digit = unsafe { *text }.wrapping_sub(b'0');
        number = number.wrapping_mul(10).wrapping_add(digit.into());
        // SAFETY: the byte is not the last one.
        text = unsafe { text.add(1) };
    }
    number
}

/// Physical memory that is mapped. The kernel maps what it does not know as memory as Device memory,
/// so that every access has to be an aligned one.
struct Mapped(u64);

impl Mapped {
    /// Maps `size` bytes at a physical address.
    fn new(file: u64, address: u64, size: u64) -> Self {
        // SAFETY: the kernel chooses the place.
        let place = unsafe { call(MMAP, [0, size, PROTECTION, MAP_SHARED, file, address]) };
        Self(or_exit(place))
    }

    fn load(&self, offset: u64) -> u32 {
        // SAFETY: the offset is that of a word in what `new` has mapped.
        let word = unsafe { read_volatile((self.0 + offset) as *const u32) };
        // SAFETY: a barrier changes no data: what follows is read after the word.
        unsafe { asm!("dmb oshld", options(nostack, preserves_flags)) };
        word
    }

    fn store(&self, offset: u64, word: u32) {
        // SAFETY: a barrier changes no data: what was written before comes first.
        unsafe { asm!("dmb osh", options(nostack, preserves_flags)) };
        // SAFETY: as for loads.
        unsafe { write_volatile((self.0 + offset) as *mut u32, word) };
    }
}

/// Returns the checksum of a message.
fn checksum(number: u32, word: impl Fn(u32) -> u32) -> u32 {
    (0..WORDS).fold(number ^ 0x9e37_79b9, |sum, index| {
        (sum.rotate_left(5) ^ word(index)).wrapping_mul(0x0100_0193)
    })
}

/// Sends a message, whose page begins at this offset, and returns its first word.
fn send(memory: &Mapped, page: u64) -> u32 {
    let number = memory.load(page + SENT);
    let first = number.wrapping_mul(31);
    let content = |index: u32| first.wrapping_add(index);
    let place = page + MESSAGES + u64::from(number % RING) * 64;
    memory.store(place, number);
    memory.store(place + 4, checksum(number, content));
    for index in 0..WORDS {
        memory.store(place + 8 + 4 * u64::from(index), content(index));
    }
    memory.store(page + SENT, number.wrapping_add(1));
    first
}

/// Waits for the next message from the page at this offset, and returns whether it is the answer to
/// that with this first word.
fn is_answered(memory: &Mapped, page: u64, first: u32) -> bool {
    let next = memory.load(page + TAKEN);
    let mut looks = 0;
    while memory.load(page + SENT) == next {
        looks += 1;
        if looks == LOOKS {
            exit(3);
        }
        // SAFETY: the call takes no addresses.
        unsafe { call(SCHED_YIELD, [0; 6]) };
    }
    let place = page + MESSAGES + u64::from(next % RING) * 64;
    let word = |index: u32| memory.load(place + 8 + 4 * u64::from(index));
    let is_right = (0..WORDS).all(|index| word(index) == first.wrapping_add(index + 1));
    let has_sum = memory.load(place + 4) == checksum(next, word);
    let is_next = memory.load(place) == next;
    memory.store(page + TAKEN, next.wrapping_add(1));
    is_right && has_sum && is_next
}

/// Runs the program. `stack` is the stack pointer at its start: the number of arguments, then the
/// arguments.
#[unsafe(no_mangle)]
extern "C" fn main(stack: *const *const u8) -> ! {
    // SAFETY: the kernel passes the arguments so.
    let [memory, doorbell, count] = [1, 2, 3].map(|index| unsafe { number(stack, index) });
    let name = c"/dev/mem".as_ptr() as u64;
    // SAFETY: the name is a string that a zero ends.
    let file = or_exit(unsafe { call(OPENAT, [AT_FDCWD as u64, name, READ_WRITE, 0, 0, 0]) });
    let doorbell = Mapped::new(file, doorbell, PAGE);
    let (own, ports) = (u64::from(doorbell.load(PORT)), u64::from(doorbell.load(PORTS)));
    let memory = Mapped::new(file, memory, ports * ports * PAGE);
    let peer = u64::from(own == 0);
    for _ in 0..count {
        let first = send(&memory, (own * ports + peer) * PAGE);
        doorbell.store(RING_REGISTER, peer as u32);
        if !is_answered(&memory, (peer * ports + own) * PAGE, first) {
            exit(2);
        }
    }
    exit(0)
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    exit(1)
}
