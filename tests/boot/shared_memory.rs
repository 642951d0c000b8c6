//! Memory that partitions share, and its doorbells.

use std::fs;

use super::audit::with_bug;
use super::guests::machine_tree_with;
use common::{
    Gic, Machine, MakeMachine, Outcome, Partition, REFUSED, compile, compile_file, file, function,
    in_all_modes, on_all_machines, patched, scratch_directory, system,
};

on_all_machines!(a_linux_and_a_bare_metal_guest_exchange_messages, a_peer_restarts_under_traffic,);
in_all_modes!(
    both_peers_restart_under_traffic,
    three_partitions_exchange_messages_by_memory_that_was_zero,
    a_storm_of_bells_harms_nobody,
);

/// Memory of the partitions `a` and `b`.
const FRAMES: &str = "    links { frames { type = \"memory\"; partitions = \"a\", \"b\"; size = <0x0 0x4000>; }; };\n";

/// Returns a bare-metal guest that exchanges messages.
fn mailbox(name: &str, bootargs: &str, restarts: u32) -> Partition {
    let most = format!("max-restarts = <{restarts}>;");
    Partition::new(name, "mailbox").memory(2 << 20).bootargs(bootargs).property(&most)
}

/// Returns the numbers in each line of a guest that contains a text.
#[track_caller]
fn numbers(outcome: &Outcome, name: &str, text: &str) -> Vec<Vec<u64>> {
    let lines = outcome.of(name).containing(text);
    let of = |line: &&str| -> Vec<u64> {
        line.split(|it: char| !it.is_ascii_digit()).filter_map(|it| it.parse().ok()).collect()
    };
    let numbers: Vec<_> = lines.0.iter().map(of).collect();
    outcome.check(!numbers.is_empty(), &format!("{name} has no line with {text}"));
    numbers
}

/// Expects that a guest has received all messages, once each, of at least `lives` lives of others.
#[track_caller]
fn expect_all_messages(outcome: &Outcome, name: &str, lives: u64) {
    for all in numbers(outcome, name, "mailbox: received ") {
        let [received, sent, of_lives, bells] = all[..] else { outcome.fail("other numbers") };
        let is_right = received == sent && received > 20 && of_lives == lives && bells > 0;
        outcome.check(is_right, &format!("{name}: {received} of {sent} of {of_lives} lives"));
    }
}

/// The description that docs/description.md shows: Linux maps the memory by /dev/mem.
fn a_linux_and_a_bare_metal_guest_exchange_messages(machine: MakeMachine) {
    let outcome = machine(&compile_file(&file("dts/shared-memory.dts"))).deadline(120).boot();
    outcome.expect_success().expect_no_line("FAIL");
    let sent = "bulkhead-linux: sent 200 messages by frames, each was answered";
    outcome.expect_line("linux", sent);
    let answered = &numbers(&outcome, "control", "mailbox: answered")[0];
    let [200, bells] = answered[..] else { outcome.fail("it has answered others") };
    // Two bells before the interrupt is taken are one.
    outcome.check(bells > 100, &format!("only {bells} bells woke it"));
}

/// One side restarts 100 times while both send; no message is lost or comes twice, and the bells
/// come in each of its lives.
fn a_peer_restarts_under_traffic(machine: MakeMachine) {
    let guests = [mailbox("a", "storm=40", 100), mailbox("b", "storm=1 last", 0)];
    let outcome = machine(&compile(&system(FRAMES, &guests))).deadline(180).boot();
    outcome.expect_success().expect_no_line("FAIL");
    outcome.expect_line("bulkhead", "it stays stopped, restarted 100 times already");
    expect_all_messages(&outcome, "b", 101);
    let mut taken = 0;
    let lives = numbers(&outcome, "a", "mailbox: life ");
    for (life, all) in (1..).zip(&lives) {
        let [number, received, in_all, _] = all[..] else { outcome.fail("other numbers") };
        taken += received;
        let is_right = number == life && in_all == taken;
        outcome.check(is_right, &format!("life {number} of {life}: {in_all}, not {taken}"));
    }
    let rung = lives.iter().filter(|all| all[3] > 0).count();
    outcome.check(lives.len() == 101 && rung > 90, &format!("{rung} of {} lives", lives.len()));
}

/// Both sides restart 100 times, each at moments of its own.
fn both_peers_restart_under_traffic(gic: Gic) {
    let guests = [mailbox("a", "storm=40", 100), mailbox("b", "storm=60", 100)];
    let description = compile(&system(FRAMES, &guests));
    let outcome = Machine::new(gic).initrd(&description).deadline(180).boot();
    outcome.expect_success().expect_no_line("FAIL");
    for name in ["a", "b"] {
        let lives = numbers(&outcome, name, "mailbox: life ");
        let received: u64 = lives.iter().map(|all| all[1]).sum();
        let last = lives.last().map_or(0, |all| all[2]);
        let is_right = lives.len() == 101 && received == last && received > 100;
        outcome.check(is_right, &format!("{name}: {received} of {last} in {} lives", lives.len()));
    }
}

