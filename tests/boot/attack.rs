//! The attacker: whatever a guest may try, what comes of it is its own, and the victim beside it notices
//! nothing.
//!
//! `BULKHEAD_ATTACK_ROUNDS=N`, with N of 2 or more, tries everything everywhere, N times where it is by
//! chance, with one attacker of one CPU and one of two on each machine, the latter's interrupts trapped.

use std::env;

use crate::raspberry_pi::machine_with_pl011;
use crate::support::{
    CRASHED, Gic, Machine, Outcome, Partition, SUCCESS, compile, in_all_modes, scratch, system,
};

in_all_modes!(
    victim_keeps_the_triggers_of_its_interrupts,
    victim_notices_its_own_harm,
    loops_of_exceptions_end_with_their_partition
);

/// What an attacker that has come to its end says last, when nothing was as it must not be.
const DONE: &str = "attacker: done, 0 wrong";

/// Fewer tries than this would mean that most of them were left out.
const LEAST_TRIES: u64 = 50_000;

/// How thorough the attack is.
fn rounds() -> u64 {
    match env::var("BULKHEAD_ATTACK_ROUNDS") {
        Ok(rounds) => rounds.parse().expect("BULKHEAD_ATTACK_ROUNDS is a number"),
        Err(_) => 1,
    }
}

// The short form leaves to each machine what is likely to be different there, so that together they have
// all of it.

#[test]
fn gicv2_by_one_cpu() {
    let groups = "groups=memory,walks,aarch32,exceptions,calls,frames,sgis,storms,output";
    attack("GICv2, cortex-a53", |guests| with(Machine::new(Gic::V2), guests), 1, groups);
}

#[test]
fn gicv3_by_two_cpus() {
    let groups = "groups=memory,calls,frames,sgis,storms,output";
    attack("GICv3, cortex-a53", |guests| with(Machine::new(Gic::V3), guests), 2, groups);
}

#[test]
fn newest_core_by_two_cpus() {
    let machine = |guests: &[_]| with(Machine::new(Gic::V3).cpu("max"), guests);
    attack("GICv3, max", machine, 2, "groups=walks,registers,aarch32,exceptions");
}

#[test]
fn raspberry_pi_by_two_cpus() {
    let machine = |guests: &[_]| machine_with_pl011(guests).second_uart_to(&scratch("mini-uart"));
    attack("Raspberry Pi 4", machine, 2, "groups=memory,frames,sgis,storms");
}

fn with(machine: Machine, guests: &[Partition]) -> Machine {
    machine.initrd(&compile(&system(guests)))
}

/// Boots the victim with an attacker of so many CPUs, or in the thorough form with two attackers that leave
/// nothing out, and prints what was tried.
fn attack(name: &str, machine: impl FnOnce(&[Partition]) -> Machine, cpus: usize, groups: &str) {
    let rounds = rounds();
    let mut guests = vec![Partition::new("victim", "victim")];
    let mut attackers = vec![("attacker", cpus, format!("seed=1 {groups}"))];
    if rounds > 1 {
        let bootargs = |seed: u64| format!("seed={} rounds={rounds}", seed * 1000 + rounds);
        attackers = vec![("alone", 1, bootargs(1)), ("several", 2, bootargs(2))];
    }
    for (index, (name, cpus, bootargs)) in attackers.iter().enumerate() {
        let mut attacker = Partition::new(name, "attacker").cpus(*cpus).bootargs(bootargs);
        if index > 0 {
            attacker = attacker.property("interrupts = \"trapped\";");
        }
        // Longer than it takes: it is there to be attacked as well.
        guests.push(attacker.property("watchdog-ms = <3600000>;"));
    }
    let mut machine = machine(&guests).deadline(120);
    if rounds > 1 {
        machine = machine.deadline(300 * rounds).watched();
    }
    for last in (0..attackers.len()).rev() {
        machine = machine.type_after(": powered off", if last == 0 { "\r" } else { "" });
    }
    let outcome = machine.boot();
    outcome.ends_well().says("victim", "victim: done, clean");
    let mut tries = 0;
    println!("\nattacks on {name}:");
    for (name, ..) in &attackers {
        outcome.says(name, DONE);
        tries += print_tries(&outcome, name);
    }
    println!("{tries:9} in all; {}", outcome.of("victim").with("ticks").last().tail(1));
    outcome.check(tries >= LEAST_TRIES, &format!("only {tries} tries are told of"));
}

/// Prints the attacker's lines that tell of tries, and adds them up.
fn print_tries(outcome: &Outcome, name: &str) -> u64 {
    let mut sum = 0;
    for line in &outcome.of(name).with("attacker: ").0 {
        let words = line.trim_start_matches("attacker: ").split_once(' ');
        if let Some((tries, rest)) = words
            && let Ok(tries) = tries.parse::<u64>()
            && let Some((kind, outcomes)) = rest.split_once(": ")
        {
            println!("{tries:9} {kind:50} {outcomes}");
            sum += tries;
        }
    }
    sum
}

/// The victim would tell, of each kind of harm.
fn victim_notices_its_own_harm(gic: Gic) {
    for (harm, told) in [
        ("memory", "FAIL: memory word"),
        ("register", "FAIL: registers are"),
        ("interrupt", "FAIL: interrupts taken"),
    ] {
        let victim = Partition::new("victim", "victim").bootargs(&format!("spoil={harm}"));
        let outcome = with(Machine::new(gic), &[victim]).boot();
        outcome.ends_with(SUCCESS).says("victim", told).nobody_says("clean");
    }
}

/// With a period so short that a tick is often late, a line stays high while its interrupt is handled: if that
/// were edge-triggered now, there would not be another one.
fn victim_keeps_the_triggers_of_its_interrupts(gic: Gic) {
    let guests = [
        Partition::new("victim", "victim").bootargs("period-us=300"),
        Partition::new("attacker", "attacker").bootargs("groups=none triggers"),
    ];
    let outcome = with(Machine::new(gic), &guests).type_after("triggers changed", "\r").boot();
    outcome.ends_well().says("victim", "victim: done, clean").says("attacker", DONE);
}

/// CPUs that take one exception after the other, without end, leave when their partition ends: because one
/// of them ends it, or its watchdog.
fn loops_of_exceptions_end_with_their_partition(gic: Gic) {
    let guests = [
        Partition::new("victim", "victim"),
        Partition::new("several", "attacker").cpus(3).bootargs("groups=sgis loop"),
    ];
    let machine = with(Machine::new(gic), &guests);
    let outcome = machine.type_after("several: powered off", "\r").boot();
    outcome.ends_well().says("several", "attacker: CPU 1 loops").says("several", DONE);
    outcome.says("several", "attacker: CPU 2 loops").says("victim", "victim: done, clean");

    let alone = Partition::new("alone", "attacker").bootargs("groups=sgis loop");
    let guests = [Partition::new("victim", "victim"), alone.property("watchdog-ms = <6000>;")];
    let machine = with(Machine::new(gic), &guests);
    let outcome = machine.type_after("alone: ended by its watchdog", "\r").boot();
    outcome.ends_with(CRASHED).says("alone", "attacker: loops").nobody_says("FAIL");
    outcome.says("alone", DONE).says("victim", "victim: done, clean");
}
