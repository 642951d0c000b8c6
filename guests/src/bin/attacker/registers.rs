//! Every system register and system instruction by its number (Arm ARM C5): MRS and MSR of op0 2 and 3,
//! SYS and SYSL of op0 1, at EL1 and EL0, by code that is made at run time.

use core::ops::Range;

use crate::context::Context;
use crate::level::{Function, LEVELS, Level};
use crate::own::{self, Code};
use crate::tally::{Kind, Outcome};
use crate::window;

// Instructions, with op0 to op2 of zero and x0 as the register.
const MRS: u32 = 0xd520_0000;
const MSR: u32 = 0xd500_0000;
const ISB: u32 = 0xd503_3fdf;
const RET: u32 = 0xd65f_03c0;
/// The register that holds what was there before.
const SAVED: u32 = 9;

/// There is no register, or it is not for this level, or it works: all that matters is that the guest goes
/// on, and that nobody else notices.
const ANY: &[Outcome] = &[Outcome::Done, Outcome::Undefined, Outcome::Fault];
/// An instruction with an address that is the attacker's own.
const SYSTEM: &[Outcome] =
    &[Outcome::Done, Outcome::Undefined, Outcome::Fault, Outcome::ExternalAbort];

static READS: [Kind; 2] = [Kind::new("MRS", ANY), Kind::at("MRS", " from EL0", ANY)];
static WRITES: [Kind; 2] = [Kind::new("MSR", ANY), Kind::at("MSR", " from EL0", ANY)];
static CONTROLS: Kind = Kind::new("MSR of the value that is there", ANY);
static INSTRUCTIONS: [Kind; 2] = [Kind::new("SYS", SYSTEM), Kind::at("SYS", " from EL0", SYSTEM)];
static RESULTS: [Kind; 2] = [Kind::new("SYSL", SYSTEM), Kind::at("SYSL", " from EL0", SYSTEM)];

/// op0 to op2 of an instruction in one number, as its bits 20:5.
type Number = u32;

const fn number(op0: u32, op1: u32, crn: u32, crm: u32, op2: u32) -> Number {
    op0 << 14 | op1 << 11 | crn << 7 | crm << 3 | op2
}

const SYSTEM_INSTRUCTIONS: Range<Number> = number(1, 0, 0, 0, 0)..number(2, 0, 0, 0, 0);
const SYSTEM_REGISTERS: Range<Number> = number(2, 0, 0, 0, 0)..number(4, 0, 0, 0, 0);

/// Registers that EL1 writes back as they are, since the next instruction depends on them. All others get
/// zeros, ones and random bits, and what was there back.
#[rustfmt::skip]
const KEPT: [Number; 11] = [
    number(3, 0,  1, 0, 0), // SCTLR_EL1: the MMU could go off, or the data be big-endian.
    number(3, 0,  1, 0, 3), // SCTLR2_EL1: the same.
    number(3, 0,  2, 0, 0), // TTBR0_EL1: the tables that map this code.
    number(3, 0,  2, 0, 1), // TTBR1_EL1: `walks` has tried it.
    number(3, 0,  2, 0, 2), // TCR_EL1: how this code is mapped.
    number(3, 0,  2, 0, 3), // TCR2_EL1: the same.
    number(3, 0,  2, 5, 0), // GCSCR_EL1: the return would fail for want of a guarded stack.
    number(3, 0, 10, 2, 0), // MAIR_EL1: this code would be on a device.
    number(3, 0, 10, 2, 2), // PIRE0_EL1 and PIR_EL1: permissions of this code.
    number(3, 0, 10, 2, 3),
    number(3, 3,  4, 2, 1), // DAIF: another of the attacker's CPUs may have made an FIQ pending.
];

/// The code for one register.
struct Tries {
    read: u64,
    /// Saves the register, writes x0, and puts back what was there.
    exchange: u64,
    /// For those that cannot be read.
    write: u64,
    /// Writes what it reads.
    keep: u64,
}

/// How many instructions that is.
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

/// The function that was made at this address.
fn function(address: u64) -> Function {
    // SAFETY: `Code` has put instructions there that end in RET and touch x0 and x9 alone of the general
    // registers; what else they do is what is tried.
    unsafe { core::mem::transmute::<u64, Function>(address) }
}

/// Visits the numbers of a range together with code that was made for each of them.
fn each<T>(
    numbers: Range<Number>,
    size: usize,
    make: impl Fn(Number, &mut Code) -> T,
    mut visit: impl FnMut(Number, T),
) {
    /// No more than fit into a page.
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

/// At EL0 the registers of op1 3 are tried, which are all that it is meant to have, and some of the others.
fn is_tried(context: &mut Context, level: Level, number: Number) -> bool {
    level == Level::El1
        || context.is_thorough()
        || number >> 11 & 7 == 3
        || context.random.below(16) == 0
}

/// MRS and MSR; the CPUs share them out.
pub fn moves(context: &mut Context) {
    each(SYSTEM_REGISTERS, TRIES, Tries::of, |number, tries| {
        if !context.is_mine(number.into()) {
            return;
        }
        for level in LEVELS {
            if is_tried(context, level, number) {
                // SAFETY: reads a register.
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
        // SAFETY: the code puts back what was there, and registers that cannot be read hold nothing that
        // the attacker depends on.
        let result = unsafe { level.call(function(code), value, 0) };
        let place = format_args!("{} = {value:#x}", Name(number));
        WRITES[level as usize].attempted(result, place);
    }
}

/// SYS and SYSL: caches by address and by set and way, TLBs, address translation, prediction. What takes an
/// address gets one of the attacker's own, none, or one by chance at which it has nothing.
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
                // SAFETY: the address is that of a page without meaning, and nothing of the attacker's own
                // is at the others.
                let result = unsafe { level.call(function(sys), argument, 0) };
                INSTRUCTIONS[level as usize].attempted(result, Name(number));
            }
            // SAFETY: as above.
            let result = unsafe { level.call(function(sysl), 0, 0) };
            RESULTS[level as usize].attempted(result, Name(number));
        }
    });
}

/// A number as the assembler takes it.
struct Name(Number);

impl core::fmt::Display for Name {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let [op0, op1, crn, crm, op2] =
            [self.0 >> 14 & 3, self.0 >> 11 & 7, self.0 >> 7 & 15, self.0 >> 3 & 15, self.0 & 7];
        write!(f, "S{op0}_{op1}_C{crn}_C{crm}_{op2}")
    }
}
