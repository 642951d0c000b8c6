//! Every system register and system instruction by its number (Arm ARM C5): MRS and MSR of op0 2
//! and 3, SYS and SYSL of op0 1, at EL1 and EL0, by code that is generated at run time.

use core::ops::Range;

use crate::context::Context;
use crate::level::{Function, LEVELS, Level};
use crate::own::{self, Code};
use crate::tally::{Attempts, Outcome};
use crate::window;

// Instructions with op0 to op2 zero and x0 as the register.
const MRS: u32 = 0xd520_0000;
const MSR: u32 = 0xd500_0000;
const ISB: u32 = 0xd503_3fdf;
const RET: u32 = 0xd65f_03c0;
/// The general-purpose register that saves the previous value.
const SAVED: u32 = 9;

/// The register may not exist, be inaccessible at this level, or be accessed: the test is that the
/// guest continues and that no other partition is affected.
const ANY: &[Outcome] = &[Outcome::Done, Outcome::Undefined, Outcome::Fault];
/// System instructions may also take addresses.
const SYSTEM: &[Outcome] =
    &[Outcome::Done, Outcome::Undefined, Outcome::Fault, Outcome::ExternalAbort];

static READS: [Attempts; 2] = [Attempts::new("MRS", ANY), Attempts::at("MRS", " from EL0", ANY)];
static WRITES: [Attempts; 2] = [Attempts::new("MSR", ANY), Attempts::at("MSR", " from EL0", ANY)];
static CONTROLS: Attempts = Attempts::new("MSR of the value that is there", ANY);
static INSTRUCTIONS: [Attempts; 2] =
    [Attempts::new("SYS", SYSTEM), Attempts::at("SYS", " from EL0", SYSTEM)];
static RESULTS: [Attempts; 2] =
    [Attempts::new("SYSL", SYSTEM), Attempts::at("SYSL", " from EL0", SYSTEM)];

/// op0 to op2 of an instruction as one number, in the order of its bits 20:5.
type Number = u32;

const fn number(op0: u32, op1: u32, crn: u32, crm: u32, op2: u32) -> Number {
    op0 << 14 | op1 << 11 | crn << 7 | crm << 3 | op2
}

const SYSTEM_INSTRUCTIONS: Range<Number> = number(1, 0, 0, 0, 0)..number(2, 0, 0, 0, 0);
const SYSTEM_REGISTERS: Range<Number> = number(2, 0, 0, 0, 0)..number(4, 0, 0, 0, 0);

/// Registers that EL1 only writes back unchanged, since the next instruction depends on them. All
/// others get zeros, ones and random bits, then their previous value.
#[rustfmt::skip]
const KEPT: [Number; 11] = [
    number(3, 0,  1, 0, 0), // SCTLR_EL1: could disable the MMU, or change the endianness.
    number(3, 0,  1, 0, 3), // SCTLR2_EL1: the same.
    number(3, 0,  2, 0, 0), // TTBR0_EL1: the tables that map this code.
    number(3, 0,  2, 0, 1), // TTBR1_EL1: the group `walks` changes it.
    number(3, 0,  2, 0, 2), // TCR_EL1: how this code is mapped.
    number(3, 0,  2, 0, 3), // TCR2_EL1: the same.
    number(3, 0,  2, 5, 0), // GCSCR_EL1: the return would fail without a guarded control stack.
    number(3, 0, 10, 2, 0), // MAIR_EL1: this code would be in Device memory.
    number(3, 0, 10, 2, 2), // PIRE0_EL1 and PIR_EL1: permissions of this code.
    number(3, 0, 10, 2, 3),
    number(3, 3,  4, 2, 1), // DAIF: another CPU of the attacker may have made an FIQ pending.
];

/// The code for one register.
struct Tries {
    read: u64,
    /// Saves the register, writes x0, and restores the register.
    exchange: u64,
    /// Writes x0, for registers that cannot be read.
    write: u64,
    /// Writes the value that it reads.
    keep: u64,
}

/// The number of instructions in all.
const TRIES: usize = 2 + 6 + 3 + 3;

impl Tries {
    fn of(number: Number, code: &mut Code) -> Self {
        let [mrs, msr] = [MRS, MSR].map(|instruction| instruction | number << 5);
        Self {
            read: code.add(&[mrs, RET]),
            exchange: code.add(&[mrs | SAVED, msr, ISB, msr | SAVED, ISB, RET]),
            write: code.add(&[msr, ISB, RET]),
            keep: code.add(&[mrs, msr, RET]),
        }
    }
}

