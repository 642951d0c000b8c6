//! What the guest `bench` measures: on a bare machine, and in a partition.

use std::fs;
use std::path::Path;

use super::column::Column;
use super::machine::{bare, with};
use crate::support::{Outcome, Partition, file, scratch};

/// One thing measured several times.
#[derive(Clone, Copy, Debug)]
pub struct Figure {
    /// The least, the middle, the mean and the most of all times.
    pub min: u64,
    pub median: u64,
    pub mean: u64,
    pub max: u64,
}

impl From<u64> for Figure {
    fn from(value: u64) -> Self {
        Self { min: value, median: value, mean: value, max: value }
    }
}

/// What a run finds: rows by their keys.
pub type Found = Vec<(String, Figure)>;

const MEMORY: u64 = 128 << 20;

/// Everything that a guest with so many CPUs measures.
pub fn measure(column: Column, cpus: usize) -> Found {
    let outcome = if column.bare().is_none() {
        bare(column, cpus, file("target/guests/bench.img"), MEMORY).boot()
    } else {
        let guest = Partition::new("bench", "bench").cpus(cpus).memory(MEMORY);
        let guest = guest.property("devices = \"/pl031@9010000\";");
        with(column, cpus, &[guest]).boot()
    };
    outcome.ends_with(0);
    found(&outcome)
}

/// What a guest tells.
#[track_caller]
pub fn found(outcome: &Outcome) -> Found {
    outcome.nobody_says("FAIL").nobody_says("PANIC");
    let lines = outcome.lines().with("bench: name=");
    let found: Found = lines.0.iter().map(|line| parse(outcome, line)).collect();
    outcome.check(!found.is_empty(), "the guest has no figures");
    found
}

/// A line of the guest's: `bench: name=WHAT unit=ticks n=N min=N median=N mean=N max=N`.
#[track_caller]
fn parse(outcome: &Outcome, line: &str) -> (String, Figure) {
    let number = |key| value(line, key).and_then(|value| value.parse().ok());
    let figure = || {
        let [min, median, mean, max] = ["min", "median", "mean", "max"].map(number);
        Some(Figure { min: min?, median: median?, mean: mean?, max: max? })
    };
    match (value(line, "name"), figure()) {
        (Some(name), Some(figure)) => (name.into(), figure),
        _ => outcome.fail(&format!("`{line}` is not a line of figures")),
    }
}

fn value<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    line.split_ascii_whitespace().find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
}

/// The numbers of the lines that tell one under this name.
fn told(outcome: &Outcome, key: &str) -> Vec<u64> {
    let lines = outcome.lines().with(&format!("bench: {key}="));
    lines.0.iter().filter_map(|line| value(line, key)?.parse().ok()).collect()
}

/// How many bytes a file has.
pub fn size(path: &Path) -> u64 {
    path.metadata().expect("the images are there").len()
}

/// How many bytes the guest's image has.
pub fn image() -> u64 {
    size(&file("target/guests/bench.img"))
}

/// When a guest is entered, since the reset, whose images have so many bytes in all.
pub fn entered(column: Column, memory: u64, images: u64) -> u64 {
    let mut guest = Partition::new("bench", "bench").memory(memory).bootargs("entered");
    let more = images.saturating_sub(image()) as usize;
    if more > 0 {
        let path = scratch("padding");
        fs::write(&path, vec![0x5a; more]).expect("the tests' directory can be written");
        let data = format!("data = /incbin/(\"{}\");", path.display());
        guest = guest.property(&format!("ramdisk {{ {data} }};"));
    }
    let outcome = with(column, 1, &[guest]).boot();
    outcome.ends_with(0);
    match told(&outcome, "entered")[..] {
        [entered] => entered,
        _ => outcome.fail("the guest does not say when it was entered"),
    }
}

/// What a restart costs: from the reset to the next life's first instruction.
pub fn restart(column: Column) -> Found {
    const RESTARTS: usize = 3;
    let guest = Partition::new("bench", "bench").memory(64 << 20).bootargs("restart");
    let guest = guest.property(&format!("max-restarts = <{RESTARTS}>;"));
    let outcome = with(column, 1, &[guest]).boot();
    let (entered, reset) = (told(&outcome, "entered"), told(&outcome, "reset"));
    outcome.check(entered.len() == RESTARTS + 1, "the guest does not restart");
    let mut times: Vec<_> = reset.iter().zip(&entered[1..]).map(|(from, to)| to - from).collect();
    times.sort_unstable();
    vec![("restart".into(), Figure::from(times[RESTARTS / 2]))]
}
