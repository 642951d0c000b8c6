// Enters a guest, and returns from there to the run loop.

        .equ    SAVED_SIZE, 6 * 16

        .section .text.enter, "ax"

// In: x0 = the address of the guest's first instruction, x1 = SPSR_EL2, x2 = the guest's x0.
// Returns when leave_guest is called. The frames of exits are below the saved registers.
        .global enter_guest
enter_guest:
        stp     x19, x20, [sp, #-SAVED_SIZE]!
        stp     x21, x22, [sp, #16]
        stp     x23, x24, [sp, #32]
        stp     x25, x26, [sp, #48]
        stp     x27, x28, [sp, #64]
        stp     x29, x30, [sp, #80]
        mrs     x3, tpidr_el2
        mov     x4, sp
        str     x4, [x3, #{guest_stack}]
        msr     elr_el2, x0
        msr     spsr_el2, x1
        mov     x0, x2
        .irp    n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
        mov     x\n, xzr
        .endr
        .irp    n, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30
        mov     x\n, xzr
        .endr
        eret
        dsb     nsh                     // no speculation past ERET
        isb

        .section .text.gap_of_120, "ax" // between EL2's exception vectors

// In: nothing. Returns to the caller of enter_guest.
        .global leave_guest
leave_guest:
        mrs     x3, tpidr_el2
        ldr     x4, [x3, #{guest_stack}]
        mov     sp, x4
        ldp     x21, x22, [sp, #16]
        ldp     x23, x24, [sp, #32]
        ldp     x25, x26, [sp, #48]
        ldp     x27, x28, [sp, #64]
        ldp     x29, x30, [sp, #80]
        ldp     x19, x20, [sp], #SAVED_SIZE
        ret
