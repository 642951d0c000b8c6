//! The measurements with Debian's kernel: in a partition, and on a bare machine with the tree of
//! that partition.

use std::path::{Path, PathBuf};

use super::column::Column;
use super::guest::{self, Figure, Found, size};
use super::machine::{bare, with_partitions, with_properties};
use crate::{Machine, Partition, compile_machine, decompile, dumped_tree, file};

const MEMORY: u64 = 512 << 20;

/// How much the kernel writes to its console.
#[derive(Clone, Copy, Debug)]
pub enum Verbosity {
    /// Only errors.
    Quiet,
    /// All messages.
    Verbose,
}

impl Verbosity {
    const fn bootargs(self) -> &'static str {
        match self {
            Self::Quiet => "console=ttyAMA0 quiet",
            Self::Verbose => "console=ttyAMA0",
        }
    }
}

fn debian(bootargs: &str) -> Partition {
    Partition::linux("linux").memory(MEMORY).bootargs(bootargs)
}

/// Returns the instructions from the machine's reset to the first in userspace. In a partition the
/// counter starts when the partition does, so the time before that is measured with a guest whose
/// images have the same size.
pub fn userspace(column: Column, verbosity: Verbosity) -> u64 {
    let bootargs = format!("{} bulkhead.counter", verbosity.bootargs());
    let machine = match column.bare() {
        Some(_) => with_partitions(column, 1, &[debian(&bootargs)]),
        None => on_bare_machine(column, &bootargs, &tree(column)),
    };
    let outcome = machine.boot();
    outcome.expect_status(0);
    let lines = outcome.lines().containing("bulkhead-linux: counter ");
    let line = lines.0.first().and_then(|line| line.split_once("counter ")?.1.split_once(' '));
    let count: Option<u64> = line.and_then(|(count, _)| count.parse().ok());
    let count = count.unwrap_or_else(|| outcome.fail("Linux does not print the counter"));
    let boot = column.bare().map_or(0, |_| guest::entered(column, MEMORY, images()));
    boot + count
}

/// Returns the size of the images, in bytes.
fn images() -> u64 {
    let names = ["target/linux/Image", "target/linux/initramfs.cpio.gz"];
    names.map(|name| size(&file(name))).iter().sum()
}

/// Returns the path of a partition's tree, with which a bare machine's kernel finds the same
/// devices. Linux has used the random seeds up, so that the tree gets others, for which QEMU puts
/// random numbers.
fn tree(column: Column) -> PathBuf {
    let partitions = Column::partitions().find(|other| other.bare() == Some(column));
    let other = partitions.expect("each bare column is compared with another");
    let bootargs = format!("{} bulkhead.dump=fdt", Verbosity::Quiet.bootargs());
    let outcome = with_partitions(other, 1, &[debian(&bootargs)]).boot();
    outcome.expect_status(0);
    let (text, _) = decompile(&dumped_tree(&outcome, &outcome.of("linux")));
    let seed = "rng-seed = <1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16>;";
    compile_machine(&text.replacen("chosen {", &format!("chosen {{ {seed}"), 1))
}

fn on_bare_machine(column: Column, bootargs: &str, tree: &Path) -> Machine {
    let machine = bare(column, 1, file("target/linux/Image"), MEMORY).command_line(bootargs);
    machine.tree(tree).initrd(&file("target/linux/initramfs.cpio.gz"))
}

/// Boots that system calls and forks are measured in, each with other random numbers from QEMU. On
/// either machine about every third boot of Linux takes 2 % more for all forks.
const BOOTS: u32 = 4;

/// Measures system calls and forks, with a program of this project, and returns the smallest figures
/// of several boots.
pub fn costs(column: Column) -> Found {
    let boots = (1..=BOOTS).map(|seed| costs_of_boot(column, seed));
    boots
        .reduce(|one, other| [0, 1].map(|row| one[row].min(other[row])))
        .map(|[syscalls, forks]| {
            vec![("linux-syscalls".into(), syscalls.into()), ("linux-forks".into(), forks.into())]
        })
        .unwrap_or_default()
}

/// Returns what system calls and forks cost in a boot. The bare machine has its own tree, whose
/// random seeds make Linux's generator ready as those of a partition's tree do: without them it
/// slows down every system call.
fn costs_of_boot(column: Column, seed: u32) -> [u64; 2] {
    let bootargs = format!("{} bulkhead.costs", Verbosity::Quiet.bootargs());
    let machine = match column.bare() {
        Some(_) => with_partitions(column, 1, &[debian(&bootargs)]),
        None => bare(column, 1, file("target/linux/Image"), MEMORY)
            .command_line(&bootargs)
            .initrd(&file("target/linux/initramfs.cpio.gz")),
    };
    let outcome = machine.seed(seed).boot();
    outcome.expect_status(0);
    let lines = outcome.lines().containing("bulkhead-linux: costs ");
    let line = lines.0.first().copied().unwrap_or_default();
    ["syscalls ", "forks "].map(|name| {
        let digits = line.split_once(name).and_then(|it| it.1.split([',', '.']).next());
        let cost = digits.and_then(|digits| digits.trim().parse().ok());
        cost.unwrap_or_else(|| outcome.fail("Linux does not print its costs"))
    })
}

