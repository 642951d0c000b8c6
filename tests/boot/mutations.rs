//! Damaged descriptions, booted: each is refused in one sentence, or its guests start.
//!
//! BULKHEAD_BOOTS says how many there are.

use std::time::Duration;
use std::{env, fs};

use bulkhead::boot::fdt::Writer;

use crate::layout::pack;
use crate::mutate::mutate;
use crate::random::Random;
use crate::support::{Gic, Machine, Outcome, REFUSED, compile_file, file, scratch};

/// Boots without BULKHEAD_BOOTS.
const BOOTS: u64 = 10;
/// Printed when everything that can be refused has been looked at.
const ACCEPTED: &str = "[bulkhead] partition ";
/// How long guests run, which may be damaged too.
const GUESTS_RUN: Duration = Duration::from_secs(2);

fn boot(gic: Gic, description: &[u8]) -> Outcome {
    let path = scratch("dtb");
    fs::write(&path, description).expect("the tests' directory can be written");
    Machine::new(gic).initrd(&path).unplug_after(ACCEPTED, GUESTS_RUN).boot()
}

/// The sentence of a refusal; none if the guests were started.
fn judge(outcome: &Outcome) -> Option<String> {
    outcome.nobody_says("panic");
    let refusals = outcome.of("bulkhead").with("refused: ");
    if refusals.is_empty() {
        outcome.check(!outcome.lines().with(ACCEPTED).is_empty(), "neither refused nor started");
        return None;
    }
    outcome.ends_with(REFUSED).says("bulkhead", "no guest was started");
    outcome.check(refusals.0.len() == 1, "there are several refusals");
    Some(refusals.0[0].into())
}

#[test]
fn each_is_refused_in_one_sentence_or_started() {
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

/// Reading takes memory, of which Bulkhead has little.
#[test]
fn more_nodes_than_can_be_read_are_refused() {
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
