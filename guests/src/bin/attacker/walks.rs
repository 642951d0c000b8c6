//! Translation tables of the attacker that point outside its memory, so that the table walk itself
//! reads memory that is not its own.

use core::arch::{asm, naked_asm};

use runtime::cpu::{self, MAX_CPUS};
use runtime::read_register;

use crate::context::Context;
use crate::level::{Function, LEVELS, Level};
use crate::random::Random;
use crate::tally::{Attempts, Outcome};
use crate::window::{self, MEMORY, TABLE, Table};
use crate::{access, own, space};

/// The tables of [`window::WALK`] from level 1 on, by CPU index.
static LEVELS_BELOW: [[Table; 3]; MAX_CPUS] = [const { [const { Table::new() }; 3] }; MAX_CPUS];

const ABORT: &[Outcome] = &[Outcome::ExternalAbort];
const ANY: &[Outcome] =
    &[Outcome::Done, Outcome::ExternalAbort, Outcome::Undefined, Outcome::Fault];

static LOADS: [Attempts; 2] = [
    Attempts::new("loads by tables outside", ABORT),
    Attempts::at("loads by tables outside", " from EL0", ABORT),
];
static OTHERS: [Attempts; 2] = [
    Attempts::new("other accesses by tables outside", ANY),
    Attempts::at("other accesses by tables outside", " from EL0", ANY),
];
static ROOT: Attempts = Attempts::new("translation roots outside", ABORT);
static FORMATS: Attempts = Attempts::new("random translation controls", ANY);

/// Uses tables outside at every level, and a translation root outside.
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

/// Makes the entry at a level, 0 to 3, point to `page`, and accesses the window.
fn walk(random: &mut Random, depth: usize, page: u64) {
    const EL0_TOO: u64 = 1 << 6;
    let below = &LEVELS_BELOW[cpu::index()];
    let entry = |at: usize| match at {
        _ if at < depth => below[at].address() | TABLE,
        3 => page | TABLE | MEMORY | EL0_TOO,
        _ => page | TABLE,
    };
    // SAFETY: the tables are this CPU's, and only this window uses them.
    unsafe {
        for at in 1..=depth {
            below[at - 1].set(0, entry(at));
        }
        window::root().set(window::WALK_ENTRY, entry(0));
    }
    for level in LEVELS {
        let own = level.window() + own::address();
        let place = format_args!("{page:#x} at level {depth}");
        // SAFETY: nothing of the attacker is at addresses that a foreign page translates.
        let result = unsafe { level.call(access::load(), window::WALK, own) };
        LOADS[level as usize].attempted(result, place);
        // SAFETY: as above.
        let result = unsafe { level.call(access::any(random), window::WALK, own) };
        OTHERS[level as usize].attempted(result, place);
    }
}

/// Makes TTBR1_EL1 itself point outside, during one load.
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
    // SAFETY: this code is in the lower half; `restore_root` restores the upper one.
    let result = unsafe { Level::El1.call(load, page, window::KERNEL + own::address()) };
    restore_root();
    ROOT.attempted(result, format_args!("{page:#x}"));
}

fn restore_root() {
    // SAFETY: the previous root.
    unsafe { asm!("msr ttbr1_el1, {}", "isb", in(reg) window::root().address(), options(nostack)) };
    window::invalidate_tlb();
}

/// Sets the fields of TCR_EL1 for the upper half at random, so that walks start at other levels, in
/// other formats and with hardware updates, while the root is a random page.
pub fn controls(context: &mut Context) {
    const UPPER: u64 = 0xffff_0000 & !(1 << 22);
    /// HA and HD: the walk updates the access flag and the dirty state, where the CPU implements
    /// that.
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
        // SAFETY: the translation of the lower half, where this code is, does not change.
        unsafe {
            asm!("msr ttbr1_el1, {}", "msr tcr_el1, {}", "isb", in(reg) page, in(reg) changed,
                options(nostack));
        }
        window::invalidate_tlb();
        // SAFETY: the tables of the upper half are not the attacker's, nor is anything that they
        // point to.
        let result = unsafe { Level::El1.call(function, address, own::address()) };
        // SAFETY: the previous value.
        unsafe { asm!("msr tcr_el1, {}", "isb", in(reg) tcr, options(nostack)) };
        restore_root();
        FORMATS.attempted(result, format_args!("{page:#x}, TCR {changed:#x}"));
    }
}
