// The part of the firmware that runs at EL2, as a boot loader does: leaves behind what it was told
// to, and enters the image. In: w19 = the word at LEAVES.

.equ GICD_ISENABLER0, 0x08000100
.equ GICD_IPRIORITYR0, 0x08000400
.equ GICD_SGIR, 0x08000f00
.equ GICC_CTLR, 0x08010000
.equ GICR_CTLR, 0x080a0000
.equ GICR_PROPBASER, 0x080a0070
.equ GICR_PENDBASER, 0x080a0078
.equ GICR_ISENABLER0, 0x080b0100
.equ GICR_IPRIORITYR0, 0x080b0400
.equ TO_SELF, 2 << 24           // of GICD_SGIR
.equ CTLR_V3, 1 << 4 | 1 << 1   // of GICD_CTLR, Non-secure: affinity routing, Group 1

// LPI 8208, whose low ten bits are INTID 16: pending, and enabled with priority 0xa0.
.equ PROPERTIES, 0x46e00000
.equ PENDING, 0x46d00000
.equ LPI, 8192 + 16
.equ LPI_BITS, 15               // the width of INTIDs, minus one
.equ LPI_ENABLED, 0xa0 | 1

.text
leave:
    tbnz    w19, #LEAVES_LPI, leave_lpi
    tbz     w19, #LEAVES_INTERRUPTS, enter
    mrs     x0, id_aa64pfr0_el1
    ubfx    x0, x0, #24, #4
    cbnz    x0, leave_v3

    // SGI 0 of the highest priority that Non-secure code can give: acknowledged, and not ended.
    ldr     x0, =GICD_IPRIORITYR0
    strb    wzr, [x0]
    mov     w1, #1
    ldr     x0, =GICD_ISENABLER0
    str     w1, [x0]
    ldr     x0, =GICD_CTLR
    str     w1, [x0]
    ldr     x0, =GICC_CTLR
    str     w1, [x0]
    ldr     x2, =GICD_SGIR
    mov     w1, #TO_SELF
    str     w1, [x2]
    dsb     sy
    ldr     w1, [x0, #0xc]      // GICC_IAR
    b       enter

leave_v3:
    mov     x0, #0xf
    msr     S3_4_C12_C9_5, x0   // ICC_SRE_EL2
    isb
    ldr     x0, =GICR_WAKER
    ldr     w1, [x0]
    bic     w1, w1, #1 << PROCESSOR_SLEEP
    str     w1, [x0]
1:  ldr     w1, [x0]
    tbnz    w1, #CHILDREN_ASLEEP, 1b
    ldr     x0, =GICR_IGROUPR0  // without EL3 nothing else has put the SGI into Group 1
    mov     w1, #-1
    str     w1, [x0]
    ldr     x0, =GICR_IPRIORITYR0
    strb    wzr, [x0]
    mov     w1, #1
    ldr     x0, =GICR_ISENABLER0
    str     w1, [x0]
    ldr     x0, =GICD_CTLR
    mov     w1, #CTLR_V3
    str     w1, [x0]
    mov     x0, #0xff
    msr     S3_0_C4_C6_0, x0    // ICC_PMR_EL1
    mov     x0, #1
    msr     S3_0_C12_C12_7, x0  // ICC_IGRPEN1_EL1
    isb
    msr     S3_0_C12_C11_5, x0  // ICC_SGI1R_EL1: SGI 0 to this CPU
    isb
    dsb     sy
    mrs     x0, S3_0_C12_C12_0  // ICC_IAR1_EL1
    b       enter

leave_lpi:
    ldr     x0, =PROPERTIES
    mov     w1, #LPI_ENABLED
    strb    w1, [x0, #LPI - 8192]
    orr     x0, x0, #LPI_BITS
    ldr     x1, =GICR_PROPBASER
    str     x0, [x1]
    ldr     x0, =PENDING
    mov     w1, #1 << (LPI % 8)
    strb    w1, [x0, #LPI / 8]
    ldr     x1, =GICR_PENDBASER
    str     x0, [x1]
    dsb     sy
    ldr     x0, =GICR_CTLR
    mov     w1, #1              // EnableLPIs
    str     w1, [x0]
    dsb     sy

enter:
    ldr     x4, =IMAGE
    ldr     x0, =TREE
    mov     x1, xzr
    mov     x2, xzr
    mov     x3, xzr
    br      x4
