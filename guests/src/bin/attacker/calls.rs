//! Calls by HVC and SMC (SMCCC, DEN0028; PSCI, DEN0022): all function identifiers of the standard
//! ranges, and invalid arguments.

use core::arch::naked_asm;

use runtime::secondary;
use runtime::tree::{Conduit, machine};

use crate::context::Context;
use crate::level::{Function, Level};
use crate::own::Code;
use crate::random::Random;
use crate::space;
use crate::tally::{Attempts, Outcome, fail};

/// x0 to x17.
type Registers = [u64; 18];

const REFUSED: &[Outcome] = &[Outcome::Refused];
const ANSWERED: &[Outcome] = &[Outcome::Done, Outcome::Refused];
const UNDEFINED: &[Outcome] = &[Outcome::Undefined, Outcome::Fault];

static UNKNOWN: Attempts = Attempts::new("calls of unknown functions", REFUSED);
static KNOWN: Attempts = Attempts::new("calls of known functions", ANSWERED);
static IMMEDIATES: Attempts = Attempts::new("calls with immediates", REFUSED);
static FROM_EL0: Attempts = Attempts::at("calls", " from EL0", UNDEFINED);
static WILD_ENTRIES: Attempts = Attempts::new("CPU_ON at wild entries", REFUSED);
static WILD_TARGETS: Attempts = Attempts::new("CPU_ON of wild targets", REFUSED);
static WILD_INFO: Attempts = Attempts::new("AFFINITY_INFO of wild targets", REFUSED);
static WILD_STATES: Attempts = Attempts::new("CPU_SUSPEND to wild states", REFUSED);

const CPU_SUSPEND: u64 = 0xc400_0001;
const CPU_ON: u64 = 0xc400_0003;
const AFFINITY_INFO: u64 = 0xc400_0004;
/// Bit 30 of a function identifier: SMC64 arguments.
const SMC64: u64 = 1 << 30;
/// Bit 31 of a function identifier: a fast call.
const FAST: u64 = 1 << 31;

/// Functions that stop the CPU or the partition: CPU_OFF, SYSTEM_OFF, SYSTEM_RESET. They are not
/// called.
const ENDS: [u64; 3] = [0x8400_0002, 0x8400_0008, 0x8400_0009];

/// Functions of PSCI, of the SMCCC and of the TRNG interface that may be implemented, without bit 30. SYSTEM_RESET2 is
/// called with an invalid reset type.
const KNOWN_FUNCTIONS: [u64; 16] = [
    0x8000_0000,
    0x8000_0001,
    0x8000_3fff,
    0x8000_7fff,
    0x8000_8000,
    0x8400_0000,
    0x8400_0001,
    0x8400_0003,
    0x8400_0004,
    0x8400_0006,
    0x8400_000a,
    0x8400_0012,
    0x8400_0050,
    0x8400_0051,
    0x8400_0052,
    0x8400_0053,
];

/// The functions of the TRNG interface, without bit 30, which return results in x1 to x3 too.
const RANDOM: core::ops::Range<u64> = 0x8400_0050..0x8400_0060;

/// Makes a call with these registers, and returns their values after it in the same place.
fn call(conduit: Conduit, registers: &mut Registers) {
    let make = match conduit {
        Conduit::Hvc => hvc,
        Conduit::Smc => smc,
    };
    // SAFETY: the callers choose functions that do not affect this CPU's memory and state.
    unsafe { make(registers) };
}

macro_rules! conduit {
    ($name:ident, $instruction:literal) => {
        #[unsafe(naked)]
        unsafe extern "C" fn $name(registers: &mut Registers) {
            naked_asm!(
                "str x0, [sp, #-16]!",
                "mov x18, x0",
                "ldp x2, x3, [x18, #16]",
                "ldp x4, x5, [x18, #32]",
                "ldp x6, x7, [x18, #48]",
                "ldp x8, x9, [x18, #64]",
                "ldp x10, x11, [x18, #80]",
                "ldp x12, x13, [x18, #96]",
                "ldp x14, x15, [x18, #112]",
                "ldp x16, x17, [x18, #128]",
                "ldp x0, x1, [x18]",
                $instruction,
                "ldr x18, [sp], #16",
                "stp x0, x1, [x18]",
                "stp x2, x3, [x18, #16]",
                "stp x4, x5, [x18, #32]",
                "stp x6, x7, [x18, #48]",
                "stp x8, x9, [x18, #64]",
                "stp x10, x11, [x18, #80]",
                "stp x12, x13, [x18, #96]",
                "stp x14, x15, [x18, #112]",
                "stp x16, x17, [x18, #128]",
                "ret",
            )
        }
    };
}
conduit!(hvc, "hvc #0");
conduit!(smc, "smc #0");

