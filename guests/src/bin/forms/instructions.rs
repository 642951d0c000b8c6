//! The forms: each instruction with writeback or of a pair, as a function.

use core::arch::{asm, naked_asm};

use crate::plain::Sign::{self, To32, To64, Zero};

/// A form of a load or store.
pub struct Form {
    /// The instruction.
    pub text: &'static str,
    /// The size of one register's access, in bytes.
    pub size: u64,
    /// Whether two registers are transferred.
    pub is_pair: bool,
    /// Whether it is a store.
    pub is_store: bool,
    /// How a load extends.
    pub sign: Sign,
    /// What is added to the base for the address, and in all, in bytes.
    pub before: i64,
    /// See [`before`](Self::before).
    pub after: i64,
    /// Executes the instruction with this base and these registers, and returns them all.
    function: unsafe fn(u64, [u64; 2]) -> ([u64; 2], u64),
}

impl Form {
    /// Returns whether the base is the stack pointer.
    pub fn base_is_sp(&self) -> bool {
        self.text.contains("[sp")
    }

    /// Executes the instruction with this base and these values of its registers. Returns the
    /// registers' values and that of the base afterwards.
    ///
    /// # Safety
    ///
    /// The access has no effect on this program.
    pub unsafe fn run(&self, base: u64, values: [u64; 2]) -> ([u64; 2], u64) {
        // SAFETY: guaranteed by the caller.
        unsafe { (self.function)(base, values) }
    }
}

/// Makes the table. Each row has the registers for the two values and for the base, the instruction
/// and the fields of [`Form`].
macro_rules! forms {
    ($($a:literal $b:literal $base:literal: $text:literal $size:literal $sign:ident
        $is_pair:literal $is_store:literal $before:literal $after:literal;)*) => {
        [$({
            unsafe fn function(base: u64, [a, b]: [u64; 2]) -> ([u64; 2], u64) {
                let (a_after, b_after, base_after): (u64, u64, u64);
                // SAFETY: guaranteed by the caller of `Form::run`. The stack pointer and the
                // callee-saved registers are restored, and interrupts are masked all the time.
                unsafe {
                    asm!(
                        "stp x19, x20, [sp, #-32]!",
                        "stp x28, x29, [sp, #16]",
                        "mov x11, sp",
                        concat!("mov ", $a, ", x8"),
                        concat!("mov ", $b, ", x9"),
                        concat!("mov ", $base, ", x10"),
                        $text,
                        concat!("mov x10, ", $base),
                        "mov sp, x11",
                        concat!("mov x8, ", $a),
                        concat!("mov x9, ", $b),
                        "ldp x28, x29, [sp, #16]",
                        "ldp x19, x20, [sp], #32",
                        inout("x8") a => a_after,
                        inout("x9") b => b_after,
                        inout("x10") base => base_after,
                        out("x11") _, out("x12") _, out("x13") _, out("x14") _,
                    );
                }
                ([a_after, b_after], base_after)
            }
            Form {
                text: $text, size: $size, sign: $sign, is_pair: $is_pair, is_store: $is_store,
                before: $before, after: $after, function,
            }
        }),*]
    };
}

