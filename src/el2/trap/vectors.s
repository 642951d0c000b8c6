// EL2's exception vectors (Arm ARM D1.3.1.5). A frame (arch/frame.rs) has 31 general registers,
// then zero or, for an exception from EL2, the stack pointer. ELR_EL2 and SPSR_EL2 are not saved:
// EL2 runs with all maskable exceptions masked, so nothing overwrites them.

        .equ    FRAME_SP, 31 * 8
        .equ    FRAME_SIZE, 32 * 8

// Saves the caller-saved registers (AAPCS64) other than x0, x1 and x30.
        .macro  save_from_2
        stp     x2, x3, [sp, #16]
        save_from_4
        .endm

// Saves the caller-saved registers from x4 on, other than x30.
        .macro  save_from_4
        stp     x4, x5, [sp, #32]
        stp     x6, x7, [sp, #48]
        stp     x8, x9, [sp, #64]
        stp     x10, x11, [sp, #80]
        stp     x12, x13, [sp, #96]
        stp     x14, x15, [sp, #112]
        stp     x16, x17, [sp, #128]
        str     x18, [sp, #144]
        .endm

// Saves the callee-saved registers.
        .macro  save_from_19
        stp     x19, x20, [sp, #152]
        stp     x21, x22, [sp, #168]
        stp     x23, x24, [sp, #184]
        stp     x25, x26, [sp, #200]
        stp     x27, x28, [sp, #216]
        str     x29, [sp, #232]
        .endm

// Loads the callee-saved registers.
        .macro  load_from_19
        ldp     x19, x20, [sp, #152]
        ldp     x21, x22, [sp, #168]
        ldp     x23, x24, [sp, #184]
        ldp     x25, x26, [sp, #200]
        ldp     x27, x28, [sp, #216]
        ldr     x29, [sp, #232]
        .endm

// Puts x2 into the register of the number in ISS.SRT, by a table of two instructions for each. The
// frame has the guest's x0 to x3, which the end of the exit loads; register 31 is XZR.
        .macro  set_register number
        .if \number < 4
        str     x2, [sp, #\number * 8]
        .elseif \number < 31
        mov     x\number, x2
        .else
        nop
        .endif
        b       return
        .endm

// Puts the register of the number in ISS.SRT into x2, by such a table, and branches to x0.
        .macro  get_register number
        .if \number < 4
        ldr     x2, [sp, #\number * 8]
        .elseif \number < 31
        mov     x2, x\number
        .else
        mov     x2, xzr
        .endif
        br      x0
        .endm

// An interrupt or SError from a guest: saves the registers that the handler may change.
        .macro  asynchronous handler
        .balign 0x80
        stp     x0, x1, [sp, #-FRAME_SIZE]!
        save_from_2
        stp     x30, xzr, [sp, #240]    // the element of XZR
        bl      \handler
        .endm

// Branches if the register number in the five bits of ESR_EL2 from `bit` is that of a callee-saved
// register.
        .macro  check_register bit, complete
        ubfx    w2, w1, #\bit, #5
        sub     w2, w2, #19
        cmp     w2, #11
        b.lo    \complete
        .endm

// Completes the frame for such a register, and calls the handler. If the instruction writes the
// register (`bit` of ESR_EL2), loads the callee-saved registers from the frame afterwards.
        .macro  answer_completed handler, branch_if_read, bit
        save_from_19
        \branch_if_read w1, #\bit, 1f
        bl      \handler
        load_from_19
        b       resume
1:
        bl      \handler
        b       resume
        .endm

// An exception from EL2 itself, which is a bug of Bulkhead. Changes to the emergency stack, because
// the stack pointer may be the cause. The machine ends, so the guest's SP_EL0 can hold x0
// meanwhile.
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

// Two bits of ESR_EL2.EC distinguish the frequent classes: HVC has bit 1, aborts have bit 5, MSR
// and MRS have neither. The handlers, whose arguments are the frame and ESR_EL2, decode the other
// bits.
        .equ    CALL_BIT, 26 + 1
        .equ    ABORT_BIT, 26 + 5
// ISS.ISV of an abort. If it is clear, the instruction may name any register.
        .equ    ISV_BIT, 24

// ESR_EL2 of a load by one register that zero-extends, and of a store, with a translation fault: the
// bits that are compared (EC, ISV, SSE for the load, FnV, CM, S1PTW, WnR, DFSC without the level),
// and in the upper half their values.
        .text
        .balign 8
load:   .quad   0x91000004fd2005fc
store:  .quad   0x91000044fd0005fc

// A load from UARTFR while that has no effect (see `Partition::uart_flags`), the access that guests
// repeat most often. It needs no other registers than x0 to x3.
abort:
        stp     x2, x3, [sp, #16]
        mrs     x2, hpfar_el2
        cmp     x2, #{console}
        b.ne    other_abort
        mrs     x3, far_el2
        and     x3, x3, #0xfff
        cbz     x3, data
        cmp     x3, #{flags}
        b.ne    console_abort
        ldr     x2, load
        and     w3, w1, w2
        eor     x3, x3, x2, lsr #32
        cbnz    x3, console_abort
        mrs     x0, tpidr_el2
        ldr     x0, [x0, #{running}]
        ldr     x2, [x0, #{partition}]
        ldr     w2, [x2, #{uart_flags}]
        cbz     w2, console_abort
        ldr     x3, [x0, #{console_exits}]
        add     x3, x3, #1
        str     x3, [x0, #{console_exits}]
        mrs     x3, elr_el2
        add     x3, x3, #4
        msr     elr_el2, x3

// Completes a load of x2. In: x1 = ESR_EL2; ELR_EL2 is behind the instruction.
loaded:
        ubfx    w1, w1, #16, #5
        adr     x3, 0f
        add     x3, x3, x1, lsl #3
        br      x3
0:      .irp    number, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
        set_register \number
        .endr
        .irp    number, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
        set_register \number
        .endr
return:                                 // to the guest, whose x0 to x3 the frame has
        ldp     x2, x3, [sp, #16]
        ldp     x0, x1, [sp], #FRAME_SIZE
        eret
        dsb     nsh                     // no speculation past ERET
        isb

// A store to UARTDR of a byte that ends no line, while the gate of the partition's output is open
// (`Gate`). Who publishes the byte counts the exit.
data:
        ldr     x2, store
        and     w3, w1, w2
        eor     x3, x3, x2, lsr #32
        cbnz    x3, console_abort
        adr     x0, data_known

// Loads the register that is stored into x2, and branches to x0. In: x1 = ESR_EL2. Changes x1.
stored:
        ubfx    w1, w1, #16, #5
        adr     x2, 0f
        add     x2, x2, x1, lsl #3
        br      x2
0:      .irp    number, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
        get_register \number
        .endr
        .irp    number, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
        get_register \number
        .endr
data_known:
        and     w2, w2, #0xff
        cmp     w2, #'\n'
        b.eq    line_ended
        mrs     x0, tpidr_el2
        ldr     x0, [x0, #{running}]
        ldr     x0, [x0, #{output}]
        ldr     x1, [x0, #8]            // Gate::limit
        ldaxr   x3, [x0]                // Gate::next
        cbz     x3, gate_shut
        cmp     x3, x1
        b.hs    gate_shut
        stxr    w1, xzr, [x0]
        cbnz    w1, gate_shut
        and     x1, x3, #{output_mask}
        add     x1, x1, x0
        strb    w2, [x1, #{output_bytes}]
        add     x3, x3, #1
        stlr    x3, [x0]
        mrs     x3, elr_el2
        add     x3, x3, #4
        msr     elr_el2, x3
        ldp     x2, x3, [sp, #16]
        ldp     x0, x1, [sp], #FRAME_SIZE
        eret
        dsb     nsh                     // no speculation past ERET
        isb

gate_shut:
        clrex
line_ended:
        mrs     x1, esr_el2

// Any other abort in that page. In: x1 = ESR_EL2.
console_abort:
        save_from_4
        stp     x30, xzr, [sp, #240]    // the element of XZR
        mov     x0, sp
        tbz     w1, #ISV_BIT, undescribed_abort
        check_register 16, complete_console_abort
        bl      {console_abort}
        b       resume

complete_console_abort:
        answer_completed {console_abort}, tbnz, 6       // WnR: a store

// An abort in a page behind that of the console: if the page is that of a device of links, and the
// partition has some, the room of links has the next instructions. In: x1 = ESR_EL2, x2 = HPFAR_EL2.
high_abort:
        lsr     x3, x2, #8
        cmp     x3, #{devices}
        b.ne    general_abort
        mrs     x0, tpidr_el2
        ldr     x0, [x0, #{running}]
        ldr     x3, [x0, #{link_devices}]
        cbnz    x3, link_abort
        b       general_abort

        .section .text.vectors, "ax"
        .balign 0x800
        .global vectors
vectors:
        // Exceptions from EL2, with SP_EL0 (which EL2 never uses) and with SP_EL2. These entries
        // leave room for parts of the others.
        from_el2 0

other_abort:                            // the comparison was with the console's page
        b.hi    high_abort
general_abort:
        save_from_4
        stp     x30, xzr, [sp, #240]    // the element of XZR
        mov     x0, sp
        tbz     w1, #ISV_BIT, undescribed_abort
        tbnz    w1, #16 + 4, high_register      // x16 or later
low_register:
        bl      {data_abort}
        b       resume
        from_el2 1

complete_system_register:
        answer_completed {system_register}, tbz, 0      // Direction: MSR
        from_el2 2

complete_data_abort:
        answer_completed {data_abort}, tbnz, 6  // WnR: a store
        from_el2 3

// SMCCC_ARCH_WORKAROUND_1, which kernels call at each exception from EL0, is forwarded to firmware
// before other registers are saved, if firmware offers it on this CPU. The call preserves all
// registers except x0 to x3 (SMCCC 1.1, DEN0028). It is not counted.
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
        from_el2 0

// In: x1 = the kind of exception. Does not return.
el2_fault:
        save_from_2
        save_from_19
        str     x30, [sp, #240]
        mov     x0, sp
        bl      {fault}
        from_el2 1

other_call:
        save_from_2
        stp     x30, xzr, [sp, #240]    // the element of XZR
        mov     x0, sp
        mrs     x1, esr_el2
        bl      {call}
        b       resume
        from_el2 2

undescribed_abort:
        save_from_19
        bl      {undescribed_abort}
        load_from_19
        b       resume

high_register:
        check_register 16, complete_data_abort
        b       low_register
        from_el2 3

        // From a lower Exception level in AArch64 state.
        .balign 0x80
        stp     x0, x1, [sp, #-FRAME_SIZE]!
synchronous:
        mrs     x1, esr_el2
        tbnz    w1, #CALL_BIT, call
        tbnz    w1, #ABORT_BIT, abort
        save_from_2
        stp     x30, xzr, [sp, #240]    // the element of XZR
        mov     x0, sp
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

        // From a guest's EL0 in AArch32 state. The linker script puts other functions behind the
        // first two entries, and checks where the last one is.
        .balign 0x80
        stp     x0, x1, [sp, #-FRAME_SIZE]!
        b       synchronous

        .section .text.vectors.irq, "ax"
        asynchronous {interrupt}
        b       resume

        .section .text.vectors.others, "ax"
        asynchronous {fast_interrupt}
        b       resume
        .balign 0x80
        .global last_vector
last_vector:
        asynchronous {serror}
        b       resume