/// Makes a call, which must change only x0, or x0 to x3: no other register may leak data.
fn attempt(kind: &'static Attempts, conduit: Conduit, registers: Registers) {
    let mut after = registers;
    call(conduit, &mut after);
    let outcome = if (after[0] as i32) < 0 { Outcome::Refused } else { Outcome::Done };
    let [id, x1, x2] = [registers[0], registers[1], registers[2]];
    kind.count(outcome, format_args!("{id:#x} with {x1:#x}, {x2:#x} returns {:#x}", after[0]));
    let function = id & u64::from(u32::MAX) & !SMC64;
    let results = if RANDOM.contains(&function) { 4 } else { 1 };
    if after[results..] != registers[results..] {
        fail(format_args!("call {id:#x} by {conduit:?} changes registers: {after:x?}"));
    }
}

fn registers(random: &mut Random, id: u64) -> Registers {
    let mut registers = [0; 18].map(|_: u64| random.next());
    registers[0] = id;
    // An argument that is neither a CPU nor a reset type.
    registers[1] |= 1 << 20;
    registers
}

fn scan_one(random: &mut Random, id: u64) {
    if ENDS.contains(&(id & u64::from(u32::MAX))) {
        return;
    }
    let is_known = KNOWN_FUNCTIONS.contains(&(id & u64::from(u32::MAX) & !SMC64));
    let kind = if is_known { &KNOWN } else { &UNKNOWN };
    for conduit in [Conduit::Hvc, Conduit::Smc] {
        attempt(kind, conduit, registers(random, id));
    }
}

/// Calls functions 0 to 255 of every owner, fast and yielding, of 32 and of 64 bits, then random
/// identifiers.
pub fn scan(context: &mut Context) {
    let random = &mut context.random;
    for owner in 0..64 {
        for function in 0..256 {
            for form in [0, SMC64, FAST, FAST | SMC64] {
                scan_one(random, form | owner << 24 | function);
            }
        }
    }
    for _ in 0..context.rounds * 4096 {
        let id = random.next();
        scan_one(random, id);
    }
}

/// Executes HVC and SMC with immediates other than 0, and from EL0.
pub fn forms(context: &mut Context) {
    const HVC: u32 = 0xd400_0002;
    const SMC: u32 = 0xd400_0003;
    const RET: u32 = 0xd65f_03c0;
    const VERSION: u64 = 0x8400_0000;
    for _ in 0..context.rounds * 512 {
        let immediate = 1 + context.random.below(0xffff) as u32;
        for instruction in [HVC, SMC] {
            let mut code = Code::new();
            let address = code.add(&[instruction | immediate << 5, RET]);
            code.finish();
            // SAFETY: the two instructions are a function that changes only x0.
            let function = unsafe { core::mem::transmute::<u64, Function>(address) };
            // SAFETY: the call returns a version and has no effect.
            let answer = unsafe { function(VERSION, 0) };
            let outcome = if (answer as i32) < 0 { Outcome::Refused } else { Outcome::Done };
            IMMEDIATES.count(outcome, format_args!("{immediate:#x}"));
            // SAFETY: the same, from EL0.
            FROM_EL0.attempted(unsafe { Level::El0.call(function, VERSION, 0) }, immediate);
        }
    }
}

/// Calls PSCI with invalid entry addresses, CPUs and power states.
pub fn power(context: &mut Context) {
    let random = &mut context.random;
    let conduit = machine().psci;
    for round in 0..context.rounds * 1024 {
        let other = machine().cpus().last().copied().unwrap_or(0);
        let entry = match round % 4 {
            0 => secondary::entry_address() + 1 + random.below(3),
            1 => random.next() | 1 << 39,
            2 => random.next() & 0xff_ffff_ffff,
            _ => random.below(4 << 30) & !0xfff,
        };
        // A valid entry address would start the CPU, which may be off.
        if entry % 4 != 0 || !space::is_own(entry & !0xfff) {
            attempt(&WILD_ENTRIES, conduit, arguments(random, CPU_ON, [other, entry]));
        }
        let unknown = wild_target(random);
        let good = secondary::entry_address();
        attempt(&WILD_TARGETS, conduit, arguments(random, CPU_ON, [unknown, good]));
        attempt(&WILD_INFO, conduit, arguments(random, AFFINITY_INFO, [unknown, 0]));
        let state = random.next() | 1 << random.below(32);
        attempt(&WILD_STATES, conduit, arguments(random, CPU_SUSPEND, [state, good]));
    }
}

fn arguments(random: &mut Random, id: u64, [x1, x2]: [u64; 2]) -> Registers {
    let mut registers = registers(random, id);
    (registers[1], registers[2]) = (x1, x2);
    registers
}

/// Returns an MPIDR that no CPU of the partition has.
fn wild_target(random: &mut Random) -> u64 {
    loop {
        let target = match random.below(4) {
            0 => random.next(),
            1 => random.below(256),
            2 => random.below(256) << 8,
            _ => 1 << random.below(64) | random.below(8),
        };
        if !machine().cpus().contains(&target) {
            return target;
        }
    }
}
