//! Minds its own business and notices whatever disturbs it: memory, system registers, interrupt
//! controller, timer and interrupts. It ends, with an account, when a line is typed.
//!
//! Command line: `period-us=N` between ticks (2000); `spoil=memory|register|interrupt` does the harm
//! itself that it looks for, once.

#![no_std]
#![no_main]

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicU64, Ordering};

use runtime::gic::{self, Interrupt, Target};
use runtime::tree::machine;
use runtime::{cpu, fail, pl011, println, read_register, timer, write_register};

runtime::guest!(main, interrupt);

/// The words that hold the pattern: 4 MiB.
const WORDS: usize = 4 << 17;
/// How many of them are looked at between two looks at everything else.
const SLICE: usize = 1 << 14;
/// The SGI that it sends to itself.
const SGI: u32 = 3;
/// How many ticks that are late it makes up for before it goes on.
const MOST_LATE: usize = 64;
/// Far longer than an interrupt takes, even where many virtual CPUs share one that is busy.
const LIMIT_US: u64 = 20_000_000;

#[repr(transparent)]
struct Pattern(UnsafeCell<[u64; WORDS]>);

// SAFETY: only the one CPU uses it, outside its interrupt handler.
unsafe impl Sync for Pattern {}

static PATTERN: Pattern = Pattern(UnsafeCell::new([0; WORDS]));

static TICKS: AtomicU64 = AtomicU64::new(0);
static SGIS: AtomicU64 = AtomicU64::new(0);
static SPIS: AtomicU64 = AtomicU64::new(0);
static PERIOD: AtomicU64 = AtomicU64::new(0);
/// The most counts by which a tick was late.
static LATEST: AtomicU64 = AtomicU64::new(0);

/// What the memory has to hold.
const fn word(index: usize, generation: u64) -> u64 {
    (index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ generation.wrapping_mul(0x1_0001)
}

fn main() {
    let uart = machine().uart_interrupt;
    PERIOD.store(
        timer::microseconds(machine().number("period-us").unwrap_or(2_000)),
        Ordering::Relaxed,
    );
    // SAFETY: the one reference to it.
    let pattern = unsafe { &mut *PATTERN.0.get() };
    pattern.iter_mut().enumerate().for_each(|(index, value)| *value = word(index, 0));
    [SGI, uart, machine().virtual_timer].into_iter().for_each(gic::enable);
    let registers = Registers::read();
    println!("victim: watching");
    let start = timer::now();
    write_register!("cntv_cval_el0", start + PERIOD.load(Ordering::Relaxed));
    write_register!("cntv_ctl_el0", 1);
    cpu::unmask_interrupts();
    let mut rounds = 0;
    while !is_told_to_end() {
        let at = rounds as usize * SLICE % WORDS;
        let generation = rounds / (WORDS / SLICE) as u64;
        check_memory(&mut pattern[at..at + SLICE], at, generation);
        check_interrupts(rounds + 1);
        spoil(rounds, pattern);
        registers.check();
        catch_up();
        rounds += 1;
    }
    account(rounds, start);
}

/// Looks at a slice of the pattern, and writes the next generation's.
fn check_memory(slice: &mut [u64], first: usize, generation: u64) {
    for (index, value) in (first..).zip(slice) {
        let should = word(index, generation);
        // SAFETY: a live reference; the read must come from memory.
        let is = unsafe { core::ptr::from_mut(value).read_volatile() };
        if is != should {
            fail!("memory word {index} is {is:#x}, not {should:#x}");
        }
        *value = word(index, generation + 1);
    }
}

/// An SGI to itself and a shared interrupt that is made pending come in once each.
fn check_interrupts(count: u64) {
    gic::send(SGI, Target::Own);
    gic::set_bit(gic::ISPENDR, machine().uart_interrupt);
    let taken = || (SGIS.load(Ordering::Relaxed), SPIS.load(Ordering::Relaxed));
    timer::within(LIMIT_US, || taken().0 >= count && taken().1 >= count);
    if taken() != (count, count) {
        fail!("interrupts taken: {:?}, not {count} of each", taken());
    }
}

/// A tick that is so late that the next is due before it has ended leaves the line high.
fn look_again() {
    gic::reevaluate(machine().virtual_timer);
}

/// Has ticks that are late come in before more of them are, which would let them be later and later.
fn catch_up() {
    look_again();
    for _ in 0..MOST_LATE {
        if timer::now() < read_register!("cntv_cval_el0") {
            break;
        }
        look_again();
    }
}

/// The harm that it is asked to do to itself, once it has been at work for a while.
fn spoil(rounds: u64, pattern: &mut [u64; WORDS]) {
    const AFTER: u64 = 200;
    if rounds != AFTER {
        return;
    }
    match machine().argument("spoil") {
        Some("memory") => pattern[WORDS - 5] ^= 1 << 40,
        Some("register") => write_register!("tpidr_el0", 1),
        Some("interrupt") => gic::send(SGI, Target::Own),
        _ => {}
    }
}

/// What belongs to the CPU and to the partition's interrupt controller, and never changes by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Registers {
    system: [u64; 12],
    controller: [bool; 4],
    priority: u32,
}

