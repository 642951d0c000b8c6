//! Starts all CPUs, sends SGIs from each to each, turns the CPUs off and one of them on again.
//!
//! Every wait has a limit, so that a lost interrupt is reported.
//!
//! Command line: with `watchdog`, the CPU that is turned on again feeds the watchdog for 3 seconds.
//! Once it is off, no CPU does.

#![no_std]
#![no_main]

use core::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

use runtime::cpu::{self, MAX_CPUS};
use runtime::gic::{self, Interrupt, Target};
use runtime::psci::{self, Error};
use runtime::tree::machine;
use runtime::{fail, println, secondary, timer, watchdog};

runtime::guest!(main, interrupt);

/// The limit of a wait: far longer than anything takes, even on a busy host.
const LIMIT_US: u64 = 20_000_000;
const TICKS: u32 = 5;
const TICK_US: u64 = 2_000;

// SGIs 0 to 7 are sent by the CPU with that index; each of the others has one purpose.
const TO_OTHERS: u32 = 8;
const TO_SELF: u32 = 9;
const FROM_ALL: u32 = 10;
const WAKE: u32 = 11;
const SGIS: usize = 16;

type Counters<const N: usize> = [[AtomicU32; N]; MAX_CPUS];

/// The numbers of SGIs received, by receiver and INTID.
static RECEIVED: Counters<SGIS> = [const { [const { AtomicU32::new(0) }; SGIS] }; MAX_CPUS];
/// The numbers of [`FROM_ALL`], by receiver and source, which only GICv2 has.
static SOURCES: Counters<MAX_CPUS> = [const { [const { AtomicU32::new(0) }; MAX_CPUS] }; MAX_CPUS];
static TIMER: [AtomicU32; MAX_CPUS] = [const { AtomicU32::new(0) }; MAX_CPUS];
static ARRIVED: AtomicUsize = AtomicUsize::new(0);
static STOP: AtomicBool = AtomicBool::new(false);
static AGAIN: AtomicBool = AtomicBool::new(false);

fn count() -> usize {
    machine().cpus().len()
}

fn received(receiver: usize, intid: u32) -> u32 {
    RECEIVED[receiver][intid as usize].load(Ordering::Relaxed)
}

fn main() {
    println!("smp: {} CPUs, GICv{}", count(), gic::version());
    let own = machine().cpus()[0];
    let entry = secondary::entry_address();
    expect("CPU_ON of itself", psci::cpu_on(own, entry, 0), Err(Error::ALREADY_ON));
    expect(
        "CPU_ON of an unknown CPU",
        psci::cpu_on(0x7f_7f7f, entry, 0),
        Err(Error::INVALID_PARAMETERS),
    );
    let info = psci::affinity_info(0x7f_7f7f);
    expect("AFFINITY_INFO of an unknown CPU", info, Err(Error::INVALID_PARAMETERS));
    expect("AFFINITY_INFO of itself", psci::affinity_info(own), Ok(psci::ON));
    for (index, &affinity) in machine().cpus().iter().enumerate().skip(1) {
        expect("AFFINITY_INFO before CPU_ON", psci::affinity_info(affinity), Ok(psci::OFF));
        expect("CPU_ON", secondary::start(index, run), Ok(()));
    }
    run(0);

    if let Some(last) = count().checked_sub(1).filter(|&last| last > 0) {
        expect("CPU_ON after CPU_OFF", secondary::start(last, run_again), Ok(()));
        await_or_fail(last, "to be on again", || AGAIN.load(Ordering::Acquire));
        await_off(last);
    }
    if machine().argument("watchdog").is_some() {
        println!("smp: no CPU feeds the watchdog");
        loop {
            core::hint::spin_loop();
        }
    }
    println!(
        "smp: done, cpus={} sgis={} ticks={}",
        count(),
        (0..count())
            .flat_map(|to| (0..count()).map(move |by| received(to, by as u32)))
            .sum::<u32>(),
        TIMER.iter().map(|ticks| ticks.load(Ordering::Relaxed)).sum::<u32>(),
    );
}

fn expect<T: PartialEq + core::fmt::Debug>(what: &str, actual: T, expected: T) {
    if actual != expected {
        fail!("{what}: {actual:?}, not {expected:?}");
    }
}

fn await_or_fail(index: usize, what: &str, done: impl FnMut() -> bool) {
    if !timer::within(LIMIT_US, done) {
        fail!("CPU {index} timed out waiting {what}");
    }
}

