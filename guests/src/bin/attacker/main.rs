//! Tries whatever a guest can do to get out of its partition, or to disturb another: from EL1 and from
//! EL0, on all its CPUs at once. Reports what came of it, by kind, and powers off.
//!
//! Command line: `groups=NAME,...` (all), `seed=N` (by the physical counter's value); `again` resets the
//! partition at the end in place of powering it off; `rounds=N` (1): how much is tried by chance, and from
//! 2 on everything everywhere by every CPU; `loop` ends in exceptions without end, on all CPUs but the
//! boot CPU where there are several; `triggers` makes private interrupts edge-triggered for some seconds.

#![no_std]
#![no_main]

mod aarch32;
mod access;
mod calls;
mod context;
mod exceptions;
mod frames;
mod level;
mod loops;
mod own;
mod quiet;
mod random;
mod registers;
mod sgis;
mod space;
mod storms;
mod tally;
mod walks;
mod window;

use core::sync::atomic::{AtomicUsize, Ordering};

use context::{Context, count};
use runtime::gic::Interrupt;
use runtime::tree::machine;
use runtime::{fail, gic, println, psci, secondary, timer};

runtime::guest!(main, interrupt);

/// A name, and what is done.
type Group = (&'static str, fn(&mut Context));

/// The groups, by the names that the command line has for them. Each is run by all CPUs at once, with
/// interrupts masked; then the interrupt controller is put in order again, and tried.
const GROUPS: [Group; 20] = [
    ("memory", access::outside),
    ("memory", access::devices),
    ("memory", access::beyond),
    ("walks", walks::tables),
    ("walks", walks::controls),
    ("registers", registers::moves),
    ("registers", registers::instructions),
    ("aarch32", aarch32::registers),
    ("exceptions", exceptions::raise),
    ("calls", calls::scan),
    ("calls", calls::forms),
    ("calls", calls::power),
    ("frames", frames::registers),
    ("frames", access::on_registers),
    ("sgis", sgis::send),
    ("storms", storms::interrupts),
    ("storms", storms::waits),
    ("storms", storms::feeds),
    ("storms", storms::changing_code),
    ("output", storms::output),
];

fn main() {
    let seed = context::seed();
    println!("attacker: {} CPUs, GICv{}, seed={seed}", count(), gic::version());
    window::fill();
    if count() > 1 {
        window::open();
        calls::power(&mut Context::new(count()));
    }
    for index in 1..count() {
        if let Err(error) = secondary::start(index, run) {
            fail!("CPU_ON of CPU {index} answers {error:?}");
        }
    }
    run(0);
    if machine().argument("triggers").is_some() {
        frames::change_triggers();
    }
    let wrong = tally::report();
    println!("attacker: done, {wrong} wrong");
    if machine().argument("loop").is_some() {
        loops::boot_cpu();
    }
    if machine().argument("again").is_some() {
        psci::system_reset();
    }
}

fn is_chosen(group: &str) -> bool {
    match machine().argument("groups") {
        Some(groups) => groups.split(',').any(|name| name == group),
        None => true,
    }
}

fn run(index: usize) {
    let mut context = Context::new(index);
    window::open();
    for (name, attack) in GROUPS.into_iter().filter(|(name, _)| is_chosen(name)) {
        meet();
        let start = timer::now();
        attack(&mut context);
        meet();
        if index == 0 {
            quiet::shared();
        }
        meet();
        quiet::private();
        meet();
        quiet::check();
        meet();
        if index == 0 {
            let milliseconds = (timer::now() - start) * 1000 / timer::frequency();
            println!("attacker: {name} over after {milliseconds} ms");
        }
    }
    meet();
    if index > 0 && machine().argument("loop").is_some() {
        loops::other_cpu(index);
    }
}

static ARRIVED: AtomicUsize = AtomicUsize::new(0);

/// Waits until every CPU has come here as often as this one.
fn meet() {
    let ticket = ARRIVED.fetch_add(1, Ordering::AcqRel);
    let all = (ticket / count() + 1) * count();
    while ARRIVED.load(Ordering::Acquire) < all {
        core::hint::spin_loop();
    }
}

fn interrupt(interrupt: Interrupt) {
    quiet::take(interrupt);
    storms::take(interrupt);
}
