//! The attacker's own tables, pointing outside: the walk itself then reads what is not the attacker's.

use core::arch::{asm, naked_asm};

use runtime::cpu::{self, MAX_CPUS};
use runtime::read_register;

use crate::context::Context;
use crate::level::{Function, LEVELS, Level};
use crate::random::Random;
use crate::tally::{Kind, Outcome};
use crate::window::{self, MEMORY, TABLE, Table};
use crate::{access, own, space};

/// The tables of [`window::WALK`] from level 1 on, for each CPU.
static LEVELS_BELOW: [[Table; 3]; MAX_CPUS] = [const { [const { Table::new() }; 3] }; MAX_CPUS];

const ABORT: &[Outcome] = &[Outcome::ExternalAbort];
const ANY: &[Outcome] =
    &[Outcome::Done, Outcome::ExternalAbort, Outcome::Undefined, Outcome::Fault];

static LOADS: [Kind; 2] = [
    Kind::new("loads by tables outside", ABORT),
    Kind::at("loads by tables outside", " from EL0", ABORT),
];
static OTHERS: [Kind; 2] = [
    Kind::new("other accesses by tables outside", ANY),
    Kind::at("other accesses by tables outside", " from EL0", ANY),
];
static ROOT: Kind = Kind::new("translation roots outside", ABORT);
static FORMATS: Kind = Kind::new("translation controls by chance", ANY);

/// Tables at every level that lie outside, and a root that does.
pub fn tables(context: &mut Context) {
    for _ in 0..context.rounds {
        space::scattered(&mut context.random, |random, page| {
            if page % (8 << 20) < (2 << 20) {
                (0..4).for_each(|depth| walk(random, depth, page));
                root(page);
            }
        });
    }
}

/// Makes the entry of a level, 0 to 3, lead to `page`, and goes there.
fn walk(random: &mut Random, depth: usize, page: u64) {
    const EL0_TOO: u64 = 1 << 6;
    let below = &LEVELS_BELOW[cpu::index()];
    let entry = |at: usize| match at {
        _ if at < depth => below[at].address() | TABLE,
        3 => page | TABLE | MEMORY | EL0_TOO,
        _ => page | TABLE,
    };
    // SAFETY: the tables are this CPU's, and lead nowhere but to this window.
    unsafe {
        for at in 1..=depth {
            below[at - 1].set(0, entry(at));
        }
        window::root().set(window::WALK_ENTRY, entry(0));
    }
    for level in LEVELS {
        let own = level.window() + own::address();
        let place = format_args!("{page:#x} at level {depth}");
        // SAFETY: what is translated by a page that is not the attacker's is not the attacker's either.
        let result = unsafe { level.call(access::load(), window::WALK, own) };
        LOADS[level as usize].attempted(result, place);
        // SAFETY: as above.
        let result = unsafe { level.call(access::any(random), window::WALK, own) };
        OTHERS[level as usize].attempted(result, place);
    }
}

/// TTBR1_EL1 itself points outside, for as long as one load takes.
fn root(page: u64) {
    #[unsafe(naked)]
    unsafe extern "C" fn load(_: u64, _: u64) -> u64 {
        naked_asm!(
            "msr ttbr1_el1, x0",
            "isb",
            "tlbi vmalle1",
            "dsb nsh",
            "isb",
            "ldr w0, [x1]",
            "ret"
        )
    }
    // SAFETY: this code runs in the lower half; the upper one is as before after `reopen`.
    let result = unsafe { Level::El1.call(load, page, window::KERNEL + own::address()) };
    reopen();
    ROOT.attempted(result, format_args!("{page:#x}"));
}

fn reopen() {
    // SAFETY: the root that was there before.
    unsafe { asm!("msr ttbr1_el1, {}", "isb", in(reg) window::root().address(), options(nostack)) };
    window::forget_translations();
}

/// TCR_EL1's upper half by chance, so that the walks begin at other levels, in other formats and with
/// updates by hardware, while the root is at any page.
pub fn controls(context: &mut Context) {
    const UPPER: u64 = 0xffff_0000 & !(1 << 22);
    /// HA and HD: the walk writes the access flag and the dirty state, where the CPU can.
    const UPDATES: u64 = 0b11 << 39;
    let tcr = read_register!("tcr_el1");
    for _ in 0..context.rounds * 256 {
        let random = &mut context.random;
        let page = loop {
            let page = random.below(8 << 30) & !0xfff;
            if !space::is_own(page) {
                break page;
            }
        };
        let address = random.next() | 0xffff << 48;
        let function: Function = access::any(random);
        let changed = tcr & !UPPER & !(1 << 23) | random.next() & UPPER & !(1 << 23) | UPDATES;
        // SAFETY: the lower half, where this code is, is translated as before.
        unsafe {
            asm!("msr ttbr1_el1, {}", "msr tcr_el1, {}", "isb", in(reg) page, in(reg) changed,
                options(nostack));
        }
        window::forget_translations();
        // SAFETY: the tables of the upper half are not the attacker's, and so is nothing that they lead to.
        let result = unsafe { Level::El1.call(function, address, own::address()) };
        // SAFETY: as it was.
        unsafe { asm!("msr tcr_el1, {}", "isb", in(reg) tcr, options(nostack)) };
        reopen();
        FORMATS.attempted(result, format_args!("{page:#x}, TCR {changed:#x}"));
    }
}
