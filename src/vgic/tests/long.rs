//! The comparison of `properties` for many steps, the same ones at each run, on four CPUs.
//!
//! BULKHEAD_GIC_STEPS sets the number of steps. BULKHEAD_GIC_EPISODE runs one episode alone.

use std::string::String;
use std::{env, println, thread};

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::pair::Pair;
use super::properties::step;
use crate::vgic::{Delivery, Version};

/// The number of steps of all tests together, unless BULKHEAD_GIC_STEPS is set.
const STEPS: u64 = 100_000;
/// The number of tests, one for each kind of GIC.
const KINDS: u64 = 3;
/// The number of steps after which all interrupts are drained and a new GIC is created.
const EPISODE: u64 = 1000;
/// The number of episodes after which a line reports the progress.
const REPORT: u64 = 250;
const CPUS: usize = 4;
const LIST_REGISTERS: [usize; 4] = [4, 1, 16, 2];

/// Prints where a comparison failed.
struct Place {
    version: Version,
    episode: u64,
    step: u64,
    last: String,
}

impl Drop for Place {
    fn drop(&mut self) {
        if thread::panicking() {
            let Self { version, episode, step, last } = self;
            println!("{version:?}, episode {episode}, step {step}: {last}");
        }
    }
}

/// Runs an episode. Looks at every tenth step, and returns after how many of these more interrupts
/// were pending for a CPU than it has list registers.
fn run(version: Version, delivery: Delivery, episode: u64, steps: u64) -> u64 {
    let list_registers = LIST_REGISTERS[episode as usize % 4];
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&episode.to_le_bytes());
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let mut runner = TestRunner::new_with_rng(Config::default(), random);
    let strategy = step();
    let split = episode / 4 % 2 == 1;
    let mut pair = match delivery {
        Delivery::Trapped if (episode / 8).is_multiple_of(2) => {
            Pair::new(version, CPUS, list_registers, split)
        }
        Delivery::Trapped => Pair::without_physical_sgis(version, CPUS, list_registers, split),
        Delivery::Direct => Pair::direct(CPUS, split),
    };
    let mut place = Place { version, episode, step: 0, last: String::new() };
    let mut crowded = 0;
    for number in 0..steps {
        let step = strategy.new_tree(&mut runner).expect("there is a step").current();
        place.step = number;
        place.last = std::format!("{step:?}");
        pair.step(&step);
        let is_looked_at = number % 10 == 0;
        crowded += u64::from(is_looked_at && pair.most_pending() as usize > list_registers);
    }
    place.last = "drained".into();
    pair.drain();
    crowded
}

fn run_all(version: Version, delivery: Delivery) {
    let steps = env::var("BULKHEAD_GIC_STEPS").ok();
    let steps = steps.map_or(STEPS, |steps| steps.parse().expect("BULKHEAD_GIC_STEPS is a number"));
    if let Ok(episode) = env::var("BULKHEAD_GIC_EPISODE") {
        run(version, delivery, episode.parse().expect("BULKHEAD_GIC_EPISODE is a number"), EPISODE);
        return;
    }
    let episodes = (steps / KINDS).div_ceil(EPISODE);
    let steps = episodes * EPISODE;
    let mut crowded = 0;
    for episode in 0..episodes {
        crowded += run(version, delivery, episode, EPISODE);
        if (episode + 1) % REPORT == 0 {
            println!("{version:?} {delivery:?}: {} of {steps} steps", (episode + 1) * EPISODE);
        }
    }
    let looks = steps / 10;
    println!(
        "{version:?} {delivery:?}: {steps} steps; of {looks}, {crowded} had more pending than list \
         registers"
    );
    assert!(crowded > looks / 2, "few steps had many pending");
}

#[test]
fn gicv2_is_a_gic_for_long() {
    run_all(Version::V2, Delivery::Trapped);
}

#[test]
fn gicv3_is_a_gic_for_long() {
    run_all(Version::V3, Delivery::Trapped);
}

#[test]
fn gicv3_with_direct_interrupts_is_a_gic_for_long() {
    run_all(Version::V3, Delivery::Direct);
}
