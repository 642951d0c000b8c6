// A vCPU's register files, all zero.

        .section .text, "ax"

// V0 to V31, whose upper parts as Z registers become zero with them (Arm ARM C1.2.5).
        .arch_extension fp
        .arch_extension simd
        .global zero_vector_registers
zero_vector_registers:
        adr     x0, zeros
        ld1     {v0.2d-v3.2d}, [x0]
        ld1     {v4.2d-v7.2d}, [x0]
        ld1     {v8.2d-v11.2d}, [x0]
        ld1     {v12.2d-v15.2d}, [x0]
        ld1     {v16.2d-v19.2d}, [x0]
        ld1     {v20.2d-v23.2d}, [x0]
        ld1     {v24.2d-v27.2d}, [x0]
        ld1     {v28.2d-v31.2d}, [x0]
        msr     fpcr, xzr
        msr     fpsr, xzr
        ret

// SVE's predicates and its first-fault register.
        .arch_extension sve
        .global zero_predicate_registers
zero_predicate_registers:
        .irp    n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
        pfalse  p\n\().b
        .endr
        wrffr   p0.b
        ret

// In: x0 = the highest breakpoint, x1 = the highest watchpoint, 15 at the most. Of each kind those from the highest
// on down are zeroed: its two instructions lie so many times 8 bytes before those of number 0.
        .global zero_debug_registers
zero_debug_registers:
        adr     x2, 1f - 8
        sub     x2, x2, x0, lsl #3
        br      x2
        .irp    n, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0
        msr     dbgbcr\n\()_el1, xzr
        msr     dbgbvr\n\()_el1, xzr
        .endr
1:      adr     x2, 1f - 8
        sub     x2, x2, x1, lsl #3
        br      x2
        .irp    n, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0
        msr     dbgwcr\n\()_el1, xzr
        msr     dbgwvr\n\()_el1, xzr
        .endr
1:      ret

        .section .rodata, "a"
        .balign 16
zeros:  .zero   64
