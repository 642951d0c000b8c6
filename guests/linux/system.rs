//! What the programs for Linux need of the system: its calls, and the arguments.

use core::arch::{asm, global_asm};
use core::ffi::CStr;

// The entry point has the name that linkers expect.
global_asm!(".global _start", "_start:", "mov x0, sp", "bl main");

// Numbers of system calls on arm64 (Linux, include/uapi/asm-generic/unistd.h).
pub const READ: u64 = 63;
pub const WRITE: u64 = 64;
const EXIT: u64 = 93;
pub const SOCKET: u64 = 198;
pub const BIND: u64 = 200;
pub const LISTEN: u64 = 201;
pub const ACCEPT: u64 = 202;
pub const CONNECT: u64 = 203;

/// The type of a socket for a stream.
pub const SOCK_STREAM: u64 = 1;

/// Makes a system call. The result is negative after an error.
///
/// # Safety
///
/// Arguments that the call takes for addresses must be those of memory that it may access so.
pub unsafe fn call(number: u64, arguments: [u64; 3]) -> i64 {
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
pub fn exit(status: u64) -> ! {
    loop {
        // SAFETY: the call takes no addresses.
        unsafe { call(EXIT, [status, 0, 0]) };
    }
}

/// Returns the result of a system call, or ends the program after an error.
pub fn or_exit(result: i64) -> u64 {
    u64::try_from(result).unwrap_or_else(|_| exit(1))
}

/// Returns the argument with this index; an empty one if it is missing.
///
/// # Safety
///
/// `stack` must be the address of the arguments as the kernel passes them: their number, then the
/// arguments, then a null pointer; no index before may be missing.
pub unsafe fn argument(stack: *const *const u8, index: usize) -> &'static [u8] {
    // SAFETY: by the caller's guarantee; an argument is a string that a zero ends, and stays.
    unsafe {
        let text = *stack.add(1 + index);
        if text.is_null() { &[] } else { CStr::from_ptr(text.cast()).to_bytes() }
    }
}

/// Returns the decimal number in the argument with this index; 0 if there is none.
///
/// # Safety
///
/// As [`argument`].
pub unsafe fn number(stack: *const *const u8, index: usize) -> u32 {
    // SAFETY: by the caller's guarantee.
    let text = unsafe { argument(stack, index) };
    let digit = |number: u32, digit: &u8| {
        number.wrapping_mul(10).wrapping_add(digit.wrapping_sub(b'0').into())
    };
    text.iter().fold(0, digit)
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    exit(1)
}