/// What Linux does between boot and power-off.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Load {
    /// Nothing.
    None,
    /// Sleeps for this number of seconds.
    Idle(u32),
    /// Works for this number of seconds.
    Work(u32),
}

/// The key under which [`exits`] returns how long Linux ran.
pub const MILLISECONDS: &str = "milliseconds";

/// Counts the exits of Linux to EL2 from boot to power-off, by cause and in all (`exits`). A second
/// guest, which sleeps, keeps the machine on until the monitor has answered. It is the first
/// partition, so that input interrupts its CPU.
pub fn exits(column: Column, load: Load) -> Found {
    let load = match load {
        Load::None => "bulkhead.idle=0".into(),
        Load::Idle(seconds) => format!("bulkhead.idle={seconds}"),
        Load::Work(seconds) => format!("bulkhead.work={seconds}"),
    };
    let linux = debian(&format!("{} {load}", Verbosity::Quiet.bootargs()));
    let other = Partition::new("other", "bench").bootargs("wait");
    let outcome = with_properties(column, 2, "    monitor;\n", &[other, linux])
        .type_after("linux: powered off", "\x1d\x1d")
        .type_after("bulkhead> ", "stats linux\r")
        .type_after("\nexits ", "poweroff\r")
        .boot();
    outcome.expect_status(0);
    let counts = outcome.lines();
    let rows = counts.0.iter().skip_while(|line| !line.starts_with("cause ")).skip(1);
    let mut counts: Found = rows.map_while(|line| count(line)).collect();
    outcome.check(counts.last().is_some_and(|it| it.0 == "exits"), "the monitor prints no counts");
    let line = outcome.of("bulkhead").containing("linux: powered off after ").last();
    let milliseconds = line.0.first().and_then(|line| milliseconds(line));
    match milliseconds {
        Some(milliseconds) => counts.push((MILLISECONDS.into(), milliseconds.into())),
        None => outcome.fail("Bulkhead does not print how long Linux ran"),
    }
    counts
}

/// Parses the end of `linux: powered off after 1.234 s`.
fn milliseconds(line: &str) -> Option<u64> {
    let (seconds, thousandths) =
        line.rsplit_once("after ")?.1.strip_suffix(" s")?.split_once('.')?;
    Some(seconds.parse::<u64>().ok()? * 1000 + thousandths.parse::<u64>().ok()?)
}

/// Parses a line of the monitor: a cause, its count, and the count per second.
fn count(line: &str) -> Option<(String, Figure)> {
    let mut words = line.split_ascii_whitespace();
    let (cause, count) = (words.next()?, words.next()?.parse::<u64>().ok()?);
    Some((cause.into(), count.into()))
}

/// How much is sent by TCP, in MiB.
const TCP_MIB: u32 = 64;

/// Measures what bytes by TCP cost between two guests, on all CPUs together, and on the bare machine
/// over the loopback interface: by the counter, which counts the instructions of all CPUs.
pub fn tcp(column: Column) -> Found {
    const SINK: &str = "console=ttyAMA0 quiet bulkhead.links bulkhead.address=10.0.0.2/24 \
        bulkhead.sink";
    let source = |words: &str, address: &str| {
        format!("console=ttyAMA0 quiet {words}bulkhead.source={address},{TCP_MIB}")
    };
    let linux = |name, bootargs: &str| {
        Partition::linux(name).memory(256 << 20).ramdisk("linux/links.cpio.gz").bootargs(bootargs)
    };
    let machine = match column.bare() {
        Some(_) => {
            let words = source("bulkhead.links bulkhead.address=10.0.0.1/24 ", "10.0.0.2");
            let lan =
                "    links { lan { type = \"network\"; partitions = \"one\", \"two\"; }; };\n";
            with_properties(column, 2, lan, &[linux("one", &words), linux("two", SINK)])
        }
        None => bare(column, 1, file("target/linux/Image"), MEMORY)
            .command_line(&source("", "127.0.0.1"))
            .initrd(&file("target/linux/links.cpio.gz")),
    };
    let outcome = machine.boot();
    outcome.expect_status(0);
    let lines = outcome.lines().containing(", time 2, in ");
    let ticks = lines.0.first().and_then(|line| line.split_once(" in ")?.1.split_once(' '));
    let ticks: Option<u64> = ticks.and_then(|(ticks, _)| ticks.parse().ok());
    let ticks = ticks.unwrap_or_else(|| outcome.fail("Linux does not print how long TCP takes"));
    vec![("linux-tcp".into(), ticks.into())]
}
