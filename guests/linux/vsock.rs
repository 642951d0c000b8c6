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

mod system;

use system::{
    ACCEPT, BIND, CONNECT, LISTEN, READ, SOCK_STREAM, SOCKET, WRITE, argument, call, exit, number,
    or_exit,
};

const AF_VSOCK: u64 = 40;
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

/// Returns the result of a system call that moves bytes, or ends the program with the number of its
/// error.
fn moved(result: i64) -> u64 {
    u64::try_from(result).unwrap_or_else(|_| exit(result.unsigned_abs()))
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
    // SAFETY: the kernel passes the arguments so.
    let (verb, first, second) = unsafe { (argument(stack, 1), number(stack, 2), number(stack, 3)) };
    let (serves, holds) = (verb == b"serve", verb == b"hold");
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
