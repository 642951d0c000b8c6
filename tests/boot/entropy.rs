//! Random seeds and TRNG calls: no two numbers are the same, in any partition and any of its lives,
//! where the machine has a source of entropy; where it has none, the report says so and there are
//! no numbers.

use std::collections::BTreeSet;
use std::fs;

use common::{
    Gic, Machine, Outcome, Partition, compile, compile_machine, in_all_modes, machine_tree,
    scratch, source,
};

in_all_modes!(numbers_differ_between_partitions_and_over_restarts);

/// The number of times that each guest is started.
const LIVES: usize = 3;
/// The number of TRNG calls that it makes each time.
const CALLS: usize = 3;

/// Returns a guest that prints its random seeds and numbers, and resets itself.
fn guest(name: &str) -> Partition {
    let guest = Partition::new(name, "probe").memory(2 << 20).bootargs("random");
    guest.property(&format!("max-restarts = <{}>;", LIVES - 1))
}

/// Returns a guest that checks its TRNG calls among others.
fn checks() -> Partition {
    Partition::new("checks", "probe")
}

/// Returns a machine whose tree has no seeds.
fn without_seeds(gic: Gic) -> Machine {
    let version = gic.version();
    let machine = format!("virt,virtualization=on,dtb-randomness=off,gic-version={version}");
    Machine::new(gic).machine(&machine)
}

/// Returns what a guest has printed in all of its lives about this: a seed's name, or `call 0` for
/// the numbers of calls that were answered.
fn numbers<'a>(outcome: &'a Outcome, name: &str, about: &str) -> Vec<&'a str> {
    let text = format!("probe: random {about} ");
    let lines = outcome.of(name).0.into_iter();
    lines.filter_map(|line| line.strip_prefix(&text)).map(str::trim).collect()
}

/// Expects the report's line about entropy.
#[track_caller]
fn expect_report(outcome: &Outcome, text: &str) {
    let lines = outcome.of("bulkhead").containing("entropy     ").0;
    let expected = format!("entropy     {text}");
    outcome.check(lines == [&*expected], &format!("the report says {lines:?}, not `{expected}`"));
}

/// Expects that these guests have had all seeds and numbers, of which no 8 bytes are the same.
#[track_caller]
fn expect_all_numbers(outcome: &Outcome, names: &[&str]) {
    let (mut seen, mut count) = (BTreeSet::new(), 0);
    for name in names {
        for (about, times, digits) in
            [("kaslr-seed", LIVES, 16), ("rng-seed", LIVES, 128), ("call 0", LIVES * CALLS, 48)]
        {
            let found = numbers(outcome, name, about);
            let sizes: Vec<_> = found.iter().map(|digits| digits.len()).collect();
            outcome.check(sizes == vec![digits; times], &format!("{name} has {about}: {found:?}"));
            for part in found.iter().flat_map(|digits| digits.as_bytes().chunks(16)) {
                seen.insert(part);
                count += 1;
            }
        }
    }
    outcome.check(seen.len() == count, &format!("{} of {count} numbers differ", seen.len()));
}

/// Expects that a guest has had no `rng-seed` and no answer to a TRNG call.
#[track_caller]
fn expect_no_numbers(outcome: &Outcome, name: &str) {
    outcome.check(numbers(outcome, name, "rng-seed") == ["none"; LIVES], "there is an rng-seed");
    let refused = numbers(outcome, name, "call ffffffffffffffff").len();
    outcome.check(refused == LIVES * CALLS, &format!("{refused} calls are not supported"));
}

fn numbers_differ_between_partitions_and_over_restarts(gic: Gic) {
    let guests = [guest("one"), guest("two").cpus(2), checks()];
    let outcome = Machine::new(gic).initrd(&compile(&source(&guests))).boot();
    outcome.expect_success().expect_line("checks", "ok trng-by-smc");
    outcome.expect_line("checks", ", 0 failed");
    expect_report(&outcome, "rng-seed 32 B, kaslr-seed 8 B");
    expect_all_numbers(&outcome, &["one", "two"]);
}

#[test]
fn machine_without_entropy_says_so_and_gives_none() {
    let guests = [guest("one"), checks()];
    let outcome = without_seeds(Gic::V3).initrd(&compile(&source(&guests))).boot();
    outcome.expect_success().expect_line("checks", ", 0 failed");
    expect_report(&outcome, "none: partitions get no random seeds and no TRNG");
    outcome.expect_line("bulkhead", "(monitor, entropy, links, pcie, dma, uart left out)");
    outcome
        .check(numbers(&outcome, "one", "kaslr-seed") == ["none"; LIVES], "there is a kaslr-seed");
    expect_no_numbers(&outcome, "one");
}

#[test]
fn register_of_the_newest_core_is_a_source() {
    let machine = without_seeds(Gic::V3).cpu("max");
    let outcome = machine.initrd(&compile(&source(&[guest("one"), guest("two")]))).boot();
    outcome.expect_success();
    expect_report(&outcome, "RNDR 32 B");
    expect_all_numbers(&outcome, &["one", "two"]);
}

/// The firmware has no entropy at its first call.
#[test]
fn firmwares_trng_is_a_source() {
    let outcome = Machine::with_firmware(Gic::V2, &source(&[guest("one")])).boot();
    outcome.expect_status(0);
    expect_report(&outcome, "firmware's TRNG 48 B");
    expect_all_numbers(&outcome, &["one"]);
}

