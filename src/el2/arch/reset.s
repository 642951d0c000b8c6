// Zeroes registers that a vCPU can use: files of numbered registers, and the upper halves of
// 128-bit registers. Some of these functions fit between EL2's exception vectors: see the linker
// script.

        .section .text.gap_of_120, "ax"

// FPCR, FPSR and V0 to V31, whose upper parts as Z registers become zero too (Arm ARM C1.2.5).
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

        .section .text.gap_of_76, "ax"

// SVE's predicate registers and its first-fault register.
        .arch_extension sve
        .global zero_predicate_registers
zero_predicate_registers:
        .irp    n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
        pfalse  p\n\().b
        .endr
        wrffr   p0.b
        ret

        .section .text.gap_of_120, "ax"

// The EL1 registers that have 128 bits with FEAT_D128. MSR does not write their upper halves.
        .arch_extension d128
        .arch_extension the
        .global zero_upper_halves
zero_upper_halves:
        mov     x0, xzr
        mov     x1, xzr
        msrr    ttbr0_el1, x0, x1
        msrr    ttbr1_el1, x0, x1
        msrr    par_el1, x0, x1
        msrr    rcwmask_el1, x0, x1
        msrr    rcwsmask_el1, x0, x1
        ret

        .section .text, "ax"

// In: x0 = the number of breakpoints, x1 = the number of watchpoints, from 0 to 16. Zeroes those
// with lower numbers. The two instructions for number n are (n + 1) * 8 bytes before the label.
        .global zero_debug_registers
zero_debug_registers:
        adr     x2, 1f
        sub     x2, x2, x0, lsl #3
        br      x2
        .irp    n, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0
        msr     dbgbcr\n\()_el1, xzr
        msr     dbgbvr\n\()_el1, xzr
        .endr
1:      adr     x2, 1f
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
