//! The measurements of the guest `bench`, on a bare machine and in a partition.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::column::Column;
use super::machine::{bare, with_partitions, with_properties};
use crate::{Outcome, Partition, file, scratch};

/// The statistics of one operation, measured several times.
#[derive(Clone, Copy, Debug)]
pub struct Figure {
    /// The least.
    pub min: u64,
    /// The median.
    pub median: u64,
    /// The mean.
    pub mean: u64,
    /// The greatest.
    pub max: u64,
}

impl From<u64> for Figure {
    fn from(value: u64) -> Self {
        Self { min: value, median: value, mean: value, max: value }
    }
}

/// The figures of a run, by the keys of their rows.
pub type Found = Vec<(String, Figure)>;

const MEMORY: u64 = 128 << 20;

/// Runs all measurements of a guest with this number of CPUs.
pub fn measure(column: Column, cpus: usize) -> Found {
    let outcome = if column.bare().is_none() {
        bare(column, cpus, file("target/guests/bench.img"), MEMORY).boot()
    } else {
        let guest = Partition::new("bench", "bench").cpus(cpus).memory(MEMORY);
        let guest = guest.property("devices = \"/pl031@9010000\";");
        with_partitions(column, cpus, &[guest]).boot()
    };
    outcome.expect_status(0);
    found(&outcome)
}

/// Measures a network and shared memory between two partitions.
pub fn links(column: Column) -> Found {
    let guest = |name, words| Partition::new(name, "bench").memory(4 << 20).bootargs(words);
    let guests = [guest("bench", "links"), guest("peer", "links-peer")];
    let both = "partitions = \"bench\", \"peer\";";
    let lan = format!("lan {{ type = \"network\"; {both} }};");
    let frames = format!("frames {{ type = \"memory\"; {both} size = <0x0 0x4000>; }};");
    let links = format!("    links {{ {lan} {frames} }};\n");
    let outcome = with_properties(column, 2, &links, &guests)
        .kill_after("bench: done", Duration::from_millis(100))
        .boot();
    outcome.expect_killed();
    found(&outcome)
}

/// Measures a disk by virtio.
pub fn disks(column: Column) -> Found {
    let disk = "disks { own { size = <0x0 0x200000>; interface = \"virtio\"; }; };";
    let guest = Partition::new("bench", "bench").memory(4 << 20).bootargs("disks").property(disk);
    let outcome = with_partitions(column, 1, &[guest]).boot();
    outcome.expect_status(0);
    found(&outcome)
}

/// Measures a line on the virtio console.
pub fn terminal(column: Column) -> Found {
    let guest = Partition::new("bench", "bench").memory(4 << 20).bootargs("terminal");
    let guest = guest.property("console = \"virtio\";");
    let outcome = with_partitions(column, 1, &[guest]).boot();
    outcome.expect_status(0);
    found(&outcome)
}

/// Returns the figures that a guest has printed.
#[track_caller]
pub fn found(outcome: &Outcome) -> Found {
    outcome.expect_no_line("FAIL").expect_no_line("PANIC");
    let lines = outcome.lines().containing("bench: name=");
    let found: Found = lines.0.iter().map(|line| parse(outcome, line)).collect();
    outcome.check(!found.is_empty(), "the guest has no figures");
    found
}

/// Parses a line of figures: `bench: name=WHAT unit=ticks n=N min=N median=N mean=N max=N`.
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

/// Returns the numbers that lines of the form `bench: KEY=NUMBER` give.
fn numbers(outcome: &Outcome, key: &str) -> Vec<u64> {
    let lines = outcome.lines().containing(&format!("bench: {key}="));
    lines.0.iter().filter_map(|line| value(line, key)?.parse().ok()).collect()
}

/// Returns the size of a file, in bytes.
pub fn size(path: &Path) -> u64 {
    path.metadata().expect("the images are there").len()
}

/// Returns the size of the guest's image, in bytes.
pub fn image() -> u64 {
    size(&file("target/guests/bench.img"))
}

/// Returns the instructions from the reset to the first of a guest whose images have this size in
/// all.
pub fn entered(column: Column, memory: u64, images: u64) -> u64 {
    let mut guest = Partition::new("bench", "bench").memory(memory).bootargs("entered");
    let more = images.saturating_sub(image()) as usize;
    if more > 0 {
        let path = scratch("padding");
        fs::write(&path, vec![0x5a; more]).expect("the tests' directory can be written");
        guest = guest.ramdisk(path.to_str().expect("paths are UTF-8"));
    }
    let outcome = with_partitions(column, 1, &[guest]).boot();
    outcome.expect_status(0);
    match numbers(&outcome, "entered")[..] {
        [entered] => entered,
        _ => outcome.fail("the guest does not print when it was entered"),
    }
}

/// Measures a restart, from the reset to the first instruction after it.
pub fn restart(column: Column) -> Found {
    const RESTARTS: usize = 3;
    let guest = Partition::new("bench", "bench").memory(64 << 20).bootargs("restart");
    let guest = guest.property(&format!("max-restarts = <{RESTARTS}>;"));
    let outcome = with_partitions(column, 1, &[guest]).boot();
    let (entered, reset) = (numbers(&outcome, "entered"), numbers(&outcome, "reset"));
    outcome.check(entered.len() == RESTARTS + 1, "the guest does not restart");
    let mut times: Vec<_> = reset.iter().zip(&entered[1..]).map(|(from, to)| to - from).collect();
    times.sort_unstable();
    vec![("restart".into(), Figure::from(times[RESTARTS / 2]))]
}
