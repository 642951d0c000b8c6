//! A program for Linux that moves bytes through a vsock stream:
//!
//!     vsock serve PORT        waits for a connection, and copies what arrives to standard output
//!     vsock send CID PORT     copies standard input to a port of the partition with this CID
//!     vsock hold CID PORT     does that, then copies what arrives to standard output
//!
//! The exit status is 0 if the connection was closed, the number of the error that ended it (Linux,
//! include/uapi/asm-generic/errno.h), or 1 if there was no connection.

#![no_std]
#![no_main]

use core::arch::{asm, global_asm};

// The entry point has the name that linkers expect.
global_asm!(".global _start", "_start:", "mov x0, sp", "bl main");

// Numbers of system calls on arm64 (Linux, include/uapi/asm-generic/unistd.h).
const READ: u64 = 63;
const WRITE: u64 = 64;
const EXIT: u64 = 93;
const SOCKET: u64 = 198;
const BIND: u64 = 200;
const LISTEN: u64 = 201;
const ACCEPT: u64 = 202;
const CONNECT: u64 = 203;

const AF_VSOCK: u64 = 40;
const SOCK_STREAM: u64 = 1;
const ANY_CID: u32 = u32::MAX;
const STANDARD_INPUT: u64 = 0;
const STANDARD_OUTPUT: u64 = 1;

/// `struct sockaddr_vm` (vsock(7)).
#[repr(C)]
struct Address {
    family: u16,
    reserved: u16,
    port: u32,
    cid: u32,
    zero: [u8; 4],
}

/// Makes a system call. The result is negative after an error.
///
/// # Safety
///
/// Arguments that the call takes for addresses must be those of memory that it may access so.
unsafe fn call(number: u64, arguments: [u64; 3]) -> i64 {
    let result;
    // SAFETY: the kernel changes x0 and what the caller guarantees.
    unsafe {
        asm!(
            "svc #0",
            in("x8") number,
            inout("x0") arguments[0] => result,
            in("x1") arguments[1],
            in("x2") arguments[2],
            options(nostack),
        );
    }
    result
}

/// Ends the program.
fn exit(status: u64) -> ! {
    loop {
        // SAFETY: the call takes no addresses.
        unsafe { call(EXIT, [status, 0, 0]) };
    }
}

/// Returns the result of a system call, or ends the program after an error.
fn or_exit(result: i64) -> u64 {
    u64::try_from(result).unwrap_or_else(|_| exit(1))
}

/// Returns the result of a system call that moves bytes, or ends the program with the number of its
/// error.
fn moved(result: i64) -> u64 {
    u64::try_from(result).unwrap_or_else(|_| exit(result.unsigned_abs()))
}

/// Reads the decimal number in the argument with this index.
///
/// # Safety
///
/// `stack` must be the address of the arguments as the kernel passes them.
unsafe fn number(stack: *const *const u8, index: usize) -> u32 {
    // SAFETY: by the caller's guarantee; a missing argument is a null pointer.
    let mut text = unsafe { *stack.add(1 + index) };
    let mut number: u32 = 0;
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

/// Copies bytes from one file to another until there are no more.
fn copy(from: u64, to: u64) {
    let mut buffer = [0_u8; 16384];
    let start = buffer.as_mut_ptr() as u64;
    loop {
        // SAFETY: the buffer has this size.
        let size = moved(unsafe { call(READ, [from, start, buffer.len() as u64]) });
        if size == 0 {
            return;
        }
        let mut done = 0;
        while done < size {
            // SAFETY: the first `size` bytes were read.
            done += moved(unsafe { call(WRITE, [to, start + done, size - done]) });
        }
    }
}

/// Runs the program. `stack` is the stack pointer at its start: the number of arguments, then the
/// arguments.
#[unsafe(no_mangle)]
extern "C" fn main(stack: *const *const u8) -> ! {
    // SAFETY: the kernel passes the arguments so; the program has at least its name.
    let (verb, first, second) = unsafe {
        let verb = *stack.add(2);
        // The third letters of the verbs differ.
        let letter = if verb.is_null() { b'n' } else { *verb.add(2) };
        (letter, number(stack, 2), number(stack, 3))
    };
    let (serves, holds) = (verb == b'r', verb == b'l');
    let (cid, port) = if serves { (ANY_CID, first) } else { (first, second) };
    let address = Address { family: AF_VSOCK as u16, reserved: 0, port, cid, zero: [0; 4] };
    let place = [&raw const address as u64, size_of::<Address>() as u64];
    // SAFETY: the call takes no addresses.
    let socket = or_exit(unsafe { call(SOCKET, [AF_VSOCK, SOCK_STREAM, 0]) });
    let begin = if serves { BIND } else { CONNECT };
    // SAFETY: the address has this size.
    or_exit(unsafe { call(begin, [socket, place[0], place[1]]) });
    if serves {
        // SAFETY: the calls take no addresses but null, which accept(2) allows.
        let connection = unsafe {
            or_exit(call(LISTEN, [socket, 1, 0]));
            or_exit(call(ACCEPT, [socket, 0, 0]))
        };
        copy(connection, STANDARD_OUTPUT);
    } else {
        copy(STANDARD_INPUT, socket);
        if holds {
            copy(socket, STANDARD_OUTPUT);
        }
    }
    exit(0)
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    exit(1)
}