/// Eight bytes, as some firmware leaves, can be guessed by trying them all.
#[test]
fn kaslr_seed_alone_is_used_for_nothing_else() {
    let tree = with_seeds(&machine_tree(Gic::V3), "kaslr-seed = <0x1 0x2>;");
    let machine = Machine::new(Gic::V3).tree(&compile_machine(&tree));
    let outcome = machine.initrd(&compile(&source(&[guest("one"), guest("two")]))).boot();
    outcome.expect_success();
    expect_report(
        &outcome,
        "kaslr-seed 8 B: fewer than 32 B, so partitions get only a kaslr-seed and no TRNG",
    );
    let seeds = ["one", "two"].map(|name| numbers(&outcome, name, "kaslr-seed"));
    let different: BTreeSet<_> = seeds.iter().flatten().filter(|seed| seed.len() == 16).collect();
    outcome.check(different.len() == 2 * LIVES, &format!("the seeds are {seeds:?}"));
    ["one", "two"].iter().for_each(|name| expect_no_numbers(&outcome, name));
}

/// Returns a machine's tree with these seeds in place of its own.
fn with_seeds(tree: &str, seeds: &str) -> String {
    let is_other = |line: &&str| !line.contains("-seed = ");
    let lines: Vec<_> = tree.lines().filter(is_other).collect();
    lines.join("\n").replacen("chosen {", &format!("chosen {{ {seeds}"), 1)
}

/// The machine's memory is a file, in which nothing outside of the partition shows the firmware's
/// seed or a number that the guest got, except the last, which is in the guest's registers.
#[test]
fn memory_of_el2_shows_no_seed_and_no_earlier_number() {
    const MEMORY: u64 = 256 << 20;
    const SEED: [u8; 16] = *b"a seed to look f";
    let words =
        SEED.chunks(4).map(|word| format!("{:#x} ", u32::from_be_bytes(word.try_into().unwrap())));
    let seeds =
        format!("kaslr-seed = <{}>; rng-seed = <1 2 3 4 5 6 7 8>;", words.collect::<String>());
    let tree = with_seeds(&machine_tree(Gic::V3), &seeds);
    let tree = tree.replace(
        "reg = <0x00 0x40000000 0x00 0x40000000>",
        "reg = <0x00 0x40000000 0x00 0x10000000>",
    );
    let ram = scratch("ram");
    let backend =
        format!("memory-backend-file,id=ram,size={MEMORY},share=on,mem-path={}", ram.display());
    let outcome = Machine::new(Gic::V3)
        .machine("virt,virtualization=on,gic-version=3,memory-backend=ram")
        .option("-object", backend)
        .memory("256M")
        .tree(&compile_machine(&tree))
        .initrd(&compile(&source(&[guest("one")])))
        .boot();
    outcome.expect_success();
    expect_all_numbers(&outcome, &["one"]);
    let memory = fs::read(&ram).expect("QEMU has written the machine's memory");
    fs::remove_file(&ram).expect("it is there");
    outcome.check(memory.len() as u64 == MEMORY, "the memory has another size");
    let own = partition(&outcome, "one");
    let outside = [&memory[..own], &memory[own + (2 << 20)..]];
    let is_there = |bytes: &[u8]| {
        outside.iter().any(|memory| memory.windows(bytes.len()).any(|it| it == bytes))
    };
    outcome.check(is_there(b"kaslr-seed\0"), "the machine's tree is not found");
    outcome.check(!is_there(&SEED[..8]), "the firmware's seed is in memory");
    let calls = numbers(&outcome, "one", "call 0");
    let seeds = numbers(&outcome, "one", "rng-seed");
    for (digits, is_number) in
        calls.iter().map(|it| (it, true)).chain(seeds.iter().map(|it| (it, false)))
    {
        for part in digits.as_bytes().chunks(16) {
            let digits = std::str::from_utf8(part).expect("digits are text");
            let number = u64::from_str_radix(digits, 16).expect("the guest prints digits");
            let bytes = if is_number { number.to_le_bytes() } else { number.to_be_bytes() };
            outcome.check(!is_there(&bytes), &format!("{digits} is in memory"));
        }
    }
}

/// Returns the offset of a partition's memory in the machine's, from the report.
#[track_caller]
fn partition(outcome: &Outcome, name: &str) -> usize {
    let rows = outcome.of("bulkhead");
    let row = rows.0.iter().find_map(|line| line.strip_prefix(&format!("{name} ")));
    let place = row.and_then(|row| row.split_ascii_whitespace().nth(4)?.strip_prefix("0x"));
    let place = place.and_then(|place| usize::from_str_radix(place, 16).ok());
    place.unwrap_or_else(|| outcome.fail("the report has no such partition")) - 0x4000_0000
}

/// Without seeds this core, which has no RNDR, takes seconds.
#[test]
fn linux_has_its_random_generator_at_once() {
    const INIT_DONE: &str = "random: crng init done";
    let linux = Partition::linux("linux").bootargs("console=ttyAMA0");
    let machine = Machine::new(Gic::V3).cpu("cortex-a53").deadline(120);
    let outcome = machine.initrd(&compile(&source(&[linux]))).boot();
    outcome.expect_success().expect_line("linux", "bulkhead-linux: userspace reached");
    let lines = outcome.of("linux").containing(INIT_DONE);
    let time = lines.0.first().and_then(|line| line.strip_prefix('[')?.split_once(']'));
    let time: Option<f64> = time.and_then(|(time, _)| time.trim().parse().ok());
    let time = time.unwrap_or_else(|| outcome.fail(&format!("Linux does not say `{INIT_DONE}`")));
    outcome.check(time < 0.5, &format!("`{INIT_DONE}` after {time} s"));
}
