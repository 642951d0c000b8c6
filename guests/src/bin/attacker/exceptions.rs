//! Instructions that cause exceptions of every class that a guest can cause, at EL1 and at EL0.

use core::arch::naked_asm;

use crate::context::Context;
use crate::level::{Function, LEVELS};
use crate::own;
use crate::tally::{Attempts, Outcome};

/// They cause an exception that is taken to EL1, or none.
const ANY: &[Outcome] = &[Outcome::Done, Outcome::Undefined, Outcome::Fault];

static RAISED: [Attempts; 2] =
    [Attempts::new("exceptions raised", ANY), Attempts::at("exceptions raised", " from EL0", ANY)];

macro_rules! functions {
    ($($($line:literal),+;)*) => {
        [$({
            #[unsafe(naked)]
            unsafe extern "C" fn function(_: u64, _: u64) -> u64 {
                naked_asm!($($line,)+ "ret")
            }
            function
        }),*]
    };
}

/// HLT 0xf000 is left out: on a machine with semihosting it is a call to the host.
#[rustfmt::skip]
const FUNCTIONS: [Function; 24] = functions! {
    "udf #0";
    "udf #0xffff";
    "brk #0";
    "brk #0xffff";
    "hlt #0";
    // The same after an attempt to enable Debug state: MDSCR_EL1.HDE, with the OS Lock locked.
    "mov x2, #1", "msr oslar_el1, x2", "isb", "mov x2, #0x4000", "msr mdscr_el1, x2", "isb",
        "hlt #0";
    "svc #1";
    "dcps1";
    "dcps2";
    "dcps3";
    "drps";
    // Illegal returns, which set PSTATE.IL: to EL2, to EL3, to AArch32 at EL1, to no mode at all.
    "mov x2, #0x3c9", "msr spsr_el1, x2", "msr elr_el1, x30", "eret";
    "mov x2, #0x3cd", "msr spsr_el1, x2", "msr elr_el1, x30", "eret";
    "mov x2, #0x1d3", "msr spsr_el1, x2", "msr elr_el1, x30", "eret";
    "mov x2, #0x1da", "msr spsr_el1, x2", "msr elr_el1, x30", "eret";
    "mov x2, #0x3c2", "msr spsr_el1, x2", "msr elr_el1, x30", "eret";
    // An exception return with SPSR_EL1.IL set.
    "movz x2, #0x10, lsl #16", "movk x2, #0x3c5", "msr spsr_el1, x2", "msr elr_el1, x30", "eret";
    // A program counter that is not aligned, and an address that is not canonical.
    "add x0, x0, #2", "br x0";
    "movz x0, #0x8000, lsl #48", "br x0";
    // Features that a CPU may lack and EL2 may disable: transactions, 64-byte loads, WFIT, pointer
    // authentication, guarded control stacks.
    ".inst 0xd5233060"; // tstart x0
    ".inst 0xf83fd020"; // ld64b x0, [x1]
    ".inst 0xd503101f"; // wfit xzr
    ".arch_extension pauth", "mov x0, x30", "pacia x0, x1", "autia x0, x1", "pacga x2, x0, x1";
    ".inst 0xd51b7700"; // gcspushm x0
};

/// Executes each of them.
pub fn raise(context: &mut Context) {
    for _ in 0..context.rounds * 64 {
        for level in LEVELS {
            for (index, &function) in FUNCTIONS.iter().enumerate() {
                let own = level.window() + own::address();
                // SAFETY: each of them accesses only the attacker's page, and restores the stack
                // pointer unless an exception does.
                let result = unsafe { level.call(function, own, own) };
                RAISED[level as usize].attempted(result, format_args!("number {index}"));
            }
        }
    }
}
