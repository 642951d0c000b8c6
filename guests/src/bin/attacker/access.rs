//! Instructions that access memory, each as a function of the address to access and of the address
//! of eight bytes of the attacker's own.

use core::arch::naked_asm;

use runtime::read_register;

use crate::context::Context;
use crate::level::{Function, LEVELS, Level};
use crate::random::Random;
use crate::tally::{Attempts, Outcome};
use crate::{frames, own, space, window};

/// An instruction, with the outcomes of its attempts.
pub struct Access {
    function: Function,
    outside: [Attempts; 2],
    on_registers: [Attempts; 2],
    needs_atomics: bool,
}

/// Instructions that transfer data must cause an External abort.
const ABORT: &[Outcome] = &[Outcome::ExternalAbort];
/// Cache maintenance may have no effect, or be denied to EL0. A store-exclusive may fail before the
/// address is translated.
const HARMLESS: &[Outcome] =
    &[Outcome::Done, Outcome::ExternalAbort, Outcome::Undefined, Outcome::Fault];
/// Plain loads and stores are emulated, others abort. The page of the hardware's CPU interface is a
/// device, which accepts other accesses too.
const ON_REGISTERS: &[Outcome] = HARMLESS;

macro_rules! accesses {
    ($($text:literal $allowed:ident $atomics:literal: $($line:literal),+;)*) => {
        [$({
            #[unsafe(naked)]
            unsafe extern "C" fn function(_: u64, _: u64) -> u64 {
                naked_asm!($($line,)+ "ret")
            }
            Access {
                function,
                outside: [
                    Attempts::new(concat!($text, " outside"), $allowed),
                    Attempts::at(concat!($text, " outside"), " from EL0", $allowed),
                ],
                on_registers: [
                    Attempts::new(concat!($text, " of emulated registers"), ON_REGISTERS),
                    Attempts::at(
                        concat!($text, " of emulated registers"), " from EL0", ON_REGISTERS,
                    ),
                ],
                needs_atomics: $atomics,
            }
        }),*]
    };
}

/// All instructions.
#[rustfmt::skip]
static ACCESSES: [Access; 38] = accesses! {
    "loads of a byte"            ABORT false: "ldrb w0, [x0]";
    "loads of 16 bits"           ABORT false: "ldrh w0, [x0]";
    "loads"                      ABORT false: "ldr w0, [x0]";
    "loads of 64 bits"           ABORT false: "ldr x0, [x0]";
    "loads with sign"            ABORT false: "ldrsw x0, [x0]";
    "loads with writeback"       ABORT false: "ldr x1, [x0], #8";
    "loads to xzr"               ABORT false: "ldr xzr, [x0]";
    "loads of pairs"             ABORT false: "ldp x0, x1, [x0]";
    "unaligned loads"            ABORT false: "ldur x0, [x0, #3]";
    "loads across pages"         ABORT false: "add x0, x0, #4092", "ldr x0, [x0]";
    "acquiring loads"            ABORT false: "ldar x0, [x0]";
    "exclusive loads"            ABORT false: "ldxr x0, [x0]";
    "exclusive loads of pairs"   ABORT false: "ldaxp x0, x1, [x0]";
    "loads of vectors"           ABORT false: ".inst 0x3dc00000"; // ldr q0, [x0]
    "loads of four vectors"      ABORT false: ".inst 0x4c402000"; // ld1 {v0.16b-v3.16b}, [x0]
    "stores of a byte"           ABORT false: "strb w1, [x0]";
    "stores of 16 bits"          ABORT false: "strh w1, [x0]";
    "stores"                     ABORT false: "str w1, [x0]";
    "stores of 64 bits"          ABORT false: "str x1, [x0]";
    "stores with writeback"      ABORT false: "str x1, [x0, #8]!";
    "stores of pairs"            ABORT false: "stp x0, x1, [x0]";
    "unaligned stores"           ABORT false: "stur x1, [x0, #5]";
    "releasing stores"           ABORT false: "stlr x1, [x0]";
    "exclusive stores"           HARMLESS false: "ldxr x2, [x1]", "stxr w3, x2, [x0]";
    "exclusive stores of pairs"  HARMLESS false: "ldxp x2, x3, [x1]", "stlxp w4, x2, x3, [x0]";
    "stores of vectors"          ABORT false: ".inst 0x3d800000"; // str q0, [x0]
    "atomic additions"           ABORT true: ".arch_extension lse", "ldaddal x1, x0, [x0]";
    "atomic swaps"               ABORT true: ".arch_extension lse", "swpb w1, w0, [x0]";
    "atomic comparisons"         ABORT true: ".arch_extension lse", "cas x1, x1, [x0]";
    "zeroing by DC ZVA"          ABORT false: "dc zva, x0";
    "cache maintenance by CVAC"  HARMLESS false: "dc cvac, x0", "dsb sy";
    "cache maintenance by CIVAC" HARMLESS false: "dc civac, x0", "dsb sy";
    "cache maintenance by IVAC"  HARMLESS false: "dc ivac, x0", "dsb sy";
    "cache maintenance by IVAU"  HARMLESS false: "ic ivau, x0", "dsb sy", "isb";
    "prefetches"                 HARMLESS false: "prfm pstl1strm, [x0]";
    "tag accesses"               HARMLESS false: ".inst 0xd9600000", ".inst 0xd9200800"; // ldg, stg
    "translations by AT"         HARMLESS false: "at s1e1w, x0", "at s1e0r, x0", "isb";
    "instruction fetches"        ABORT false: "br x0";
};

