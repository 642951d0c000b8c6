//! A program for Linux that prints CNTVCT_EL0, in decimal: the number of instructions, on a machine
//! whose counter counts them. It makes only two system calls, so that it takes few instructions
//! itself.

#![no_std]
#![no_main]

use core::arch::global_asm;

// The entry point has the name that linkers expect.
global_asm!(
    "
    .equ    WRITE, 64
    .equ    EXIT, 93

    .text
    .global _start
_start:
    isb
    mrs     x1, cntvct_el0
    mov     x2, #10
    mov     x3, sp
    sub     sp, sp, #32
    strb    w2, [x3, #-1]!      // LF after the digits
0:  udiv    x4, x1, x2
    msub    x5, x4, x2, x1
    add     x5, x5, #'0'
    strb    w5, [x3, #-1]!
    mov     x1, x4
    cbnz    x1, 0b
    mov     x0, #1
    mov     x1, x3
    add     x2, sp, #32
    sub     x2, x2, x3
    mov     x8, #WRITE
    svc     #0
    mov     x0, xzr
    mov     x8, #EXIT
    svc     #0
"
);

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    loop {}
}
