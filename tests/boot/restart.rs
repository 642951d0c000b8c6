//! Restarts: a partition is built again, and its neighbours are not affected.

use std::time::Duration;

use common::{
    Gic, Machine, MakeMachine, Outcome, Partition, SUCCESS, compile, in_all_modes, on_all_machines,
    source,
};

on_all_machines!(
    two_hundred_restarts_leave_nothing_behind,
    linux_resets_itself_three_times,
    linux_restarts_after_a_panic,
);
in_all_modes!(neighbour_is_not_delayed, no_tag_survives_a_restart);

const CLEAN: &str = "reborn: nothing of an earlier run in";

/// The guest searches its memory, its interrupts and its registers each time. Bulkhead cannot run
/// out of memory either: its allocator is unmapped when guests run.
fn two_hundred_restarts_leave_nothing_behind(machine: MakeMachine) {
    const RESTARTS: usize = 200;
    let reborn = Partition::new("reborn", "reborn").memory(2 << 20).bootargs("end=reset");
    let reborn = reborn.property(&format!("max-restarts = <{RESTARTS}>;"));
    let outcome = machine(&compile(&source(&[reborn]))).boot();
    outcome.expect_success();
    let starts = outcome.of("reborn").containing(CLEAN).0.len();
    outcome.check(starts == RESTARTS + 1, &format!("{starts} starts, not {}", RESTARTS + 1));
    outcome
        .expect_line("bulkhead", &format!("it stays stopped, restarted {RESTARTS} times already"));
}

/// The images are closed when no partition is being built, and not before.
#[test]
fn three_partitions_restart_at_once() {
    const RESTARTS: usize = 60;
    let reborn = |name| {
        let reborn = Partition::new(name, "reborn").memory(2 << 20).bootargs("end=reset");
        reborn.property(&format!("max-restarts = <{RESTARTS}>;"))
    };
    let guests = ["one", "two", "three"].map(reborn);
    let outcome = Machine::new(Gic::V3).initrd(&compile(&source(&guests))).boot();
    outcome.expect_success();
    for name in ["one", "two", "three"] {
        let starts = outcome.of(name).containing(CLEAN).0.len();
        outcome.check(starts == RESTARTS + 1, &format!("{name}: {starts} starts"));
    }
}

/// Returns the guest that searches for what an earlier run has left, with two restarts.
fn reborn(bootargs: &str) -> Partition {
    let reborn = Partition::new("reborn", "reborn").memory(4 << 20).bootargs(bootargs);
    reborn.property("max-restarts = <2>;")
}

/// Returns a machine with the newest core, with allocation tags.
fn with_tags(gic: Gic) -> Machine {
    let machine = format!("virt,virtualization=on,mte=on,gic-version={}", gic.version());
    Machine::new(gic).machine(&machine).cpu("max")
}

/// Allocation tags are no data: zeros that are stored leave them.
fn no_tag_survives_a_restart(gic: Gic) {
    let outcome = with_tags(gic).initrd(&compile(&source(&[reborn("end=reset")]))).boot();
    outcome.expect_success();
    let starts = outcome.of("reborn").containing("no tag of an earlier run on 131072 granules");
    outcome.check(starts.0.len() == 3, &format!("{} starts find no tags", starts.0.len()));
}

/// Every register that a guest can read, of its CPU, its interrupt controller and its UART, has the
/// same value at each start, after the guest has set all bits of every register that it can write.
fn no_register_survives_a_restart(machine: Machine, name: &str) {
    let outcome = machine.initrd(&compile(&source(&[reborn("registers")]))).boot();
    outcome.expect_success();
    let lines = outcome.of("reborn").0;
    let runs: Vec<_> = lines.split(|line| line.contains("a run begins")).skip(1).collect();
    outcome.check(runs.len() == 3, &format!("{} runs, not 3", runs.len()));
    let of_first = |line: &&&str| !runs[0].contains(*line);
    let different: Vec<_> = runs[1..].iter().copied().flatten().filter(of_first).collect();
    outcome.check(different.is_empty(), &format!("a later run differs: {different:?}"));
    outcome.check(runs.iter().all(|run| run.len() == runs[0].len()), "a later run has fewer lines");
    println!("{name}: {:?}", &runs[0][runs[0].len() - 1..]);
}

#[test]
fn no_register_survives_a_restart_on_the_newest_core() {
    no_register_survives_a_restart(with_tags(Gic::V3), "max");
}

#[test]
fn no_register_survives_a_restart_with_trapped_interrupts() {
    no_register_survives_a_restart(with_tags(Gic::V3Trapped), "max, trapped");
}

