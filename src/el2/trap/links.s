// The accesses to a device of a link that its driver makes for each interrupt and each notification
// (VIRTIO 1.2, 4.2.2): of aligned words. All others go to general_abort.

        .section .text.links, "ax"
        .balign 8
// As `load` and `store` of vectors.s, with ISS.SAS: a word.
load_word:
        .quad   0x91800004fde005fc
store_word:
        .quad   0x91800044fdc005fc

// Branches unless ESR_EL2 is that of an access by one register. Changes x0 and x2.
        .macro  check_access access, otherwise
        ldr     x2, \access
        and     w0, w1, w2
        eor     x0, x0, x2, lsr #32
        cbnz    x0, \otherwise
        .endm

// Counts an exit, and moves ELR_EL2 past the instruction. Changes x0 and x3.
        .macro  accept
        mrs     x0, tpidr_el2
        ldr     x0, [x0, #{running}]
        ldr     x3, [x0, #{link_exits}]
        add     x3, x3, #1
        str     x3, [x0, #{link_exits}]
        mrs     x3, elr_el2
        add     x3, x3, #4
        msr     elr_el2, x3
        .endm

// In: x1 = ESR_EL2, x2 = HPFAR_EL2, x3 = the partition's `DeviceHeads`.
link_abort:
        ubfx    x2, x2, #4, #4
        ldr     x3, [x3, x2, lsl #3]
        cbz     x3, general_abort
        mrs     x2, far_el2
        and     x2, x2, #0xfff
        cmp     x2, #{queue_notify}
        b.eq    queue_notify
        cmp     x2, #{interrupt_status}
        b.eq    interrupt_status
        cmp     x2, #{interrupt_ack}
        b.ne    general_abort

// `Signals::acknowledge`. If the interrupt stays asserted, it has to be asserted again.
        check_access store_word, general_abort
        ldr     x3, [x3]
        adr     x0, bits_known
        b       stored
bits_known:
        and     w2, w2, #{interrupts}
0:      ldaxr   w0, [x3]
        bic     w0, w0, w2
        tst     w0, #{interrupts}
        b.ne    other_interrupts
        stlxr   w1, w0, [x3]
        cbnz    w1, 0b
        accept
        b       return

other_interrupts:
        clrex
        mrs     x1, esr_el2
        b       general_abort

// `Signals::interrupts`.
interrupt_status:
        check_access load_word, general_abort
        ldr     x3, [x3]
        ldar    w2, [x3]
        and     w2, w2, #{interrupts}
        accept
        b       loaded

// A notification. The value is in the frame after the registers are saved, for XZR too.
queue_notify:
        check_access store_word, general_abort
        save_from_4
        stp     x30, xzr, [sp, #240]    // the element of XZR
        mov     x0, sp
        check_register 16, complete_notify
        mov     x2, x3
        bl      {notify}
        b       resume

complete_notify:
        mov     x2, x3
        answer_completed {notify}, tbnz, 6      // WnR: a store
