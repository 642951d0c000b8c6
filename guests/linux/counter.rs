//! A program for Linux that prints a number, in decimal: CNTVCT_EL0, which on a machine whose counter
//! counts instructions is their number, or how far it advances meanwhile:
//!
//!     counter             nothing; it makes only two system calls, so that it takes few instructions
//!     counter syscalls    1,000 system calls that do nothing (getppid)
//!     counter forks       200 times: fork, execute this program anew, wait for its end

#![no_std]
#![no_main]

use core::arch::global_asm;

// The entry point has the name that linkers expect.
global_asm!(
    "
    .equ    WRITE, 64
    .equ    EXIT, 93
    .equ    GETPPID, 173
    .equ    CLONE, 220
    .equ    EXECVE, 221
    .equ    WAIT4, 260
    .equ    SIGCHLD, 17
    .equ    SYSCALLS, 1000
    .equ    FORKS, 200

    .text
    .global _start
_start:
    ldr     x0, [sp]            // argc
    isb
    mrs     x19, cntvct_el0
    mov     x1, x19
    cmp     x0, #1
    b.ls    print
    ldr     x0, [sp, #16]       // argv[1]
    ldrb    w0, [x0]
    cmp     w0, #'s'
    b.eq    syscalls
    cmp     w0, #'f'
    b.eq    forks
    mov     x0, xzr             // the program that is executed anew
    b       exit

syscalls:
    mov     x20, #SYSCALLS
1:  mov     x8, #GETPPID
    svc     #0
    subs    x20, x20, #1
    b.ne    1b
    b       done

forks:
    mov     x20, #FORKS
2:  mov     x0, #SIGCHLD
    mov     x1, xzr
    mov     x2, xzr
    mov     x3, xzr
    mov     x4, xzr
    mov     x8, #CLONE
    svc     #0
    cbz     x0, child
    tbnz    x0, #63, exit       // the error is the exit status
    mov     x0, #-1
    mov     x1, xzr
    mov     x2, xzr
    mov     x3, xzr
    mov     x8, #WAIT4
    svc     #0
    subs    x20, x20, #1
    b.ne    2b

done:
    isb
    mrs     x1, cntvct_el0
    sub     x1, x1, x19
print:
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
exit:
    mov     x8, #EXIT
    svc     #0

child:
    adr     x0, path
    adr     x1, end
    stp     x0, x1, [sp, #-32]!
    str     xzr, [sp, #16]
    mov     x1, sp
    add     x2, sp, #16         // no environment
    mov     x8, #EXECVE
    svc     #0
    mov     x0, #1
    b       exit

path:
    .asciz  \"/bin/counter\"
end:
    .asciz  \"end\"
"
);

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    loop {}
}
