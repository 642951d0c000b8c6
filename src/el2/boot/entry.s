// Entry points for loaders and firmware. The MMU is off, so stores bypass the caches and go to
// memory: exclusive and unaligned accesses are not possible, and lines that were stored to are
// invalidated in the caches before these are turned on (Arm ARM D7.6.3, "Cacheability with the MMU
// off"). Memory that the loader did not write, and therefore did not clean, is also invalidated
// before the first store: a dirty line that was left there would overwrite the stores when it is
// evicted.

        .equ    PAGE_SIZE, 4096
        .equ    CURRENT_EL2, 2 << 2
        .equ    HCR_EL2_RW, 1 << 31
        .equ    HCR_EL2_E2H, 34
        .equ    EL2_HOST, 4 << 2        // in place of CurrentEL: E2H is 1
        .equ    SCTLR_EL2_RES1, 0x30c50830
        .equ    MPIDR_AFFINITY, 0xff00ffffff

// The header of an arm64 kernel Image.
        .section .text.header, "ax"
        .global image_header
image_header:
        b       primary_entry
        .long   0
        .quad   0                       // text_offset: 0 from a multiple of 2 MiB
        .quad   __image_size            // image_size: bytes of memory from the header
        .quad   0xa                     // flags: little-endian, 4 KiB pages, anywhere
        .quad   0, 0, 0
        .ascii  "ARM\x64"
        .long   0

// Puts EL2 into a known state, whatever ran before: E2H = 0, MMU and caches off.
        .macro  known_el2_state
        ldr     x1, =HCR_EL2_RW
        msr     hcr_el2, x1
        isb
        ldr     x1, =SCTLR_EL2_RES1
        msr     sctlr_el2, x1
        isb
        .endm

// In: x0 = the address of the device tree.
primary_entry:
        msr     daifset, #0xf
        msr     spsel, #1
        mov     x19, x0
        mrs     x20, currentel
        cmp     x20, #CURRENT_EL2
        b.ne    1f
        known_el2_state
        mrs     x1, hcr_el2             // some CPUs ignore a write of 0 to E2H
        tbz     x1, #HCR_EL2_E2H, 1f
        mov     x20, #EL2_HOST
1:
        adrp    x0, __image_start
        adrp    x1, __rela_start
        add     x1, x1, :lo12:__rela_start
        adrp    x2, __rela_end
        add     x2, x2, :lo12:__rela_end
        sub     x2, x2, x1              // bytes; an entry has 24: its place, its type, its value
        subs    x2, x2, #4 * 24
        b.lo    3f
2:      ldr     x3, [x1]                // all are R_AARCH64_RELATIVE (tests/image.rs)
        ldp     x4, x5, [x1, #16]
        ldp     x6, x7, [x1, #40]
        ldp     x8, x9, [x1, #64]
        ldr     x10, [x1, #88]
        add     x4, x4, x0
        add     x6, x6, x0
        add     x8, x8, x0
        add     x10, x10, x0
        str     x4, [x0, x3]
        str     x6, [x0, x5]
        str     x8, [x0, x7]
        str     x10, [x0, x9]
        add     x1, x1, #4 * 24
        subs    x2, x2, #4 * 24
        b.hs    2b
3:      adds    x2, x2, #4 * 24
        b.eq    5f
4:      ldr     x4, [x1, #16]
        ldr     x3, [x1], #24
        add     x4, x4, x0
        str     x4, [x0, x3]
        subs    x2, x2, #24
        b.hi    4b
5:
        adrp    x1, __stacks_start
        ldr     w2, =__stack_size
        add     x1, x1, #PAGE_SIZE      // the guard page
        add     x1, x1, x2
        sub     x1, x1, #PAGE_SIZE      // the emergency stack
        mov     sp, x1
        sub     x0, x1, #{stack_at_entry}
        mrs     x2, ctr_el0             // DminLine: log2 of the smallest line in words
        ubfx    x2, x2, #16, #4
        mov     x3, #4
        lsl     x2, x3, x2
6:      .rept   4                       // a line has at most 2 KiB (Arm ARM D24.2.34)
        dc      ivac, x0
        add     x0, x0, x2
        .endr
        cmp     x0, x1
        b.lo    6b
        dsb     sy
        mov     x29, xzr
        mov     x30, xzr
        mov     x0, x19
        lsr     x1, x20, #2
        b       {primary}

// In: nothing, because a spin table passes no argument. A CPU finds its `Handover`, which the boot
// CPU has cleaned to memory, by its affinity.
        .global secondary_entry
secondary_entry:
        msr     daifset, #0xf
        msr     spsel, #1
        known_el2_state
        mrs     x1, mpidr_el1
        ldr     x2, =MPIDR_AFFINITY
        and     x1, x1, x2
        adrp    x0, {handovers}
        add     x0, x0, :lo12:{handovers}
        add     x3, x0, #{handovers_size}
1:      cmp     x0, x3
        b.hs    2f
        ldr     x2, [x0], #{handover_size}
        cmp     x1, x2
        b.ne    1b
        ldp     x1, x2, [x0, #-56]      // mair, tcr
        ldp     x3, x4, [x0, #-40]      // ttbr0, sctlr
        ldp     x5, x6, [x0, #-24]      // stack top, index
        ldr     x7, [x0, #-8]           // work
        mov     sp, x5
        msr     mair_el2, x1
        msr     tcr_el2, x2
        msr     ttbr0_el2, x3
        isb
        tlbi    alle2
        dsb     nsh
        ic      iallu
        dsb     nsh
        isb
        msr     sctlr_el2, x4
        isb
        mov     x29, xzr
        mov     x30, xzr
        mov     x0, x6
        mov     x1, x7
        b       {secondary}
2:      wfe                             // no handover: this CPU was not started by Bulkhead
        b       2b