impl Registers {
    fn read() -> Self {
        let system = [
            read_register!("sctlr_el1"),
            read_register!("ttbr0_el1"),
            read_register!("ttbr1_el1"),
            read_register!("tcr_el1"),
            read_register!("mair_el1"),
            read_register!("vbar_el1"),
            read_register!("cpacr_el1"),
            read_register!("contextidr_el1"),
            read_register!("tpidr_el0"),
            read_register!("tpidrro_el0"),
            read_register!("mdscr_el1"),
            read_register!("cntkctl_el1"),
        ];
        let sources = [SGI, machine().uart_interrupt, machine().virtual_timer];
        let [a, b, c] = sources.map(|intid| gic::bit(gic::ISENABLER, intid));
        let unused = gic::bit(gic::ISENABLER, machine().physical_timer);
        let place = gic::frame(SGI) + gic::IPRIORITYR;
        // SAFETY: a register of the interrupt controller; reading it has no effect.
        let priority = unsafe { runtime::mmio::read32(place) };
        Self { system, controller: [a, b, c, unused], priority }
    }

    fn check(self) {
        let now = Self::read();
        if now != self {
            fail!("registers are {now:x?}, not {self:x?}");
        }
    }
}

/// Whether a line was typed.
fn is_told_to_end() -> bool {
    core::iter::from_fn(pl011::get).any(|byte| matches!(byte, b'\r' | b'\n'))
}

/// Ticks must be neither lost nor too many, however late they came.
fn account(rounds: u64, start: u64) {
    let period = PERIOD.load(Ordering::Relaxed);
    let should = (timer::now() - start) / period;
    timer::within(LIMIT_US, || {
        look_again();
        TICKS.load(Ordering::Relaxed) >= should
    });
    cpu::mask_interrupts();
    let ticks = TICKS.load(Ordering::Relaxed);
    if ticks < should || ticks > (timer::now() - start) / period {
        fail!("{ticks} ticks in the time of {should}");
    }
    let latest = LATEST.load(Ordering::Relaxed) * 1_000_000 / timer::frequency();
    println!("victim: {rounds} rounds, {ticks} ticks, the latest by {latest} us");
    println!("victim: done, clean");
}

fn interrupt(interrupt: Interrupt) {
    let intid = interrupt.intid;
    if intid == machine().virtual_timer {
        let due = read_register!("cntv_cval_el0");
        LATEST.fetch_max(timer::now() - due, Ordering::Relaxed);
        TICKS.fetch_add(1, Ordering::Relaxed);
        write_register!("cntv_cval_el0", due + PERIOD.load(Ordering::Relaxed));
    } else if intid == SGI {
        SGIS.fetch_add(1, Ordering::Relaxed);
    } else if intid == machine().uart_interrupt {
        SPIS.fetch_add(1, Ordering::Relaxed);
    } else {
        fail!("unexpected interrupt {intid}");
    }
}