/// Returns the function that was generated at this address.
fn function(address: u64) -> Function {
    // SAFETY: the instructions that `Code` has put there end in RET and use no other
    // general-purpose registers than x0 and x9; the callers choose registers and values that the
    // attacker does not depend on.
    unsafe { core::mem::transmute::<u64, Function>(address) }
}

/// Visits the numbers of a range with code that is generated for each of them.
fn each<T>(
    numbers: Range<Number>,
    size: usize,
    make: impl Fn(Number, &mut Code) -> T,
    mut visit: impl FnMut(Number, T),
) {
    /// The number for which code is generated at once: it must fit into a page.
    const BATCH: usize = 64;
    let mut numbers = numbers;
    while !numbers.is_empty() {
        let mut code = Code::new();
        let mut made: [Option<(Number, T)>; BATCH] = [const { None }; BATCH];
        for slot in &mut made {
            if code.room() >= size
                && let Some(number) = numbers.next()
            {
                *slot = Some((number, make(number, &mut code)));
            }
        }
        code.finish();
        for (number, made) in made.into_iter().flatten() {
            visit(number, made);
        }
    }
}

/// Returns whether a number is attempted: at EL0, those of op1 3, which EL0 can access, and some of
/// the others.
fn is_tried(context: &mut Context, level: Level, number: Number) -> bool {
    level == Level::El1
        || context.is_thorough()
        || number >> 11 & 7 == 3
        || context.random.below(16) == 0
}

/// Executes MRS and MSR. The CPUs share the registers.
pub fn moves(context: &mut Context) {
    each(SYSTEM_REGISTERS, TRIES, Tries::of, |number, tries| {
        if !context.is_mine(number.into()) {
            return;
        }
        for level in LEVELS {
            if is_tried(context, level, number) {
                // SAFETY: only reads a register.
                let result = unsafe { level.call(function(tries.read), 0, 0) };
                let is_readable = result.is_ok();
                READS[level as usize].attempted(result, Name(number));
                write(context, level, number, &tries, is_readable);
            }
        }
    });
}

fn write(context: &mut Context, level: Level, number: Number, tries: &Tries, is_readable: bool) {
    if KEPT.contains(&number) && level == Level::El1 {
        // SAFETY: the register keeps its value.
        let result = unsafe { level.call(function(tries.keep), 0, 0) };
        return CONTROLS.attempted(result, Name(number));
    }
    let code = if is_readable { tries.exchange } else { tries.write };
    let rounds = context.rounds;
    let random = (0..rounds).map(|_| context.random.next());
    for value in [0, u64::MAX].into_iter().chain(random) {
        // SAFETY: the code restores the register; the attacker does not depend on registers that
        // cannot be read.
        let result = unsafe { level.call(function(code), value, 0) };
        let place = format_args!("{} = {value:#x}", Name(number));
        WRITES[level as usize].attempted(result, place);
    }
}

/// Executes SYS and SYSL: cache maintenance by address and by set and way, TLB maintenance, address
/// translation, prediction restriction. The argument is an address of the attacker, 0, or a random
/// address where it has nothing.
pub fn instructions(context: &mut Context) {
    let make = |number: Number, code: &mut Code| {
        let [sysl, sys] = [MRS, MSR].map(|instruction| instruction | number << 5);
        (code.add(&[sys, ISB, RET]), code.add(&[sysl, RET]))
    };
    each(SYSTEM_INSTRUCTIONS, 5, make, |number, (sys, sysl)| {
        if !context.is_mine(number.into()) {
            return;
        }
        for level in LEVELS {
            if !is_tried(context, level, number) {
                continue;
            }
            let own = level.window() + own::address();
            let nothing = context.random.below(window::SIZE) + window::WALK;
            for argument in [own, 0, nothing] {
                // SAFETY: the content of the attacker's page does not matter, and nothing of the
                // attacker is at the other addresses.
                let result = unsafe { level.call(function(sys), argument, 0) };
                INSTRUCTIONS[level as usize].attempted(result, Name(number));
            }
            // SAFETY: as above.
            let result = unsafe { level.call(function(sysl), 0, 0) };
            RESULTS[level as usize].attempted(result, Name(number));
        }
    });
}

/// Prints a number in the syntax of the assembler.
struct Name(Number);

impl core::fmt::Display for Name {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let [op0, op1, crn, crm, op2] =
            [self.0 >> 14 & 3, self.0 >> 11 & 7, self.0 >> 7 & 15, self.0 >> 3 & 15, self.0 & 7];
        write!(f, "S{op0}_{op1}_C{crn}_C{crm}_{op2}")
    }
}