fn await_off(index: usize) {
    let affinity = machine().cpus()[index];
    await_or_fail(index, "to be off", || psci::affinity_info(affinity) == Ok(psci::OFF));
}

/// Waits until every CPU has arrived at this stage.
fn meet(index: usize, stage: usize) {
    ARRIVED.fetch_add(1, Ordering::AcqRel);
    await_or_fail(index, "for the others", || ARRIVED.load(Ordering::Acquire) >= stage * count());
}

/// Runs the stages on each CPU; the boot CPU then stops the others.
fn run(index: usize) {
    if cpu::index() != index || cpu::affinity() != machine().cpus()[index] {
        fail!("CPU {index} runs on {:#x}", cpu::affinity());
    }
    println!("smp: CPU {index}, MPIDR {:#x}", cpu::affinity());
    (0..SGIS as u32).for_each(gic::enable);
    gic::enable(machine().virtual_timer);
    cpu::unmask_interrupts();
    meet(index, 1);
    each_to_each(index);
    meet(index, 2);
    to_others_and_self(index);
    meet(index, 3);
    same_from_all(index);
    tick(index);
    meet(index, 4);
    if index == 0 {
        STOP.store(true, Ordering::Release);
        gic::send(WAKE, Target::Others);
        (1..count()).for_each(await_off);
    } else {
        cpu::wait_until(|| STOP.load(Ordering::Acquire));
    }
}

fn each_to_each(index: usize) {
    let others = || (0..count()).filter(|&other| other != index);
    others().for_each(|other| gic::send(index as u32, Target::Cpu(other)));
    for other in others() {
        await_or_fail(index, "for an SGI", || received(index, other as u32) == 1);
    }
    expect("SGIs of itself among those to others", received(index, index as u32), 0);
}

fn to_others_and_self(index: usize) {
    gic::send(TO_SELF, Target::Own);
    await_or_fail(index, "for its own SGI", || received(index, TO_SELF) == 1);
    if index == 0 {
        gic::send(TO_OTHERS, Target::Others);
    } else {
        await_or_fail(index, "for the SGI to all others", || received(index, TO_OTHERS) == 1);
    }
    expect("SGI to all others", received(0, TO_OTHERS), 0);
}

/// Sends the same SGI from all CPUs. On GICv2 it is pending once for each source; on GICv3 it may
/// be merged.
fn same_from_all(index: usize) {
    gic::send(FROM_ALL, Target::Others);
    if gic::version() == 3 {
        let has_arrived = || count() == 1 || received(index, FROM_ALL) > 0;
        return await_or_fail(index, "for the SGI from all", has_arrived);
    }
    for other in (0..count()).filter(|&other| other != index) {
        let source = gic::source(other) as usize;
        let has_arrived = || SOURCES[index][source].load(Ordering::Relaxed) == 1;
        await_or_fail(index, "for the SGI from each", has_arrived);
    }
    expect("SGIs from all", received(index, FROM_ALL), count() as u32 - 1);
}

/// Takes timer interrupts. The timer is set here and not in the handler: see [`timer::arm_after`].
fn tick(index: usize) {
    for ticks in 1..=TICKS {
        timer::arm_after(timer::microseconds(TICK_US));
        await_or_fail(index, "for its timer", || TIMER[index].load(Ordering::Relaxed) == ticks);
    }
}

fn run_again(index: usize) {
    println!("smp: CPU {index} again");
    AGAIN.store(true, Ordering::Release);
    if machine().argument("watchdog").is_some() {
        for _ in 0..30 {
            timer::within(100_000, || false);
            watchdog::feed();
        }
    }
}

fn interrupt(interrupt: Interrupt) {
    let index = cpu::index();
    if interrupt.intid == machine().virtual_timer {
        timer::disarm();
        TIMER[index].fetch_add(1, Ordering::Relaxed);
        return;
    }
    let Some(counter) = RECEIVED[index].get(interrupt.intid as usize) else {
        fail!("CPU {index} received an unexpected interrupt {}", interrupt.intid);
    };
    counter.fetch_add(1, Ordering::Relaxed);
    let sender = interrupt.intid as usize;
    if sender < count() && interrupt.source != gic::source(sender) {
        fail!("CPU {index} received an SGI of CPU {sender} from interface {}", interrupt.source);
    }
    if interrupt.intid == FROM_ALL {
        SOURCES[index][interrupt.source as usize].fetch_add(1, Ordering::Relaxed);
    }
}
