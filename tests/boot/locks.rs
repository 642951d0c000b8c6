//! Locks are held for a bounded number of instructions, and CPUs that wait for one are not
//! overtaken: an image that checks both in each lock panics otherwise.

use std::time::Duration;

use common::{Gic, Machine, Outcome, Partition, compile, file, in_all_modes, source};

in_all_modes!(no_lock_is_held_for_long, no_cpu_that_waits_for_a_lock_is_overtaken_again_and_again,);

/// Boots the image that checks its locks.
fn boot(machine: Machine, guests: &[Partition]) -> Outcome {
    let machine = machine.kernel(&file("target/checked/bulkhead.img"));
    let machine = machine.initrd(&compile(&source(guests))).deadline(120);
    let outcome = machine.kill_after("lasts: powered off", Duration::from_millis(500)).boot();
    outcome.expect_no_line("panic").expect_no_line("FAIL").expect_no_line("was held");
    outcome
}

/// One CPU has all the time of a machine that counts instructions. Its guests use what takes long:
/// the interrupt controller, the console, and a restart.
fn no_lock_is_held_for_long(gic: Gic) {
    let attacks = "seed=1 groups=sgis,output";
    let guests = [
        Partition::new("lasts", "controller").bootargs("mode=sweep"),
        Partition::new("lasts", "attacker").bootargs(attacks),
        Partition::new("lasts", "reborn")
            .memory(2 << 20)
            .bootargs("end=reset")
            .property("max-restarts = <2>;"),
    ];
    for guest in guests {
        boot(Machine::new(gic).cpus(1).counting_instructions(), &[guest]);
    }
}

/// All CPUs of a partition use its console and its interrupt controller at once.
fn no_cpu_that_waits_for_a_lock_is_overtaken_again_and_again(gic: Gic) {
    let guests = [
        Partition::new("lasts", "metronome").bootargs("beats=1000"),
        Partition::new("flood", "attacker").cpus(3).bootargs("only=flood"),
    ];
    boot(Machine::new(gic), &guests);
}
