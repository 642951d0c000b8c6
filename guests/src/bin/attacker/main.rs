//! Attempts everything that a guest can do to leave its partition or to disturb another one, from
//! EL1 and from EL0, on all its CPUs at once. Prints the outcomes of each kind of attempt and
//! powers off.
//!
//! Command line:
//!
//! - `groups=NAME,...`: the groups of attacks (all).
//! - `seed=N`: the seed of the random numbers (the physical count).
//! - `rounds=N`: repeats random attempts N times (1). From 2 on, every CPU makes every attempt.
//! - `again`: resets the partition at the end.
//! - `loop`: ends in endless exceptions, on all CPUs except the boot CPU if there are several.
//! - `triggers`: makes private interrupts edge-triggered for some seconds.
//! - `only=NAME`: one disturbance in place of all this: see the module `disturb`.

#![no_std]
#![no_main]

mod aarch32;
mod access;
mod bells;
mod calls;
mod context;
mod disturb;
mod exceptions;
mod frames;
mod level;
mod links;
mod loops;
mod own;
mod race;
mod random;
mod registers;
mod reset;
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

/// The name of a group, and its function.
type Group = (&'static str, fn(&mut Context));

/// The groups, by their names on the command line. All CPUs run each group at the same time, with
/// interrupts masked; then the interrupt controller is reset and checked.
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
    if let Some(name) = machine().argument("only") {
        context::seed();
        return disturb::run(name);
    }
    let seed = context::seed();
    println!("attacker: {} CPUs, GICv{}, seed={seed}", count(), gic::version());
    window::fill();
    if count() > 1 {
        window::open();
        calls::power(&mut Context::new(count()));
    }
    for index in 1..count() {
        if let Err(error) = secondary::start(index, run) {
            fail!("CPU_ON of CPU {index} returns {error:?}");
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
            reset::shared();
        }
        meet();
        reset::private();
        meet();
        reset::check();
        meet();
        if index == 0 {
            let milliseconds = (timer::now() - start) * 1000 / timer::frequency();
            println!("attacker: {name} done after {milliseconds} ms");
        }
    }
    meet();
    if index > 0 && machine().argument("loop").is_some() {
        loops::other_cpu(index);
    }
}

static ARRIVED: AtomicUsize = AtomicUsize::new(0);

/// Waits until every CPU has called this as often as this one.
fn meet() {
    let ticket = ARRIVED.fetch_add(1, Ordering::AcqRel);
    let all = (ticket / count() + 1) * count();
    while ARRIVED.load(Ordering::Acquire) < all {
        core::hint::spin_loop();
    }
}

fn interrupt(interrupt: Interrupt) {
    reset::take(interrupt);
    storms::take(interrupt);
}
