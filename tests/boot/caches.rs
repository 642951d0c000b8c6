//! Cache maintenance by set and way: the guest's memory is cleaned by address, in pieces, once for
//! each time that its caches may have changed. Caches are not modelled, but the work is counted in
//! instructions.

use common::{Gic, Machine, Outcome, Partition, compile, in_all_modes, source};

in_all_modes!(maintenance_by_set_and_way_cleans_the_memory_once);

const MEMORY: u64 = 16 << 20;
/// The number of cache lines of the memory, each of which is one instruction at least.
const LINES: u64 = MEMORY / 64;
/// The most instructions of an exit that cleans nothing, and of one piece.
const SHORT: u64 = 600;
const PIECE: u64 = 3_600;

/// Returns the number behind this text in a line of the guest.
#[track_caller]
fn number(outcome: &Outcome, text: &str) -> u64 {
    let lines = outcome.of("caches");
    let after = |line: &&str| {
        let rest = line.split_once(text)?.1;
        rest.split(|it: char| !it.is_ascii_digit()).next()?.parse().ok()
    };
    lines.0.iter().find_map(after).unwrap_or_else(|| outcome.fail(text))
}

fn maintenance_by_set_and_way_cleans_the_memory_once(gic: Gic) {
    let caches = Partition::new("caches", "caches").memory(MEMORY);
    let machine = Machine::new(gic).cpus(1).counting_instructions();
    let outcome = machine.initrd(&compile(&source(&[caches]))).boot();
    outcome.expect_success().expect_line("caches", "caches: done");
    for (text, cleans) in [
        ("caches on: first ", true),
        ("again ", false),
        // The caches may have been written to since: before they go off, once more.
        ("off: ", true),
        ("caches: first: ", true),
        ("caches: again: ", false),
        ("caches: on: ", false),
        ("on first: ", true),
        ("on again: ", false),
    ] {
        let count = number(&outcome, text);
        let is_right = if cleans { count > LINES } else { count < SHORT };
        outcome.check(is_right, &format!("{text}{count}, with {LINES} lines to clean"));
    }
    let late = number(&outcome, "late by ");
    outcome.check(late < PIECE + SHORT, &format!("an interrupt is late by {late} instructions"));
}
