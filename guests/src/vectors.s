// The exception vectors: each saves all general-purpose registers in a `Frame` and calls
// `exception`.

.macro vector kind
    .balign 128
    sub     sp, sp, #288
    stp     x0, x1, [sp]
    mov     x0, #\kind
    b       save
.endm

.section .text.vectors, "ax"
.balign 2048
.global vectors
vectors:
    vector  0                   // from the current level with SP_EL0: sync, IRQ, FIQ, SError
    vector  1
    vector  2
    vector  3
    vector  4                   // from the current level with SP_EL1
    vector  5
    vector  6
    vector  7
    vector  8                   // from EL0, AArch64
    vector  9
    vector  10
    vector  11
    vector  12                  // from EL0, AArch32
    vector  13
    vector  14
    vector  15

.text
save:
    save_x2_to_x17
    stp     x18, x19, [sp, #144]
    stp     x20, x21, [sp, #160]
    stp     x22, x23, [sp, #176]
    stp     x24, x25, [sp, #192]
    stp     x26, x27, [sp, #208]
    stp     x28, x29, [sp, #224]
    mrs     x1, elr_el1
    stp     x30, x1, [sp, #240]
    mrs     x1, spsr_el1
    mrs     x2, esr_el1
    stp     x1, x2, [sp, #256]
    mrs     x1, far_el1
    stp     x1, x0, [sp, #272]
    mov     x0, sp
    bl      exception
    ldp     x1, x2, [sp, #256]
    msr     spsr_el1, x1
    ldp     x30, x1, [sp, #240]
    msr     elr_el1, x1
    restore_x2_to_x17
    ldp     x18, x19, [sp, #144]
    ldp     x20, x21, [sp, #160]
    ldp     x22, x23, [sp, #176]
    ldp     x24, x25, [sp, #192]
    ldp     x26, x27, [sp, #208]
    ldp     x28, x29, [sp, #224]
    ldp     x0, x1, [sp]
    add     sp, sp, #288
    eret

// attempt_call(function, a, b, slot): calls function(a, b), with *slot = the stack pointer to
// return with if an exception ends it. Returns (result, 0), or (0, 1) through attempt_ended after
// an exception.
.global attempt_call
attempt_call:
    stp     x29, x30, [sp, #-112]!
    mov     x29, sp
    stp     x19, x20, [sp, #16]
    stp     x21, x22, [sp, #32]
    stp     x23, x24, [sp, #48]
    stp     x25, x26, [sp, #64]
    stp     x27, x28, [sp, #80]
    str     x3, [sp, #96]
    mov     x9, x0
    mov     x0, x1
    mov     x1, x2
    mov     x10, sp
    str     x10, [x3]
    blr     x9
    mov     x1, xzr
    b       0f

.global attempt_ended
attempt_ended:                  // x0 = the stack pointer of attempt_call
    mov     sp, x0
    mov     x0, xzr
    mov     x1, #1
0:  ldr     x3, [sp, #96]
    str     xzr, [x3]
    ldp     x19, x20, [sp, #16]
    ldp     x21, x22, [sp, #32]
    ldp     x23, x24, [sp, #48]
    ldp     x25, x26, [sp, #64]
    ldp     x27, x28, [sp, #80]
    ldp     x29, x30, [sp], #112
    ret

// The runtime and the guest bench may become one assembly module, in which a macro has one
// definition.
.purgem save_x2_to_x17
.purgem restore_x2_to_x17
