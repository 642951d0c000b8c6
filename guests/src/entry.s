// Entry by the Linux arm64 boot protocol: x0 = device tree, MMU off, interrupts masked, at EL1, or
// at EL2 on a bare machine with EL2. The image runs where it was loaded.

.equ RELATIVE, 1027             // R_AARCH64_RELATIVE
.equ SCTLR_RES1, 0x30d00800     // SCTLR_EL1 with everything off
.equ SCTLR_ON, 0x30d5180d       // the same with M, C, SA, I, nTWI and nTWE

.section .text.header, "ax"
.global image_header
image_header:
    b       primary_entry
    .long   0
    .quad   0                   // text_offset: any multiple of 2 MiB
    .quad   __image_size
    .quad   0xa                 // little endian, 4 KiB pages, anywhere in memory
    .quad   0, 0, 0
    .ascii  "ARM\x64"
    .long   0

.text
primary_entry:
    mrs     x19, cntpct_el0     // the count at the first instruction
    msr     daifset, #0xf
    mov     x20, x0
    bl      drop_to_el1
    bl      clean_image
    bl      relocate

    adrp    x0, __bss_start
    add     x0, x0, :lo12:__bss_start
    adrp    x1, __bss_end
    add     x1, x1, :lo12:__bss_end
0:  cmp     x0, x1
    b.hs    1f
    stp     xzr, xzr, [x0], #16
    b       0b

1:  mov     x0, xzr
    bl      set_stack
    mov     x0, x20
    bl      map_image
    bl      clean_image
    bl      enable_mmu
    msr     tpidr_el1, xzr
    mov     x0, x20
    mov     x1, x19
    b       start_primary

// Entry of a secondary CPU, by PSCI CPU_ON with its index as the context. Reads nothing from memory
// before its MMU is on, since the data may still be in another CPU's cache.
.global secondary_entry
secondary_entry:
    msr     daifset, #0xf
    mov     x20, x0
    bl      drop_to_el1
    bl      enable_mmu
    msr     tpidr_el1, x20
    mov     x0, x20
    bl      set_stack
    mov     x0, x20
    b       start_secondary

// Sets SP to the top of the stack of the CPU with the index in x0.
set_stack:
    adrp    x1, {stacks}
    add     x1, x1, :lo12:{stacks}
    mov     x2, #{stack_size}
    add     x0, x0, #1
    madd    x1, x0, x2, x1
    mov     sp, x1
    mov     x29, xzr
    ret

// Adds the load address to every pointer in the image, which is linked at address 0.
relocate:
    adrp    x0, __image_start
    adrp    x1, __rela_start
    add     x1, x1, :lo12:__rela_start
    adrp    x2, __rela_end
    add     x2, x2, :lo12:__rela_end
0:  cmp     x1, x2
    b.hs    1f
    ldp     x3, x4, [x1]
    ldr     x5, [x1, #16]
    add     x1, x1, #24
    cmp     x4, #RELATIVE
    b.ne    0b
    add     x5, x5, x0
    str     x5, [x0, x3]
    b       0b
1:  ret

// Cleans and invalidates the image in the caches. Writes with the MMU off bypass them, so they must
// hold no line of the image before the first such write and after the last.
clean_image:
    adrp    x0, __image_start
    adrp    x1, __image_end
    mrs     x2, ctr_el0
    ubfx    x2, x2, #16, #4     // DminLine
    mov     x3, #4
    lsl     x3, x3, x2
0:  dc      civac, x0
    add     x0, x0, x3
    cmp     x0, x1
    b.lo    0b
    dsb     sy
    ret

enable_mmu:
    adrp    x0, vectors
    add     x0, x0, :lo12:vectors
    msr     vbar_el1, x0
    ldr     x0, =0x04ff         // MAIR: 0 = normal write-back, 1 = device nGnRE
    msr     mair_el1, x0
    ldr     x0, =0x803519       // TCR: 39 bits from TTBR0, inner shareable, write-back; no TTBR1
    mrs     x1, id_aa64mmfr0_el1
    and     x1, x1, #0xf        // PARange; 5 is 48 bits, more is another format
    mov     x2, #5
    cmp     x1, x2
    csel    x1, x1, x2, lo
    bfi     x0, x1, #32, #3     // TCR.IPS
    msr     tcr_el1, x0
    adrp    x0, {root}
    add     x0, x0, :lo12:{root}
    msr     ttbr0_el1, x0
    isb
    tlbi    vmalle1
    ic      iallu
    dsb     nsh
    isb
    ldr     x0, =SCTLR_ON
    msr     sctlr_el1, x0
    isb
    ret

// Returns at EL1 with the MMU off, whether called at EL2 or at EL1.
drop_to_el1:
    ldr     x1, =SCTLR_RES1
    msr     sctlr_el1, x1
    isb
    mrs     x1, CurrentEL
    cmp     x1, #(2 << 2)
    b.ne    2f
    mov     x1, #(1 << 31)      // HCR_EL2.RW: EL1 is AArch64; nothing is trapped
    msr     hcr_el2, x1
    mov     x1, #3              // the physical counter and timer are not trapped
    msr     cnthctl_el2, x1
    msr     cntvoff_el2, xzr
    mov     x1, #0x33ff         // RES1 bits only: no traps
    msr     cptr_el2, x1
    msr     hstr_el2, xzr
    msr     vttbr_el2, xzr
    mrs     x1, midr_el1
    msr     vpidr_el2, x1
    mrs     x1, mpidr_el1
    msr     vmpidr_el2, x1

    mrs     x1, id_aa64dfr0_el1
    ubfx    x1, x1, #8, #4      // PMUVer: 0 is none, 0xf is implementation defined
    cbz     x1, 0f
    cmp     x1, #0xf
    mov     x1, xzr
    b.eq    0f
    mrs     x1, pmcr_el0
    ubfx    x1, x1, #11, #5     // HPMN: every event counter is for EL1
0:  msr     mdcr_el2, x1

    mrs     x1, id_aa64pfr0_el1
    ubfx    x1, x1, #24, #4     // GIC system registers?
    cbz     x1, 1f
    mrs     x1, S3_4_C12_C9_5   // ICC_SRE_EL2
    orr     x1, x1, #0xf        // SRE and Enable: system registers, for EL1 too
    msr     S3_4_C12_C9_5, x1
    isb
    msr     S3_4_C12_C11_0, xzr // ICH_HCR_EL2
1:  mov     x1, #0x3c5          // EL1h, all masked
    msr     spsr_el2, x1
    msr     elr_el2, x30
    eret
2:  ret
