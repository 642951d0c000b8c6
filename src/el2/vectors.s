// EL2's exception vectors (Arm ARM D1.3.1.5). A frame is 31 general registers, then the
// stack pointer of an EL2 that faulted (unused for guests), ELR_EL2 and SPSR_EL2.

        .equ    FRAME_SP, 31 * 8
        .equ    FRAME_ELR, 32 * 8
        .equ    FRAME_SIZE, 34 * 8
        .equ    EMERGENCY_STACK, 4096

        .macro  save_from_2
        stp     x2, x3, [sp, #16]
        stp     x4, x5, [sp, #32]
        stp     x6, x7, [sp, #48]
        stp     x8, x9, [sp, #64]
        stp     x10, x11, [sp, #80]
        stp     x12, x13, [sp, #96]
        stp     x14, x15, [sp, #112]
        stp     x16, x17, [sp, #128]
        stp     x18, x19, [sp, #144]
        stp     x20, x21, [sp, #160]
        stp     x22, x23, [sp, #176]
        stp     x24, x25, [sp, #192]
        stp     x26, x27, [sp, #208]
        stp     x28, x29, [sp, #224]
        str     x30, [sp, #240]
        mrs     x2, elr_el2
        mrs     x3, spsr_el2
        stp     x2, x3, [sp, #FRAME_ELR]
        .endm

// From a guest: save it all, answer, return to it.
        .macro  from_guest handler
        .balign 0x80
        sub     sp, sp, #FRAME_SIZE
        stp     x0, x1, [sp]
        save_from_2
        mov     x0, sp
        mov     x29, xzr
        bl      \handler
        b       resume_guest
        .endm

// An interrupt while a guest runs, for `handler`. What the procedure call standard has the handler preserve stays in
// its registers, and so do ELR_EL2 and SPSR_EL2: nothing that returns from here writes them.
        .macro  interrupt_from_guest handler
        .balign 0x80
        sub     sp, sp, #FRAME_SIZE
        stp     x0, x1, [sp]
        stp     x2, x3, [sp, #16]
        stp     x4, x5, [sp, #32]
        stp     x6, x7, [sp, #48]
        stp     x8, x9, [sp, #64]
        stp     x10, x11, [sp, #80]
        stp     x12, x13, [sp, #96]
        stp     x14, x15, [sp, #112]
        stp     x16, x17, [sp, #128]
        str     x18, [sp, #144]
        stp     x29, x30, [sp, #232]
        mov     x29, xzr
        bl      \handler
        b       resume_interrupted
        .endm

// From EL2 itself: a bug of Bulkhead. The machine is about to stop, so SP_EL0 (the guest's) is
// free to hold x0 while the stack changes: the old one may be what broke.
        .macro  from_el2 kind
        .balign 0x80
        msr     sp_el0, x0
        mrs     x0, tpidr_el2
        ldr     x0, [x0]
        add     x0, x0, #EMERGENCY_STACK
        sub     x0, x0, #FRAME_SIZE
        str     x1, [x0, #8]
        mov     x1, sp
        str     x1, [x0, #FRAME_SP]
        mov     sp, x0
        mrs     x1, sp_el0
        str     x1, [x0]
        mov     x1, #\kind
        b       el2_fault
        .endm

        .section .text.vectors, "ax"
        .balign 0x800
        .global vectors
vectors:
        from_el2 0                      // SP_EL0 is never in use at EL2: the same answer
        from_el2 1
        from_el2 2
        from_el2 3
        from_el2 0
        from_el2 1
        from_el2 2
        from_el2 3
        from_guest {synchronous}        // AArch64 guest
        interrupt_from_guest {interrupt}
        interrupt_from_guest {fast_interrupt}
        from_guest {serror}
        from_guest {synchronous}        // AArch32 at EL0: the kernel below is AArch64
        interrupt_from_guest {interrupt}
        interrupt_from_guest {fast_interrupt}
        from_guest {serror}

// In: x1 = kind of exception. Out: never.
el2_fault:
        save_from_2
        mov     x0, sp
        bl      {fault}

resume_interrupted:
        ldp     x2, x3, [sp, #16]
        ldp     x4, x5, [sp, #32]
        ldp     x6, x7, [sp, #48]
        ldp     x8, x9, [sp, #64]
        ldp     x10, x11, [sp, #80]
        ldp     x12, x13, [sp, #96]
        ldp     x14, x15, [sp, #112]
        ldp     x16, x17, [sp, #128]
        ldr     x18, [sp, #144]
        ldp     x29, x30, [sp, #232]
        ldp     x0, x1, [sp], #FRAME_SIZE
        eret
        dsb     nsh                     // nothing past ERET is run, or speculated
        isb

// In: sp = the frame of the guest to go (back) to, at the top of this CPU's stack.
        .global resume_guest
resume_guest:
        ldp     x2, x3, [sp, #FRAME_ELR]
        msr     elr_el2, x2
        msr     spsr_el2, x3
        ldp     x2, x3, [sp, #16]
        ldp     x4, x5, [sp, #32]
        ldp     x6, x7, [sp, #48]
        ldp     x8, x9, [sp, #64]
        ldp     x10, x11, [sp, #80]
        ldp     x12, x13, [sp, #96]
        ldp     x14, x15, [sp, #112]
        ldp     x16, x17, [sp, #128]
        ldp     x18, x19, [sp, #144]
        ldp     x20, x21, [sp, #160]
        ldp     x22, x23, [sp, #176]
        ldp     x24, x25, [sp, #192]
        ldp     x26, x27, [sp, #208]
        ldp     x28, x29, [sp, #224]
        ldr     x30, [sp, #240]
        ldp     x0, x1, [sp], #FRAME_SIZE
        eret
        dsb     nsh                     // nothing past ERET is run, or speculated
        isb

// In: x0 = where the guest begins, x1 = its processor state, x2 = its x0, x3 = this CPU's stack top.
// Out: never.
        .global enter_guest
enter_guest:
        msr     elr_el2, x0
        msr     spsr_el2, x1
        mov     sp, x3
        mov     x0, x2
        .irp    n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30
        mov     x\n, xzr
        .endr
        eret
        dsb     nsh
        isb

// In: x0 = stack top, x1 = where to go on. Out: never.
        .global restart_on_stack
restart_on_stack:
        mov     sp, x0
        mov     x29, xzr
        mov     x30, xzr
        br      x1
