// Routines that read a counter close to an event, once for each counter. The instructions between
// the reading and the event are the same on every run.

.macro runtime_vector kind
    .balign 128
    b       vectors + \kind * 128
.endm

// Exception vectors that read the counter first on an interrupt, and leave all other exceptions to
// those of the runtime.
.macro table name, counter
.section .text.vectors, "ax"
.balign 2048
.global \name\()_vectors
\name\()_vectors:
    .irp kind, 0, 1, 2, 3, 4
    runtime_vector \kind
    .endr
    .balign 128
    stp     x0, x1, [sp, #-192]!
    isb
    mrs     x0, \counter
    b       interrupted
    .irp kind, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    runtime_vector \kind
    .endr

.text
// name_spin(): unmasks interrupts and waits for one whose handler continues at name_resumed.
// Returns the counts before and after, with interrupts masked again.
.global \name\()_spin
\name\()_spin:
    msr     daifclr, #2
    isb
    mrs     x9, \counter
0:  b       0b

// name_store(address, value): the same, with a 32-bit store after the first reading of the counter.
.global \name\()_store
\name\()_store:
    msr     daifclr, #2
    isb
    mrs     x9, \counter
    str     w1, [x0]
0:  b       0b

// name_send(value): the same, with a write to ICC_SGI1R_EL1.
.global \name\()_send
\name\()_send:
    msr     daifclr, #2
    isb
    mrs     x9, \counter
    msr     S3_0_C12_C11_5, x0
0:  b       0b

.global \name\()_resumed
\name\()_resumed:
    isb
    mrs     x1, \counter
    mov     x0, x9
    msr     daifset, #2
    ret

// name_sleep(): waits for an interrupt that stays masked. Returns the counts before and after.
.global \name\()_sleep
\name\()_sleep:
    dsb     sy
    isb
    mrs     x0, \counter
    wfi
    isb
    mrs     x1, \counter
    ret
.endm

    table   ticks, cntvct_el0
    table   cycles, pmccntr_el0

.text
interrupted:                    // x0 = the count at the vector
    save_x2_to_x17
    stp     x18, x29, [sp, #144]
    mrs     x1, elr_el1
    stp     x30, x1, [sp, #160]
    mrs     x1, spsr_el1
    str     x1, [sp, #176]
    bl      {interrupt}
    ldr     x1, [sp, #176]
    msr     spsr_el1, x1
    ldp     x30, x1, [sp, #160]
    cmp     x0, #0              // where to continue, or 0: at the interrupted instruction
    csel    x1, x0, x1, ne
    msr     elr_el1, x1
    restore_x2_to_x17
    ldp     x18, x29, [sp, #144]
    ldp     x0, x1, [sp], #192
    eret

// The runtime and the guest bench may become one assembly module, in which a macro has one
// definition.
.purgem save_x2_to_x17
.purgem restore_x2_to_x17
