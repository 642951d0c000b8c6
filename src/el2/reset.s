// A vCPU's register files, all zero.

        .section .text, "ax"

// V0 to V31, whose upper parts as Z registers become zero with them (Arm ARM C1.2.5).
        .arch_extension fp
        .arch_extension simd
        .global zero_vector_registers
zero_vector_registers:
        .irp    n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
        movi    v\n\().2d, #0
        .endr
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

// In: x0 = the highest breakpoint, x1 = the highest watchpoint.
        .global zero_debug_registers
zero_debug_registers:
        .irp    n, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0
        cmp     x0, #\n
        b.lo    1f
        msr     dbgbcr\n\()_el1, xzr
        msr     dbgbvr\n\()_el1, xzr
1:      cmp     x1, #\n
        b.lo    2f
        msr     dbgwcr\n\()_el1, xzr
        msr     dbgwvr\n\()_el1, xzr
2:
        .endr
        ret