/// Each of three partitions sends to both others. All memory that they could get has other bytes
/// than zeros before the boot, in which no guest would find a message.
fn three_partitions_exchange_messages_by_memory_that_was_zero(gic: Gic) {
    let size = "size = <0x0 0x9000>;";
    let names = "partitions = \"a\", \"b\", \"c\";";
    let links = format!("    links {{ frames {{ type = \"memory\"; {names} {size} }}; }};\n");
    let guests = ["a", "b", "c"].map(|name| mailbox(name, "storm=100 end", 0));
    let dirt = scratch_directory(&format!("shared-{gic:?}")).join("dirt");
    fs::write(&dirt, vec![0xa5; 32 << 20]).expect("the tests' directory can be written");
    let load = format!("loader,file={},addr=0x40a00000,force-raw=on", dirt.display());
    let machine = Machine::new(gic).option("-device", load);
    let outcome = machine.initrd(&compile(&system(&links, &guests))).boot();
    outcome.expect_success().expect_no_line("FAIL");
    let linked = "each has one owner, but 18 are shared by links";
    outcome.expect_line("bulkhead", linked);
    for name in ["a", "b", "c"] {
        expect_all_messages(&outcome, name, 2);
    }
}

/// A partition rings two others as often as it can from two CPUs, accesses all that is beside the
/// registers, and writes anything into the memory that it has. The two lose nothing of what they
/// send each other, nor does a third notice.
fn a_storm_of_bells_harms_nobody(gic: Gic) {
    let links = "    links {
        frames { type = \"memory\"; partitions = \"a\", \"b\"; size = <0x0 0x4000>; };
        other { type = \"memory\"; partitions = \"attacker\", \"b\", \"a\"; size = <0x0 0x9000>; };
    };\n";
    let attacker = Partition::new("attacker", "attacker").cpus(2);
    let guests = [
        attacker.bootargs("only=bells rounds=400 seed=1"),
        mailbox("a", "storm=400 end hostile=other", 0),
        mailbox("b", "storm=400 end hostile=other", 0),
        Partition::new("third", "hello"),
    ];
    let description = compile(&system(links, &guests));
    let outcome = Machine::new(gic).cpus(6).initrd(&description).deadline(180).boot();
    outcome.expect_success().expect_no_line("FAIL").expect_no_line("panic");
    outcome.expect_line("attacker", "attacker: 25600 bells on each CPU");
    outcome.expect_line("third", "hello: done, ticks=10");
    for name in ["a", "b"] {
        expect_all_messages(&outcome, name, 1);
    }
}

/// Returns two partitions that share memory, behind a third one with a disk.
fn behind_a_third() -> String {
    let third =
        Partition::new("third", "hello").property("disks { own { size = <0x0 0x200000>; }; };");
    system(FRAMES, &[third, mailbox("a", "storm=1", 0), mailbox("b", "storm=1", 0)])
}

/// Stage 2 of a third partition leads to the memory that two share, in place of its own disk, which
/// is 2 MiB before that.
#[test]
fn a_third_partition_that_reaches_the_memory_is_found() {
    #[rustfmt::skip]
    let shift = [
        0x36f0_00c2, // tbz x2, #30, the end: once, at level 1
        0xb6b0_00a4, // tbz x4, #54, the end: memory that is executed
        0x3628_0084, // tbz x4, #5, the end: EL2's own, or a device's
        0xf940_0469, // ldr x9, [x3, #8]
        0x9148_0129, // add x9, x9, #2 MiB
        0xf900_0469, // str x9, [x3, #8]
    ];
    let description = compile(&behind_a_third());
    let machine = Machine::new(Gic::V3).kernel(&with_bug(&shift)).initrd(&description);
    let outcome = machine.boot();
    outcome.expect_status(REFUSED);
    let what = "third: an address leads to memory that the Plan does not say, 0x80000000";
    outcome.expect_line("bulkhead", what);
    outcome.check(outcome.of("third").is_empty(), "a guest ran");
}

/// The function that unmaps disks and shared memory returns at once. The images are in the machine's
/// tree, which stays mapped, so that there is nothing else to be found.
#[test]
fn memory_that_stays_mapped_is_found() {
    const RET: u32 = 0xd65f_03c0;
    let kernel = patched(&[(function(&["3mmu", "12unmap_memory"]), &[RET])]);
    let guests = [mailbox("a", "storm=1", 0), mailbox("b", "storm=1", 0)];
    let tree = machine_tree_with(Gic::V3, &system(FRAMES, &guests));
    let outcome = Machine::new(Gic::V3).kernel(&kernel).tree(&tree).boot();
    outcome.expect_status(REFUSED);
    outcome.expect_line("bulkhead", "EL2: memory is reached that must be closed, 0x4");
    outcome.check(outcome.of("a").is_empty(), "a guest ran");
}
