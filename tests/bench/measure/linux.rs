//! What Debian's kernel finds: bare, with the tree of a partition, and in that partition.

use std::path::{Path, PathBuf};

use super::column::Column;
use super::guest::{self, Figure, Found, size};
use super::machine::{bare, with};
use crate::support::{Machine, Partition, dumped_tree, file};

const MEMORY: u64 = 512 << 20;

/// What the kernel writes on its console.
#[derive(Clone, Copy, Debug)]
pub enum Talk {
    /// Nothing but what is serious.
    Quiet,
    /// All that it has to say.
    Talking,
}

impl Talk {
    const fn bootargs(self) -> &'static str {
        match self {
            Self::Quiet => "console=ttyAMA0 quiet",
            Self::Talking => "console=ttyAMA0",
        }
    }
}

fn debian(bootargs: &str) -> Partition {
    let linux = Partition::with_kernel("linux", "linux/Image").memory(MEMORY).bootargs(bootargs);
    let ramdisk = "ramdisk { data = /incbin/(\"linux/initramfs.cpio.gz\"); };";
    linux.property(ramdisk)
}

/// Instructions from the machine's reset to the first in userspace. In a partition the counter begins
/// with the partition; a guest whose images are as large tells how long that takes.
pub fn userspace(column: Column, talk: Talk) -> u64 {
    let bootargs = format!("{} bulkhead.counter", talk.bootargs());
    let machine = match column.bare() {
        Some(_) => with(column, 1, &[debian(&bootargs)]),
        None => on_bare_machine(column, &bootargs, &tree(column)),
    };
    let outcome = machine.boot();
    outcome.ends_with(0);
    let lines = outcome.lines().with("bulkhead-linux: counter ");
    let line = lines.0.first().and_then(|line| line.split_once("counter ")?.1.split_once(' '));
    let count: Option<u64> = line.and_then(|(count, _)| count.parse().ok());
    let count = count.unwrap_or_else(|| outcome.fail("Linux does not tell the counter"));
    let boot = column.bare().map_or(0, |_| guest::entered(column, MEMORY, images()));
    boot + count
}

/// How many bytes its images have.
fn images() -> u64 {
    let names = ["target/linux/Image", "target/linux/initramfs.cpio.gz"];
    names.map(|name| size(&file(name))).iter().sum()
}

/// The tree of a partition, so that a bare machine's kernel looks for the same devices.
fn tree(column: Column) -> PathBuf {
    let partitions = Column::partitions().find(|other| other.bare() == Some(column));
    let other = partitions.expect("there is a column that is held against each bare one");
    let bootargs = format!("{} bulkhead.dump=fdt", Talk::Quiet.bootargs());
    let outcome = with(other, 1, &[debian(&bootargs)]).boot();
    outcome.ends_with(0);
    dumped_tree(&outcome, &outcome.of("linux"))
}

fn on_bare_machine(column: Column, bootargs: &str, tree: &Path) -> Machine {
    let machine = bare(column, 1, file("target/linux/Image"), MEMORY).command_line(bootargs);
    machine.tree(tree).initrd(&file("target/linux/initramfs.cpio.gz"))
}

/// What a quiet Linux does between boot and power-off.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Life {
    /// Nothing.
    Short,
    /// It sleeps for so many seconds.
    Idle(u32),
    /// It works for so many seconds.
    Work(u32),
}

/// Under this name [`exits`] tells how long Linux ran.
pub const MILLISECONDS: &str = "milliseconds";

/// How often Linux comes to EL2, by cause and in all (`exits`), from boot to power-off. A guest beside
/// it keeps the machine on, and sleeps, until the monitor has been asked. It is the first, so that what
/// is typed interrupts its CPU.
pub fn exits(column: Column, life: Life) -> Found {
    let life = match life {
        Life::Short => "bulkhead.idle=0".into(),
        Life::Idle(seconds) => format!("bulkhead.idle={seconds}"),
        Life::Work(seconds) => format!("bulkhead.work={seconds}"),
    };
    let linux = debian(&format!("{} {life}", Talk::Quiet.bootargs()));
    let other = Partition::new("other", "bench").bootargs("wait");
    let outcome = with(column, 2, &[other, linux])
        .type_after("linux: powered off", "\x1d\x1d")
        .type_after("bulkhead> ", "stats linux\r")
        .type_after("\nexits ", "poweroff\r")
        .boot();
    outcome.ends_with(0);
    let counts = outcome.lines();
    let rows = counts.0.iter().skip_while(|line| !line.starts_with("cause ")).skip(1);
    let mut counts: Found = rows.map_while(|line| count(line)).collect();
    outcome.check(counts.last().is_some_and(|it| it.0 == "exits"), "the monitor tells no counts");
    let line = outcome.of("bulkhead").with("linux: powered off after ").last();
    let milliseconds = line.0.first().and_then(|line| milliseconds(line));
    match milliseconds {
        Some(milliseconds) => counts.push((MILLISECONDS.into(), milliseconds.into())),
        None => outcome.fail("it is not told how long Linux ran"),
    }
    counts
}

/// The end of `linux: powered off after 1.234 s`.
fn milliseconds(line: &str) -> Option<u64> {
    let (seconds, thousandths) =
        line.rsplit_once("after ")?.1.strip_suffix(" s")?.split_once('.')?;
    Some(seconds.parse::<u64>().ok()? * 1000 + thousandths.parse::<u64>().ok()?)
}

/// A line of the monitor's: a cause, its count, and how many in a second.
fn count(line: &str) -> Option<(String, Figure)> {
    let mut words = line.split_ascii_whitespace();
    let (cause, count) = (words.next()?, words.next()?.parse::<u64>().ok()?);
    Some((cause.into(), count.into()))
}
