//! A partition that ends is built again, and its neighbours do not notice.

use std::time::Duration;

use crate::support::{
    Gic, Machine, MakeMachine, Outcome, Partition, SUCCESS, compile, in_all_modes, on_all_machines,
    system,
};

on_all_machines!(
    two_hundred_restarts_leave_nothing_behind,
    linux_resets_itself_three_times,
    linux_comes_back_from_a_panic,
);
in_all_modes!(neighbour_does_not_notice);

const CLEAN: &str = "reborn: nothing of an earlier life in";

/// The guest searches its memory, its interrupts and its registers each time. What Bulkhead itself
/// could use up cannot grow either: its allocator is unmapped by then.
fn two_hundred_restarts_leave_nothing_behind(machine: MakeMachine) {
    const RESTARTS: usize = 200;
    let reborn = Partition::new("reborn", "reborn").memory(2 << 20).bootargs("end=reset");
    let reborn = reborn.property(&format!("max-restarts = <{RESTARTS}>;"));
    let outcome = machine(&compile(&system(&[reborn]))).boot();
    outcome.ends_well();
    let lives = outcome.of("reborn").with(CLEAN).0.len();
    outcome.check(lives == RESTARTS + 1, &format!("{lives} lives, not {}", RESTARTS + 1));
    outcome.says("bulkhead", &format!("it stays stopped, restarted {RESTARTS} times already"));
}

/// How many lives Linux had, and that its neighbour ticked all the time.
#[track_caller]
fn judge_linux(outcome: &Outcome, restarts: usize) {
    outcome.ends_with(SUCCESS).nobody_says("FAIL");
    let lives = outcome.of("linux").with("bulkhead-linux: userspace reached").0.len();
    outcome.check(lives == restarts + 1, &format!("Linux had {lives} lives"));
    outcome.says("bulkhead", &format!("it stays stopped, restarted {restarts} times already"));
    outcome.says("neighbour", "metronome: 2000 beats in");
}

fn linux(bootargs: &str, restarts: usize) -> Partition {
    let initramfs = "ramdisk { data = /incbin/(\"linux/initramfs.cpio.gz\"); };";
    let linux = Partition::with_kernel("linux", "linux/Image").cpus(2).memory(192 << 20);
    let linux = linux.bootargs(&format!("console=ttyAMA0 quiet {bootargs}"));
    linux.property(&format!("max-restarts = <{restarts}>;")).property(initramfs)
}

fn metronome(bootargs: &str) -> Partition {
    Partition::new("neighbour", "metronome").bootargs(bootargs)
}

fn linux_resets_itself_three_times(machine: MakeMachine) {
    let guests = [linux("bulkhead.end=reboot", 3), metronome("beats=2000")];
    judge_linux(&machine(&compile(&system(&guests))).deadline(240).boot(), 3);
}

fn linux_comes_back_from_a_panic(machine: MakeMachine) {
    let guests = [linux("bulkhead.end=panic panic=1", 1), metronome("beats=2000")];
    let outcome = machine(&compile(&system(&guests))).deadline(240).boot();
    judge_linux(&outcome, 1);
    outcome.says("linux", "Kernel panic - not syncing: sysrq triggered crash");
}

/// The neighbour's longest gap between two timer interrupts, in instructions, beside a guest that
/// spins and beside one that restarts again and again. With `-icount` QEMU runs the CPUs in turn,
/// each up to the next timer's time: the third one's timer makes these turns short.
fn neighbour_does_not_notice(gic: Gic) {
    let longest_gap = |end: &str| {
        let other = Partition::new("other", "reborn").memory(2 << 20).bootargs(end);
        let clock = Partition::new("clock", "metronome").bootargs("beats=100000000 period-us=20");
        let guests = [other, metronome("beats=400 busy"), clock];
        let machine = Machine::new(gic).cpus(3).counting_instructions();
        let machine = machine.initrd(&compile(&system(&guests)));
        let outcome = machine.unplug_after("neighbour: powered off", Duration::ZERO).boot();
        outcome.was_unplugged().nobody_says("FAIL");
        let line = outcome.of("neighbour").with("metronome:");
        let gap =
            line.0.first().and_then(|line| line.split_once("longest gap ")?.1.split_once(','));
        let gap: Option<u64> = gap.and_then(|(gap, _)| gap.parse().ok());
        let restarts = outcome.of("bulkhead").with("reset itself").0.len();
        (gap.unwrap_or_else(|| outcome.fail("there is no gap")), restarts, outcome)
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
