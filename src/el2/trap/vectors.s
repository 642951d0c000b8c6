// EL2's exception vectors (Arm ARM D1.3.1.5). A frame is 31 general registers, then zero, or the stack
// pointer of an EL2 that faulted. ELR_EL2 and SPSR_EL2 stay in their registers: EL2 runs with all
// exceptions masked, so that none can overwrite them.

        .equ    FRAME_SP, 31 * 8
        .equ    FRAME_SIZE, 32 * 8

// Saves the registers that a callee may change (AAPCS64), but x0, x1 and x30.
        .macro  save_from_2
        stp     x2, x3, [sp, #16]
        stp     x4, x5, [sp, #32]
        stp     x6, x7, [sp, #48]
        stp     x8, x9, [sp, #64]
        stp     x10, x11, [sp, #80]
        stp     x12, x13, [sp, #96]
        stp     x14, x15, [sp, #112]
        stp     x16, x17, [sp, #128]
        str     x18, [sp, #144]
        .endm

// Saves the registers that a callee preserves.
        .macro  save_from_19
        stp     x19, x20, [sp, #152]
        stp     x21, x22, [sp, #168]
        stp     x23, x24, [sp, #184]
        stp     x25, x26, [sp, #200]
        stp     x27, x28, [sp, #216]
        str     x29, [sp, #232]
        .endm

// An interrupt or SError from a guest: saves what the handler may change.
        .macro  asynchronous handler
        .balign 0x80
        stp     x0, x1, [sp, #-FRAME_SIZE]!
        save_from_2
        stp     x30, xzr, [sp, #240]    // XZR has an element of the frame
        bl      \handler
        .endm

// Branches if the register in these five bits of the syndrome is one that a callee preserves.
        .macro  check_register bit, complete
        ubfx    w2, w1, #\bit, #5
        sub     w2, w2, #19
        cmp     w2, #11
        b.lo    \complete
        .endm

// Completes the frame for such a register. Unless the instruction only reads it, which a bit of the
// syndrome says, loads it again from the frame.
        .macro  answer_completed handler, branch_if_read, bit
        save_from_19
        \branch_if_read w1, #\bit, 1f
        bl      \handler
        ldp     x19, x20, [sp, #152]
        ldp     x21, x22, [sp, #168]
        ldp     x23, x24, [sp, #184]
        ldp     x25, x26, [sp, #200]
        ldp     x27, x28, [sp, #216]
        ldr     x29, [sp, #232]
        b       resume
1:
        bl      \handler
        b       resume
        .endm

// An exception from EL2 itself: a bug of Bulkhead. The machine stops, so the guest's SP_EL0 is free
// to hold x0 while the stack changes: the old stack may be the fault.
        .macro  from_el2 kind
        .balign 0x80
        msr     sp_el0, x0
        mrs     x0, tpidr_el2
        ldr     x0, [x0, #{stack_top}]
        add     x0, x0, #{emergency_stack}
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

// Two bits of ESR_EL2.EC distinguish the frequent classes: HVC has bit 1, aborts have bit 5, MSR and
// MRS have neither. The handlers decode the rest. Their arguments are the frame and ESR_EL2.
        .equ    CALL_BIT, 26 + 1
        .equ    ABORT_BIT, 26 + 5

        .section .text.vectors, "ax"
        .balign 0x800
        .global vectors
vectors:
        from_el2 0                      // EL2 never uses SP_EL0: the same handler
        from_el2 1
        from_el2 2
        from_el2 3
        from_el2 0
        from_el2 1
        from_el2 2
        from_el2 3

        // AArch64 guest.
        .balign 0x80
        stp     x0, x1, [sp, #-FRAME_SIZE]!
synchronous:
        mrs     x1, esr_el2
        tbnz    w1, #CALL_BIT, call
        save_from_2
        stp     x30, xzr, [sp, #240]    // XZR has an element of the frame
        mov     x0, sp
        tbnz    w1, #ABORT_BIT, data_abort
        check_register 5, complete_system_register
        bl      {system_register}
        b       resume
        asynchronous {interrupt}
resume:                                 // returns to the guest
        ldp     x2, x3, [sp, #16]
        ldp     x4, x5, [sp, #32]
        ldp     x6, x7, [sp, #48]
        ldp     x8, x9, [sp, #64]
        ldp     x10, x11, [sp, #80]
        ldp     x12, x13, [sp, #96]
        ldp     x14, x15, [sp, #112]
        ldp     x16, x17, [sp, #128]
        ldr     x18, [sp, #144]
        ldr     x30, [sp, #240]
        ldp     x0, x1, [sp], #FRAME_SIZE
        eret
        dsb     nsh                     // no speculation past ERET
        isb
        asynchronous {fast_interrupt}
        b       resume
        asynchronous {serror}
        b       resume

        // A guest's AArch32 EL0.
        .balign 0x80
        stp     x0, x1, [sp, #-FRAME_SIZE]!
        b       synchronous
        asynchronous {interrupt}
        b       resume
        asynchronous {fast_interrupt}
        b       resume
        .org    vectors + 15 * 0x80     // the last entry: no earlier one is too long
        asynchronous {serror}
        b       resume

data_abort:
        check_register 16, complete_data_abort
        bl      {data_abort}
        b       resume

complete_system_register:
        answer_completed {system_register}, tbz, 0      // Direction: MSR

complete_data_abort:
        answer_completed {data_abort}, tbnz, 6  // WnR: a store

// SMCCC_ARCH_WORKAROUND_1, which a kernel calls at each of its entries, is forwarded to firmware before
// any other register is saved, if firmware offers it on this CPU. It preserves all registers but x0 to
// x3 (SMCCC 1.1, DEN0028), and is not counted.
call:
        mrs     x1, tpidr_el2
        ldr     x1, [x1, #{workaround}]
        cmp     x1, w0, uxtw
        b.ne    other_call
        mrs     x1, esr_el2
        mov     w0, #{hvc_0}
        cmp     x1, x0
        b.ne    other_call
        ldp     x0, x1, [sp], #FRAME_SIZE
        smc     #0
        eret
        dsb     nsh
        isb

other_call:
        save_from_2
        stp     x30, xzr, [sp, #240]    // XZR has an element of the frame
        mov     x0, sp
        mrs     x1, esr_el2
        bl      {call}
        b       resume

// In: x1 = kind of exception. Out: never.
el2_fault:
        save_from_2
        save_from_19
        str     x30, [sp, #240]
        mov     x0, sp
        bl      {fault}
