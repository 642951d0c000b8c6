//! A program for Linux that moves bytes by TCP, and measures how long that takes:
//!
//!     tcp serve PORT TIMES        waits for connections one after another, and reads what arrives
//!     tcp send A B C D PORT MIB   sends to the address A.B.C.D, and prints in decimal how far
//!                                 CNTVCT_EL0 advances from the first byte until the peer has
//!                                 read the last one and closed the connection
//!
//! The exit status is 0, or 1 after any error.

#![no_std]
#![no_main]

mod system;

use core::arch::asm;
use system::{
    ACCEPT, BIND, CONNECT, LISTEN, READ, SOCK_STREAM, SOCKET, WRITE, argument, call, exit, number,
    or_exit,
};

const CLOSE: u64 = 57;
const SHUTDOWN: u64 = 210;

const AF_INET: u16 = 2;
/// The end of what is sent (shutdown(2)).
const SHUT_WR: u64 = 1;
const STANDARD_OUTPUT: u64 = 1;

/// The number of bytes that a system call moves at most.
const SIZE: usize = 64 << 10;

/// `struct sockaddr_in` (ip(7)). Port and address are in network byte order.
#[repr(C)]
struct Address {
    family: u16,
    port: [u8; 2],
    address: [u8; 4],
    zero: [u8; 8],
}

/// Runs the program. `stack` is the stack pointer at its start: the number of arguments, then the
/// arguments.
#[unsafe(no_mangle)]
extern "C" fn main(stack: *const *const u8) -> ! {
    let mut buffer = [0; SIZE];
    // SAFETY: the kernel passes the arguments so.
    let (verb, words) =
        unsafe { (argument(stack, 1), [2, 3, 4, 5, 6, 7].map(|index| number(stack, index))) };
    let [a, b, c, d, port, mib] = words;
    if verb == b"serve" {
        serve(a as u16, b, &mut buffer);
    } else {
        send([a, b, c, d].map(|part| part as u8), port as u16, mib, &mut buffer);
    }
    exit(0)
}

/// Returns a socket that is bound or connected to a port.
fn open(verb: u64, address: [u8; 4], port: u16) -> u64 {
    let address = Address { family: AF_INET, port: port.to_be_bytes(), address, zero: [0; 8] };
    // SAFETY: the first call takes no addresses; the address has this size.
    unsafe {
        let socket = or_exit(call(SOCKET, [AF_INET.into(), SOCK_STREAM, 0]));
        or_exit(call(verb, [socket, &raw const address as u64, size_of::<Address>() as u64]));
        socket
    }
}

/// Reads what arrives in a number of connections.
fn serve(port: u16, times: u32, buffer: &mut [u8; SIZE]) {
    let socket = open(BIND, [0; 4], port);
    // SAFETY: the call takes no addresses.
    or_exit(unsafe { call(LISTEN, [socket, 1, 0]) });
    for _ in 0..times {
        // SAFETY: the call takes no addresses but null, which accept(2) allows.
        let connection = or_exit(unsafe { call(ACCEPT, [socket, 0, 0]) });
        while read(connection, buffer) > 0 {}
        // SAFETY: the call takes no addresses.
        or_exit(unsafe { call(CLOSE, [connection, 0, 0]) });
    }
}

/// Reads into a buffer, and returns the number of bytes; 0 at the end.
fn read(file: u64, buffer: &mut [u8; SIZE]) -> u64 {
    // SAFETY: the buffer has this size.
    or_exit(unsafe { call(READ, [file, buffer.as_mut_ptr() as u64, SIZE as u64]) })
}

/// Sends bytes, and prints how long it takes.
fn send(address: [u8; 4], port: u16, mib: u32, buffer: &mut [u8; SIZE]) {
    let socket = open(CONNECT, address, port);
    let start = counter();
    let mut left = u64::from(mib) << 20;
    while left > 0 {
        let size = left.min(SIZE as u64);
        // SAFETY: the buffer has this size.
        left -= or_exit(unsafe { call(WRITE, [socket, buffer.as_ptr() as u64, size]) });
    }
    // SAFETY: the call takes no addresses.
    or_exit(unsafe { call(SHUTDOWN, [socket, SHUT_WR, 0]) });
    while read(socket, buffer) > 0 {}
    print(counter() - start);
}

/// Returns the virtual counter.
fn counter() -> u64 {
    let count;
    // SAFETY: reading the counter, which Linux lets programs do, has no effect.
    unsafe { asm!("isb", "mrs {}, cntvct_el0", out(reg) count, options(nomem, nostack)) };
    count
}

/// Prints a number and a line end.
fn print(mut number: u64) {
    let mut text = [b'\n'; 21];
    let mut first = text.len() - 1;
    loop {
        first -= 1;
        text[first] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    let text = &text[first..];
    // SAFETY: the text has this size.
    or_exit(unsafe { call(WRITE, [STANDARD_OUTPUT, text.as_ptr() as u64, text.len() as u64]) });
}