/// All forms. Some have registers that Bulkhead saves only if it must, or the stack pointer as base.
#[rustfmt::skip]
pub static FORMS: [Form; 49] = forms! {
    "x12" "x13" "x14": "ldrb w12, [x14], #1"           1 Zero false false 0 1;
    "x12" "x13" "x14": "ldrb w12, [x14, #-1]!"         1 Zero false false -1 -1;
    "x12" "x13" "x14": "ldrh w12, [x14], #2"           2 Zero false false 0 2;
    "x12" "x13" "x14": "ldrh w12, [x14, #255]!"        2 Zero false false 255 255;
    "x12" "x13" "x14": "ldr w12, [x14], #4"            4 Zero false false 0 4;
    "x12" "x13" "x14": "ldr w12, [x14, #-256]!"        4 Zero false false -256 -256;
    "x12" "x13" "x14": "ldr x12, [x14], #8"            8 Zero false false 0 8;
    "x12" "x13" "x14": "ldr x12, [x14, #8]!"           8 Zero false false 8 8;
    "x12" "x13" "x14": "ldrsb w12, [x14], #1"          1 To32 false false 0 1;
    "x12" "x13" "x14": "ldrsb x12, [x14, #1]!"         1 To64 false false 1 1;
    "x12" "x13" "x14": "ldrsh w12, [x14, #2]!"         2 To32 false false 2 2;
    "x12" "x13" "x14": "ldrsh x12, [x14], #-2"         2 To64 false false 0 -2;
    "x12" "x13" "x14": "ldrsw x12, [x14], #4"          4 To64 false false 0 4;
    "x12" "x13" "x14": "ldrsw x12, [x14, #4]!"         4 To64 false false 4 4;
    "x12" "x13" "x14": "strb w12, [x14], #1"           1 Zero false true 0 1;
    "x12" "x13" "x14": "strb w12, [x14, #1]!"          1 Zero false true 1 1;
    "x12" "x13" "x14": "strh w12, [x14], #2"           2 Zero false true 0 2;
    "x12" "x13" "x14": "strh w12, [x14, #-2]!"         2 Zero false true -2 -2;
    "x12" "x13" "x14": "str w12, [x14], #4"            4 Zero false true 0 4;
    "x12" "x13" "x14": "str w12, [x14, #4]!"           4 Zero false true 4 4;
    "x12" "x13" "x14": "str x12, [x14], #8"            8 Zero false true 0 8;
    "x12" "x13" "x14": "str x12, [x14, #-8]!"          8 Zero false true -8 -8;
    "x12" "x13" "x14": "ldp w12, w13, [x14]"           4 Zero true false 0 0;
    "x12" "x13" "x14": "ldp w12, w13, [x14, #-256]"    4 Zero true false -256 0;
    "x12" "x13" "x14": "ldp w12, w13, [x14], #8"       4 Zero true false 0 8;
    "x12" "x13" "x14": "ldp w12, w13, [x14, #252]!"    4 Zero true false 252 252;
    "x12" "x13" "x14": "ldp x12, x13, [x14, #504]"     8 Zero true false 504 0;
    "x12" "x13" "x14": "ldp x12, x13, [x14], #-512"    8 Zero true false 0 -512;
    "x12" "x13" "x14": "ldp x12, x13, [x14, #16]!"     8 Zero true false 16 16;
    "x12" "x13" "x14": "ldpsw x12, x13, [x14, #4]"     4 To64 true false 4 0;
    "x12" "x13" "x14": "ldpsw x12, x13, [x14], #8"     4 To64 true false 0 8;
    "x12" "x13" "x14": "ldpsw x12, x13, [x14, #8]!"    4 To64 true false 8 8;
    "x12" "x13" "x14": "ldnp w12, w13, [x14, #4]"      4 Zero true false 4 0;
    "x12" "x13" "x14": "ldnp x12, x13, [x14]"          8 Zero true false 0 0;
    "x12" "x13" "x14": "stp w12, w13, [x14, #8]"       4 Zero true true 8 0;
    "x12" "x13" "x14": "stp w12, w13, [x14], #8"       4 Zero true true 0 8;
    "x12" "x13" "x14": "stp w12, w13, [x14, #8]!"      4 Zero true true 8 8;
    "x12" "x13" "x14": "stp x12, x13, [x14]"           8 Zero true true 0 0;
    "x12" "x13" "x14": "stp x12, x13, [x14], #16"      8 Zero true true 0 16;
    "x12" "x13" "x14": "stp x12, x13, [x14, #-16]!"    8 Zero true true -16 -16;
    "x12" "x13" "x14": "stnp w12, w13, [x14]"          4 Zero true true 0 0;
    "x12" "x13" "x14": "stnp x12, x13, [x14, #8]"      8 Zero true true 8 0;
    "x19" "x20" "x28": "ldr w19, [x28], #4"            4 Zero false false 0 4;
    "x19" "x20" "x28": "str w19, [x28, #4]!"           4 Zero false true 4 4;
    "x28" "x29" "x20": "ldp w28, w29, [x20], #8"       4 Zero true false 0 8;
    "x29" "x19" "x28": "stp x29, x19, [x28], #16"      8 Zero true true 0 16;
    "x12" "x13" "sp":  "ldr w12, [sp], #16"            4 Zero false false 0 16;
    "x19" "x13" "sp":  "str w19, [sp, #16]!"           4 Zero false true 16 16;
    "x12" "x28" "sp":  "ldp w12, w28, [sp, #8]"        4 Zero true false 8 0;
};

/// An instruction that is not emulated.
type NotEmulated = (&'static str, unsafe extern "C" fn(u64, u64) -> u64);

macro_rules! not_emulated {
    ($($text:literal;)*) => {
        [$({
            #[unsafe(naked)]
            unsafe extern "C" fn function(_: u64, _: u64) -> u64 {
                naked_asm!($text, "ret")
            }
            ($text, function as _)
        }),*]
    };
}

/// Instructions that end in an External abort, at an address in x0.
#[rustfmt::skip]
pub static NOT_EMULATED: [NotEmulated; 6] = not_emulated! {
    "ldxr w1, [x0]";
    "ldxp x1, x2, [x0]";
    ".inst 0xad400400"; // ldp q0, q1, [x0]
    ".inst 0x3c810400"; // str q0, [x0], #16
    ".inst 0xa8c10401"; // ldp x1, x1, [x0], #16
    ".inst 0xb8404400"; // ldr w0, [x0], #4
};
