//! Checks all the time that nothing disturbs it: memory, system registers, interrupt controller,
//! timer and interrupts. It ends with a summary when a line is typed.
//!
//! Command line: `period-us=N`, the time between ticks (2000); `spoil=memory|register|interrupt`
//! causes one such disturbance itself.

#![no_std]
#![no_main]

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicU64, Ordering};

use runtime::gic::{self, Interrupt, Target};
use runtime::tree::machine;
use runtime::{cpu, fail, pl011, println, read_register, timer, write_register};

runtime::guest!(main, interrupt);

/// The number of words of the pattern, which has 4 MiB.
const WORDS: usize = 4 << 17;
/// The number of words that are checked between two checks of everything else.
const SLICE: usize = 1 << 14;
/// The SGI that it sends to itself.
const SGI: u32 = 3;
/// The greatest number of late ticks that are taken before the checks continue.
const MOST_LATE: usize = 64;
/// The limit of a wait for an interrupt: far longer than one takes, even on a busy host.
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
/// The greatest lateness of a tick, in counts.
static LATEST: AtomicU64 = AtomicU64::new(0);

/// Returns the expected value of a word of the pattern.
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
    while !is_line_typed() {
        let at = rounds as usize * SLICE % WORDS;
        let generation = rounds / (WORDS / SLICE) as u64;
        check_memory(&mut pattern[at..at + SLICE], at, generation);
        check_interrupts(rounds + 1);
        spoil(rounds, pattern);
        registers.check();
        catch_up();
        rounds += 1;
    }
    summarize(rounds, start);
}

/// Checks a slice of the pattern, and writes the next generation.
fn check_memory(slice: &mut [u64], first: usize, generation: u64) {
    for (index, value) in (first..).zip(slice) {
        let expected = word(index, generation);
        // SAFETY: a live reference; the read must come from memory.
        let actual = unsafe { core::ptr::from_mut(value).read_volatile() };
        if actual != expected {
            fail!("memory word {index} is {actual:#x}, not {expected:#x}");
        }
        *value = word(index, generation + 1);
    }
}

/// Sends an SGI to itself, makes a shared interrupt pending, and checks that each is taken once.
fn check_interrupts(count: u64) {
    gic::send(SGI, Target::Own);
    gic::set_bit(gic::ISPENDR, machine().uart_interrupt);
    let taken = || (SGIS.load(Ordering::Relaxed), SPIS.load(Ordering::Relaxed));
    timer::within(LIMIT_US, || taken().0 >= count && taken().1 >= count);
    if taken() != (count, count) {
        fail!("interrupts taken: {:?}, not {count} of each", taken());
    }
}

/// Has QEMU's GICv2 evaluate the timer's interrupt: if a tick is so late that the next one is due
/// before its interrupt ends, the line stays high.
fn reevaluate_timer() {
    gic::reevaluate(machine().virtual_timer);
}

/// Takes late ticks before more of them are due, so that the lateness does not grow.
fn catch_up() {
    reevaluate_timer();
    for _ in 0..MOST_LATE {
        if timer::now() < read_register!("cntv_cval_el0") {
            break;
        }
        reevaluate_timer();
    }
}

/// Causes the disturbance that the command line requests, after a number of rounds.
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

/// Registers of the CPU and of the interrupt controller that do not change by themselves.
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

/// Returns whether a line was typed.
fn is_line_typed() -> bool {
    core::iter::from_fn(pl011::get).any(|byte| matches!(byte, b'\r' | b'\n'))
}

/// Checks that no tick is lost or spurious, however late it was, and prints the summary.
fn summarize(rounds: u64, start: u64) {
    let period = PERIOD.load(Ordering::Relaxed);
    let expected = (timer::now() - start) / period;
    timer::within(LIMIT_US, || {
        reevaluate_timer();
        TICKS.load(Ordering::Relaxed) >= expected
    });
    cpu::mask_interrupts();
    let ticks = TICKS.load(Ordering::Relaxed);
    if ticks < expected || ticks > (timer::now() - start) / period {
        fail!("{ticks} ticks in the time of {expected}");
    }
    let latest = LATEST.load(Ordering::Relaxed) * 1_000_000 / timer::frequency();
    println!("victim: {rounds} rounds, {ticks} ticks, at most {latest} us late");
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