#[test]
fn no_register_survives_a_restart_on_a_cortex_a76() {
    no_register_survives_a_restart(Machine::new(Gic::V3).cpu("cortex-a76"), "cortex-a76");
}

#[test]
fn no_register_survives_a_restart_on_a_cortex_a53() {
    no_register_survives_a_restart(Machine::new(Gic::V2), "cortex-a53");
}

/// A guest may turn a mitigation off that firmware keeps for each CPU.
#[test]
fn no_mitigation_stays_off_after_a_restart() {
    let reborn = reborn("end=reset mitigation");
    let outcome = Machine::with_firmware(Gic::V2, &source(&[reborn])).boot();
    outcome.expect_status(0).expect_no_line("FAIL");
    let starts = outcome.of("reborn").containing(CLEAN).0.len();
    outcome.check(starts == 3, &format!("{starts} starts, not 3"));
}

/// Expects this number of restarts of Linux, and that its neighbour has had every tick.
#[track_caller]
fn expect_restarts_of_linux(outcome: &Outcome, restarts: usize) {
    outcome.expect_status(SUCCESS).expect_no_line("FAIL");
    let starts = outcome.of("linux").containing("bulkhead-linux: userspace reached").0.len();
    outcome.check(starts == restarts + 1, &format!("Linux started {starts} times"));
    outcome
        .expect_line("bulkhead", &format!("it stays stopped, restarted {restarts} times already"));
    outcome.expect_line("neighbour", "metronome: 2000 beats in");
}

fn linux(bootargs: &str, restarts: usize) -> Partition {
    let linux = Partition::linux("linux").cpus(2).memory(192 << 20);
    let linux = linux.bootargs(&format!("console=ttyAMA0 quiet {bootargs}"));
    linux.property(&format!("max-restarts = <{restarts}>;"))
}

fn metronome(bootargs: &str) -> Partition {
    Partition::new("neighbour", "metronome").bootargs(bootargs)
}

fn linux_resets_itself_three_times(machine: MakeMachine) {
    let guests = [linux("bulkhead.end=reboot", 3), metronome("beats=2000")];
    expect_restarts_of_linux(&machine(&compile(&source(&guests))).deadline(240).boot(), 3);
}

fn linux_restarts_after_a_panic(machine: MakeMachine) {
    let guests = [linux("bulkhead.end=panic panic=1", 1), metronome("beats=2000")];
    let outcome = machine(&compile(&source(&guests))).deadline(240).boot();
    expect_restarts_of_linux(&outcome, 1);
    outcome.expect_line("linux", "Kernel panic - not syncing: sysrq triggered crash");
}

/// Compares the neighbour's longest gap between two timer interrupts, in instructions, beside a
/// guest that spins and beside one that keeps restarting. With `-icount` QEMU runs the CPUs in
/// turns, each of which ends when a timer expires: the timer of a third guest makes these turns
/// short.
fn neighbour_is_not_delayed(gic: Gic) {
    let longest_gap = |end: &str| {
        let other = Partition::new("other", "reborn").memory(2 << 20).bootargs(end);
        let clock = Partition::new("clock", "metronome").bootargs("beats=100000000 period-us=20");
        let guests = [other, metronome("beats=400 busy"), clock];
        let machine = Machine::new(gic).cpus(3).counting_instructions();
        let machine = machine.initrd(&compile(&source(&guests)));
        let outcome = machine.kill_after("neighbour: powered off", Duration::ZERO).boot();
        outcome.expect_killed().expect_no_line("FAIL");
        let line = outcome.of("neighbour").containing("metronome:");
        let gap =
            line.0.first().and_then(|line| line.split_once("longest gap ")?.1.split_once(','));
        let gap: Option<u64> = gap.and_then(|(gap, _)| gap.parse().ok());
        let restarts = outcome.of("bulkhead").containing("reset itself").0.len();
        (gap.unwrap_or_else(|| outcome.fail("the longest gap is not printed")), restarts, outcome)
    };
    let (without, none, _) = longest_gap("end=spin");
    let (with, restarts, outcome) = longest_gap("end=reset");
    println!(
        "{gic:?}: the longest gap between timer interrupts 1,000,000 instructions apart is \
         {without} beside a guest that spins, {with} beside one that restarts {restarts} times"
    );
    outcome.check(none == 0 && restarts >= 3, &format!("there were {restarts} restarts"));
    outcome.check(with * 100 <= without * 105, &format!("the gap is {with}, not {without}"));
}
