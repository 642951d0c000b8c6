//! Boots damaged descriptions: each is refused in one sentence, or its guests start.
//!
//! The environment variable BULKHEAD_BOOTS sets the number of boots.

use std::time::Duration;
use std::{env, fs};

use bulkhead::boot::fdt::Writer;

use common::mutations::{Random, mutate, pack};
use common::{Gic, Machine, Outcome, REFUSED, compile_file, file, scratch};

/// The number of boots by default.
const BOOTS: u64 = 10;
/// The beginning of a line that is printed once everything has been accepted.
const ACCEPTED: &str = "[bulkhead] partition ";
/// How long the guests run, which may be damaged too.
const GUESTS_RUN: Duration = Duration::from_secs(2);

fn boot(gic: Gic, description: &[u8]) -> Outcome {
    let path = scratch("dtb");
    fs::write(&path, description).expect("the tests' directory can be written");
    Machine::new(gic).initrd(&path).kill_after(ACCEPTED, GUESTS_RUN).boot()
}

/// Returns the sentence of a refusal, `None` if the guests were started.
fn judge(outcome: &Outcome) -> Option<String> {
    outcome.expect_no_line("panic");
    let refusals = outcome.of("bulkhead").containing("refused: ");
    if refusals.is_empty() {
        outcome
            .check(!outcome.lines().containing(ACCEPTED).is_empty(), "neither refused nor started");
        return None;
    }
    outcome.expect_status(REFUSED).expect_line("bulkhead", "no guest was started");
    outcome.check(refusals.0.len() == 1, "there are several refusals");
    Some(refusals.0[0].into())
}

#[test]
fn damaged_descriptions_are_refused_in_one_sentence_or_started() {
    let boots = env::var("BULKHEAD_BOOTS").ok();
    let boots = boots.map_or(BOOTS, |boots| boots.parse().expect("BULKHEAD_BOOTS is a number"));
    let names = ["default", "four", "hello", "smp"];
    let seeds = names.map(|name| {
        let tree = compile_file(&file(&format!("dts/{name}.dts")));
        pack(&fs::read(tree).expect("dtc wrote it"))
    });
    let (mut refused, mut started) = (0, 0);
    for number in 0..boots {
        let mut random = Random::new(number);
        let (seed, other) = (&seeds[random.below(4)], &seeds[random.below(4)]);
        let description = mutate(seed, other, &mut random);
        let gic = random.pick(&[Gic::V2, Gic::V3]);
        match judge(&boot(gic, &description)) {
            Some(sentence) => {
                refused += 1;
                println!("{number}: {sentence}");
            }
            None => started += 1,
        }
    }
    println!("{boots} boots: {started} started their guests, {refused} were refused");
}

/// Reading nodes takes memory, of which Bulkhead has little.
#[test]
fn description_with_too_many_nodes_is_refused() {
    let mut tree = Writer::new();
    tree.begin_node("");
    tree.property_str("compatible", "bulkhead,system");
    tree.begin_node("partitions");
    for number in 0..30_000 {
        tree.begin_node(&format!("n{number}"));
        tree.end_node();
    }
    tree.end_node();
    tree.end_node();
    let sentence = judge(&boot(Gic::V2, &tree.finish())).expect("it is refused");
    assert!(sentence.contains("more memory than Bulkhead has"), "{sentence}");
}
