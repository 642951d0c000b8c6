//! Attacks: whatever the guest `attacker` tries affects only itself, and the guest `victim` beside
//! it finds no disturbance.
//!
//! `BULKHEAD_ATTACK_ROUNDS=N`, with N of 2 or more, makes every attempt on every machine, random
//! ones N times, with an attacker of one CPU and one of two CPUs, whose interrupts are trapped.

use std::env;

use crate::raspberry_pi::machine_with_pl011;
use common::{
    CRASHED, Gic, Machine, Outcome, Partition, SUCCESS, compile, in_all_modes, scratch, source,
};

in_all_modes!(
    victim_keeps_the_triggers_of_its_interrupts,
    victim_detects_harm_that_it_does_itself,
    exception_loops_stop_with_their_partition
);

/// The last line of an attacker that has found no wrong outcome.
const DONE: &str = "attacker: done, 0 wrong";

/// The least number of attempts: with fewer, most would have been left out.
const LEAST_TRIES: u64 = 50_000;

/// Returns the number of rounds; from 2 on, attacks are thorough.
fn rounds() -> u64 {
    match env::var("BULKHEAD_ATTACK_ROUNDS") {
        Ok(rounds) => rounds.parse().expect("BULKHEAD_ATTACK_ROUNDS is a number"),
        Err(_) => 1,
    }
}

// In a short run each machine gets the groups that are likely to differ there; together they get
// all.

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
    machine.initrd(&compile(&source(guests)))
}

/// Boots the victim with an attacker of this number of CPUs, or in a thorough run with two
/// attackers that make every attempt, and prints the numbers of attempts.
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
        // Longer than the attack takes: the watchdog is there to be attacked as well.
        guests.push(attacker.property("watchdog-ms = <3600000>;"));
    }
    let mut machine = machine(&guests).deadline(120);
    if rounds > 1 {
        machine = machine.deadline(300 * rounds).with_progress();
    }
    for last in (0..attackers.len()).rev() {
        machine = machine.type_after(": powered off", if last == 0 { "\r" } else { "" });
    }
    let outcome = machine.boot();
    outcome.expect_success().expect_line("victim", "victim: done, clean");
    let mut tries = 0;
    println!("\nattacks on {name}:");
    for (name, ..) in &attackers {
        outcome.expect_line(name, DONE);
        tries += print_tries(&outcome, name);
    }
    println!("{tries:9} in all; {}", outcome.of("victim").containing("ticks").last().tail(1));
    outcome.check(tries >= LEAST_TRIES, &format!("only {tries} attempts are reported"));
}

/// Prints the attacker's lines with numbers of attempts, and returns their sum.
fn print_tries(outcome: &Outcome, name: &str) -> u64 {
    let mut sum = 0;
    for line in &outcome.of(name).containing("attacker: ").0 {
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

/// The victim reports each kind of harm.
fn victim_detects_harm_that_it_does_itself(gic: Gic) {
    for (harm, message) in [
        ("memory", "FAIL: memory word"),
        ("register", "FAIL: registers are"),
        ("interrupt", "FAIL: interrupts taken"),
    ] {
        let victim = Partition::new("victim", "victim").bootargs(&format!("spoil={harm}"));
        let outcome = with(Machine::new(gic), &[victim]).boot();
        outcome.expect_status(SUCCESS).expect_line("victim", message).expect_no_line("clean");
    }
}

/// The period is so short that a tick is often late and its line is still high when the interrupt
/// ends. If the attacker had made the interrupt edge-triggered, there would be no further one.
fn victim_keeps_the_triggers_of_its_interrupts(gic: Gic) {
    let guests = [
        Partition::new("victim", "victim").bootargs("period-us=300"),
        Partition::new("attacker", "attacker").bootargs("groups=none triggers"),
    ];
    let outcome = with(Machine::new(gic), &guests).type_after("triggers changed", "\r").boot();
    outcome
        .expect_success()
        .expect_line("victim", "victim: done, clean")
        .expect_line("attacker", DONE);
}

/// CPUs that take exceptions in an endless loop stop with their partition, whether one of its CPUs
/// stops it or its watchdog.
fn exception_loops_stop_with_their_partition(gic: Gic) {
    let guests = [
        Partition::new("victim", "victim"),
        Partition::new("several", "attacker").cpus(3).bootargs("groups=sgis loop"),
    ];
    let machine = with(Machine::new(gic), &guests).deadline(240);
    let outcome = machine.type_after("several: powered off", "\r").boot();
    outcome
        .expect_success()
        .expect_line("several", "attacker: CPU 1 loops")
        .expect_line("several", DONE);
    outcome
        .expect_line("several", "attacker: CPU 2 loops")
        .expect_line("victim", "victim: done, clean");

    let alone = Partition::new("alone", "attacker").bootargs("groups=sgis loop");
    let guests = [Partition::new("victim", "victim"), alone.property("watchdog-ms = <6000>;")];
    let machine = with(Machine::new(gic), &guests);
    let outcome = machine.type_after("alone: ended by its watchdog", "\r").boot();
    outcome.expect_status(CRASHED).expect_line("alone", "attacker: loops").expect_no_line("FAIL");
    outcome.expect_line("alone", DONE).expect_line("victim", "victim: done, clean");
}