/// The plain load and store of 32 bits.
const LOAD: usize = 2;
const STORE: usize = 17;

/// Returns whether the CPU has the atomic instructions of Armv8.1 (ID_AA64ISAR0_EL1.Atomic).
fn has_atomics() -> bool {
    read_register!("id_aa64isar0_el1") >> 20 & 0xf >= 2
}

impl Access {
    fn exists(&self) -> bool {
        !self.needs_atomics || has_atomics()
    }

    /// Executes it at an intermediate physical address that is not the attacker's.
    fn outside(&'static self, level: Level, ipa: u64) {
        let window = level.window();
        // SAFETY: nothing of the attacker is at the address.
        let result = unsafe { level.call(self.function, window + ipa, window + own::address()) };
        self.outside[level as usize].attempted(result, format_args!("{ipa:#x}"));
    }
}

fn there() -> impl Iterator<Item = &'static Access> {
    ACCESSES.iter().filter(|access| access.exists())
}

/// Executes instructions at pages all over the address space: some at each page, or all of them.
pub fn outside(context: &mut Context) {
    const SOME: usize = 10;
    let count = there().count();
    let each = if context.is_thorough() { count } else { SOME };
    let mut next = 0;
    for _ in 0..context.rounds {
        space::scattered(&mut context.random, |_, page| {
            for _ in 0..each {
                if let Some(access) = there().nth(next % count) {
                    LEVELS.into_iter().for_each(|level| access.outside(level, page));
                }
                next += 1;
            }
        });
    }
}

/// Executes plain loads and stores at every page where there may be devices.
pub fn devices(context: &mut Context) {
    let context = &*context;
    space::every_page_of_devices(|page| {
        let number = page / space::PAGE;
        let levels = LEVELS.into_iter().zip(0..);
        for (level, _) in levels.filter(|&(_, index)| context.is_mine(number + index)) {
            ACCESSES[LOAD].outside(level, page);
            ACCESSES[STORE].outside(level, page);
        }
    });
}

/// Accesses addresses beyond the input size of stage 2, or of the CPU, for which stage 1 faults.
pub fn beyond(context: &mut Context) {
    static BEYOND: Attempts = Attempts::new("accesses above 512 GiB", TOO_LONG);
    const TOO_LONG: &[Outcome] = &[Outcome::ExternalAbort, Outcome::Fault];
    for _ in 0..context.rounds * 1024 {
        let address = window::BEYOND + (context.random.below(window::SIZE) & !0xfff);
        for access in [&ACCESSES[LOAD], &ACCESSES[STORE]] {
            // SAFETY: nothing of the attacker is at the address.
            let result = unsafe { Level::El1.call(access.function, address, own::address()) };
            BEYOND.attempted(result, format_args!("{address:#x}"));
        }
    }
}

/// Executes every instruction at registers of the attacker's own devices.
pub fn on_registers(context: &mut Context) {
    frames::disable_watchdog();
    for _ in 0..context.rounds * 64 {
        for (base, size) in space::frames() {
            for access in there() {
                let offset = context.random.below(size / 16) * 16;
                let level = LEVELS[context.random.below(2) as usize];
                let window = level.window();
                let (address, own) = (window + base + offset, window + own::address());
                // SAFETY: the devices are reset at the end of the group.
                let result = unsafe { level.call(access.function, address, own) };
                let attempts = &access.on_registers[level as usize];
                attempts.attempted(result, format_args!("{base:#x} + {offset:#x}"));
            }
        }
    }
}

/// Returns the plain load of 32 bits.
pub fn load() -> Function {
    ACCESSES[LOAD].function
}

/// Returns a random instruction.
pub fn any(random: &mut Random) -> Function {
    let count = there().count() as u64;
    there().nth(random.below(count) as usize).map_or(load(), |access| access.function)
}
