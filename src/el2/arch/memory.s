// memcpy, memset and memcmp as the compiler calls them, with accesses of up to 16 bytes. Those of
// compiler_builtins access single bytes here, because the target forbids unaligned accesses.
//
// Unaligned accesses to Normal memory are allowed (SCTLR_EL2.A = 0). With the MMU off, all memory
// is Device memory, where they fault (Arm ARM B2.8.2). So while WIDE is 0, an operation whose
// addresses and size are not all multiples of 8 is carried out byte by byte.

        .section .text.memory, "ax"

// In: x0 = destination, x1 = source, x2 = bytes. Out: x0 unchanged. Each block of up to 64 bytes is
// read before it is written, and blocks go from low to high addresses, so that regions that overlap
// are copied correctly if the destination is below the source.
        .global memcpy
memcpy:
        adrp    x3, {wide}
        ldrb    w3, [x3, :lo12:{wide}]
        mov     x4, x0
        cbz     w3, 7f
1:      subs    x2, x2, #64
        b.lo    3f
2:      ldp     x7, x8, [x1, #16]
        ldp     x9, x10, [x1, #32]
        ldp     x11, x12, [x1, #48]
        ldp     x5, x6, [x1], #64
        stp     x7, x8, [x4, #16]
        stp     x9, x10, [x4, #32]
        stp     x11, x12, [x4, #48]
        stp     x5, x6, [x4], #64
        subs    x2, x2, #64
        b.hs    2b
3:      tbz     x2, #5, 4f              // bits 5:0 are those of the remaining number of bytes
        ldp     x7, x8, [x1, #16]
        ldp     x5, x6, [x1], #32
        stp     x7, x8, [x4, #16]
        stp     x5, x6, [x4], #32
4:      tbz     x2, #4, 5f
        ldp     x5, x6, [x1], #16
        stp     x5, x6, [x4], #16
5:      tbz     x2, #3, 6f
        ldr     x5, [x1], #8
        str     x5, [x4], #8
6:      tst     x2, #7
        b.eq    9f
        tbz     x2, #2, 6f
        ldr     w5, [x1], #4
        str     w5, [x4], #4
6:      tbz     x2, #1, 6f
        ldrh    w5, [x1], #2
        strh    w5, [x4], #2
6:      tbz     x2, #0, 9f
        ldrb    w5, [x1]
        strb    w5, [x4]
9:      ret
7:      orr     x3, x0, x1
        orr     x3, x3, x2
        tst     x3, #7
        b.eq    1b
8:      subs    x2, x2, #1
        b.lo    9b
        ldrb    w5, [x1], #1
        strb    w5, [x4], #1
        b       8b

// In: x0 = destination, w1 = the byte, x2 = bytes. Out: x0 unchanged.
        .global memset
memset:
        adrp    x3, {wide}
        ldrb    w3, [x3, :lo12:{wide}]
        and     x1, x1, #0xff
        mov     x5, #0x0101010101010101
        mul     x1, x1, x5
        mov     x4, x0
        cbz     w3, 7f
        cmp     x2, #256
        b.lo    1f
        mrs     x3, dczid_el0           // zeros are written by DC ZVA if its block is 2^4 words
        cmp     x3, #4                  // and it is not prohibited (DZP)
        ccmp    x1, #0, #0, eq
        b.eq    10f
1:      subs    x2, x2, #64
        b.lo    3f
2:      stp     x1, x1, [x4, #16]
        stp     x1, x1, [x4, #32]
        stp     x1, x1, [x4, #48]
        stp     x1, x1, [x4], #64
        subs    x2, x2, #64
        b.hs    2b
3:      tbz     x2, #5, 4f
        stp     x1, x1, [x4, #16]
        stp     x1, x1, [x4], #32
4:      tbz     x2, #4, 5f
        stp     x1, x1, [x4], #16
5:      tbz     x2, #3, 6f
        str     x1, [x4], #8
6:      tst     x2, #7
        b.eq    9f
        tbz     x2, #2, 6f
        str     w1, [x4], #4
6:      tbz     x2, #1, 6f
        strh    w1, [x4], #2
6:      tbz     x2, #0, 9f
        strb    w1, [x4]
9:      ret
7:      orr     x3, x0, x2
        tst     x3, #7
        b.eq    1b
8:      subs    x2, x2, #1
        b.lo    9b
        strb    w1, [x4], #1
        b       8b
10:     stp     x1, x1, [x4]            // up to the first block's start, and beyond
        stp     x1, x1, [x4, #16]
        stp     x1, x1, [x4, #32]
        stp     x1, x1, [x4, #48]
        add     x2, x2, x4
        add     x4, x4, #64
        and     x4, x4, #~63
        sub     x2, x2, x4
        subs    x2, x2, #256
        b.lo    12f
11:     .rept   4
        dc      zva, x4
        add     x4, x4, #64
        .endr
        subs    x2, x2, #256
        b.hs    11b
12:     add     x2, x2, #256
        b       1b

// In: x0 and x1 = the addresses to compare, x2 = bytes. Out: w0 = 0 if the contents are equal,
// otherwise a value with the sign of the difference of the first bytes that differ.
        .section .text.memcmp, "ax"
        .global memcmp
memcmp:
        adrp    x3, {wide}
        ldrb    w3, [x3, :lo12:{wide}]
        cbz     w3, 7f
        subs    x2, x2, #8
        b.lo    3f
2:      ldr     x3, [x0], #8
        ldr     x4, [x1], #8
        cmp     x3, x4
        b.ne    8f
        subs    x2, x2, #8
        b.hs    2b
        cmn     x2, #8
        b.eq    6f
        ldr     x3, [x0, x2]            // the last eight bytes; those before the rest are equal
        ldr     x4, [x1, x2]
        cmp     x3, x4
        b.ne    8f
        mov     w0, wzr
        ret
3:      tbz     x2, #2, 4f              // bits 2:0 are those of the number of bytes
        ldr     w3, [x0], #4
        ldr     w4, [x1], #4
        cmp     w3, w4
        b.ne    8f
        ldr     w3, [x0, x2]            // the last four bytes
        ldr     w4, [x1, x2]
        cmp     w3, w4
        b.ne    8f
        mov     w0, wzr
        ret
4:      and     x2, x2, #3
7:      subs    x2, x2, #1
        b.lo    6f
        ldrb    w3, [x0], #1
        ldrb    w4, [x1], #1
        cmp     w3, w4
        b.eq    7b
8:      rev     x3, x3                  // the first byte becomes the most significant one
        rev     x4, x4
        cmp     x3, x4
        cset    w0, hi
        csinv   w0, w0, wzr, hs
        ret
6:      mov     w0, wzr
        ret
