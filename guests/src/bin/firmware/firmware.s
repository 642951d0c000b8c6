.equ TREE, 0x46000000
.equ IMAGE, 0x40200000
.equ SCR, 0x531                 // SCR_EL3: non-secure, EL2 is AArch64, HVC and SMC are enabled
.equ SCTLR, 0x30c50830          // SCTLR_EL2 with everything off
.equ EL2H, 0x3c9                // EL2 with its own stack, all masked
.equ CURRENT_EL3, 3 << 2

// A word in memory that says what to leave behind.
.equ LEAVES, 0x46f00000
.equ LEAVES_NO_FREQUENCY, 0     // bit numbers
.equ LEAVES_INTERRUPTS, 1
.equ LEAVES_LPI, 2

// The GIC of the machine: a GICv2, or a GICv3 with affinity routing.
.equ GICD_CTLR, 0x08000000
.equ GICD_IGROUPR, 0x08000080
.equ GICC_PMR, 0x08010004
.equ GICR_WAKER, 0x080a0014
.equ GICR_IGROUPR0, 0x080b0080
.equ GICD_WORDS, 9              // of 32 interrupts each
.equ ARE, 3 << 4                // of GICD_CTLR: affinity routing in both Security states
.equ PROCESSOR_SLEEP, 1
.equ CHILDREN_ASLEEP, 2

.equ SMCCC_VERSION, 0x80000000
.equ SMCCC_ARCH_FEATURES, 0x80000001
.equ SMCCC_ARCH_WORKAROUND_1, 0x80008000
.equ SMCCC_ARCH_WORKAROUND_2, 0x80007fff
.equ PSCI_VERSION, 0x84000000
.equ PSCI_SYSTEM_OFF, 0x84000008
.equ PSCI_FEATURES, 0x8400000a
.equ VERSION_1_1, 0x10001       // of PSCI and of the SMCCC
.equ TRNG_VERSION, 0x84000050
.equ TRNG_RND64, 0xc4000053
.equ TRNG_VERSION_1_0, 0x10000
.equ NO_ENTROPY, -3

.equ SYS_EXIT, 0x18             // semihosting

.section .text.header, "ax"
.global image_header
image_header:
    ldr     x0, =LEAVES
    ldr     w19, [x0]
    mrs     x0, currentel
    cmp     x0, #CURRENT_EL3
    b.ne    leave
    adrp    x0, firmware_vectors
    add     x0, x0, :lo12:firmware_vectors
    msr     vbar_el3, x0
    mov     x0, #SCR
    msr     scr_el3, x0
    msr     cptr_el3, xzr
    tbz     w19, #LEAVES_NO_FREQUENCY, 5f
    msr     cntfrq_el0, xzr
5:  mov     x0, #1              // the state of SMCCC_ARCH_WORKAROUND_2: on
    msr     far_el3, x0
    mrs     x0, id_aa64pfr0_el1
    ubfx    x0, x0, #24, #4     // GIC system registers?
    cbnz    x0, 2f
    ldr     x0, =GICD_IGROUPR
    ldr     w1, =0xffff00ff     // SGIs 8 to 15 stay Secure, as is usual; all others do not
    str     w1, [x0]
    mov     w1, #-1
    mov     x2, #4
1:  str     w1, [x0, x2]
    add     x2, x2, #4
    cmp     x2, #GICD_WORDS * 4
    b.lo    1b
    ldr     x0, =GICC_PMR       // Non-secure code cannot change a value below 0x80
    mov     w1, #0xff
    str     w1, [x0]
    b       3f
2:  mov     x0, #0xf            // for EL2 and EL1 too
    msr     S3_6_C12_C12_5, x0  // ICC_SRE_EL3
    ldr     x0, =GICD_CTLR
    mov     w1, #ARE
    str     w1, [x0]
    ldr     x0, =GICD_IGROUPR   // all interrupts are Non-secure
    mov     w1, #-1
    mov     x2, #4
4:  str     w1, [x0, x2]
    add     x2, x2, #4
    cmp     x2, #GICD_WORDS * 4
    b.lo    4b
    ldr     x0, =GICR_WAKER
    ldr     w1, [x0]
    bic     w1, w1, #1 << PROCESSOR_SLEEP
    str     w1, [x0]
6:  ldr     w1, [x0]
    tbnz    w1, #CHILDREN_ASLEEP, 6b
    ldr     x0, =GICR_IGROUPR0
    mov     w1, #-1
    str     w1, [x0]
3:  ldr     x0, =SCTLR
    msr     sctlr_el2, x0
    mov     x0, #EL2H
    msr     spsr_el3, x0
    adrp    x0, leave
    add     x0, x0, :lo12:leave
    msr     elr_el3, x0
    isb
    eret

.macro stop
    .balign 128
    b       .
.endm

// The only exception from a lower level is SMC. Every register is preserved except those of the
// results: x0, or x0 to x3 of TRNG_RND64.
.macro answer function, to
    ldr     w16, =\function
    cmp     w0, w16
    b.eq    \to
.endm

.section .text.vectors, "ax"
.balign 2048
firmware_vectors:
    .rept 8
    stop
    .endr
    .balign 128
    msr     tpidr_el3, x16
    answer  SMCCC_ARCH_WORKAROUND_1, none
    b       others
    .rept 7
    stop
    .endr

.text
others:
    answer  SMCCC_ARCH_WORKAROUND_2, mitigate
    answer  SMCCC_VERSION, version
    answer  PSCI_VERSION, version
    answer  PSCI_FEATURES, none
    answer  PSCI_SYSTEM_OFF, off
    answer  SMCCC_ARCH_FEATURES, features
    answer  TRNG_VERSION, trng
    answer  TRNG_RND64, random
    b       unknown
features:
    ldr     w16, =SMCCC_ARCH_WORKAROUND_1
    cmp     w1, w16
    b.eq    none
    ldr     w16, =SMCCC_ARCH_WORKAROUND_2
    cmp     w1, w16
    b.eq    none
unknown:
    mov     x0, #-1
    b       back
mitigate:                       // x0 = the previous state, which other firmware does not return
    mrs     x0, far_el3
    msr     far_el3, x1
    b       back
version:
    ldr     w0, =VERSION_1_1
    b       back
trng:
    ldr     w0, =TRNG_VERSION_1_0
    b       back
random:                         // the first call finds no entropy, as may happen
    adr     x16, has_entropy
    ldr     w0, [x16]
    mov     w1, #1
    str     w1, [x16]
    mov     x1, xzr
    cbz     w0, 1f
    mrs     x1, cntpct_el0      // random enough for a test
    mvn     x2, x1
    ror     x3, x1, #32
    b       none
1:  mov     x0, #NO_ENTROPY
    b       back
none:
    mov     x0, xzr
back:
    mrs     x16, tpidr_el3
    eret
off:
    mov     x0, #SYS_EXIT
    adr     x1, reason
    hlt     #0xf000
    b       .

.balign 8
has_entropy:
    .quad   0
reason:
    .quad   0x20026, 0          // ADP_Stopped_ApplicationExit, 0
