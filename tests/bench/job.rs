//! The runs from which the figures come, as many at a time as there are host CPUs.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use common::measure::column::Column;
use common::measure::firmware;
use common::measure::guest::{self, Figure, Found};
use common::measure::linux::{self, Load, MILLISECONDS, Verbosity};
use common::measure::parallel;
use common::measure::stays::causes::{CAUSES, Cause, Group};
use common::measure::stays::{Stays, load, of_group, report, statistics};
use common::{root, section_size};

/// How long Linux is idle, or works, in seconds.
const IDLE: u32 = 10;
const WORK: u32 = 2;
/// The memory of the partition whose boot is measured, in bytes.
const MEMORY: u64 = 64 << 20;
/// The size of the images that are added to the guest's own, in bytes.
const PADDING: u64 = 16 << 20;

/// A run, or the few runs that one result needs.
#[derive(Clone, Copy, Debug)]
enum Task {
    OneCpu,
    FourCpus,
    Links,
    Disks,
    Terminal,
    Firmware,
    Boot,
    BootOfFour,
    BootOfMany,
    Restart,
    Stays,
    Linux(Verbosity),
    Costs,
    Tcp,
    Exits(Load),
}

/// All measurements, by row and column.
pub type Results = BTreeMap<(String, Column), Figure>;

/// All tasks, the longest first.
const TASKS: [Task; 18] = [
    Task::Stays,
    Task::Exits(Load::Work(WORK)),
    Task::Exits(Load::Idle(IDLE)),
    Task::Exits(Load::None),
    Task::Linux(Verbosity::Quiet),
    Task::Linux(Verbosity::Verbose),
    Task::Costs,
    Task::Tcp,
    Task::OneCpu,
    Task::BootOfMany,
    Task::BootOfFour,
    Task::Restart,
    Task::Boot,
    Task::Firmware,
    Task::FourCpus,
    Task::Links,
    Task::Disks,
    Task::Terminal,
];

impl Task {
    /// Returns whether a machine can run it.
    const fn is_for(self, column: Column) -> bool {
        match self {
            Self::OneCpu | Self::FourCpus | Self::Firmware => true,
            Self::Linux(_) | Self::Costs | Self::Tcp => true,
            // A GICv2 has eight CPUs at most.
            Self::BootOfMany => matches!(column, Column::Trapped | Column::Direct),
            _ => column.bare().is_some(),
        }
    }

    /// Returns whether it takes long: it runs Linux, or reads a log of executed instructions.
    const fn is_long(self) -> bool {
        matches!(self, Self::Linux(_) | Self::Costs | Self::Tcp | Self::Exits(_) | Self::Stays)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::OneCpu => "guest on one CPU",
            Self::FourCpus => "guest on four CPUs",
            Self::Links => "network",
            Self::Disks => "disk by virtio",
            Self::Terminal => "virtio console",
            Self::Firmware => "guest over firmware",
            Self::Boot => "boot",
            Self::BootOfFour => "boot of four partitions",
            Self::BootOfMany => "boot of 31 partitions",
            Self::Restart => "restart",
            Self::Stays => "stays in EL2",
            Self::Linux(Verbosity::Quiet) => "Linux, quiet",
            Self::Linux(Verbosity::Verbose) => "Linux, verbose",
            Self::Costs => "costs in Linux",
            Self::Tcp => "TCP between Linuxes",
            Self::Exits(Load::None) => "exits of Linux",
            Self::Exits(Load::Idle(_)) => "exits of an idle Linux",
            Self::Exits(Load::Work(_)) => "exits of a busy Linux",
        }
    }

    /// Runs the task and returns its figures.
    fn run(self, column: Column) -> Found {
        let one = |key: &str, value: u64| vec![(key.to_string(), Figure::from(value))];
        match self {
            Self::OneCpu => guest::measure(column, 1),
            Self::FourCpus => guest::measure(column, 4),
            Self::Links => guest::links(column),
            Self::Disks => guest::disks(column),
            Self::Terminal => guest::terminal(column),
            Self::Firmware => firmware::work_around(column),
            Self::Boot => boot(column),
            Self::BootOfMany => one("boot-31", parallel::on_boot_cpu(column.gic(), 31)),
            Self::BootOfFour => one("boot-four", parallel::last_of_four(column.gic())),
            Self::Restart => guest::restart(column),
            Self::Stays => stays(column),
            Self::Linux(Verbosity::Quiet) => {
                one("linux-quiet", linux::userspace(column, Verbosity::Quiet))
            }
            Self::Linux(Verbosity::Verbose) => {
                one("linux-talking", linux::userspace(column, Verbosity::Verbose))
            }
            Self::Costs => linux::costs(column),
            Self::Tcp => linux::tcp(column),
            Self::Exits(load) => {
                let name = match load {
                    Load::None => "exits-life",
                    Load::Idle(_) => "exits-idle",
                    Load::Work(_) => "exits-work",
                };
                let exits = linux::exits(column, load).into_iter();
                exits.map(|(cause, count)| (named(name, &cause), count)).collect()
            }
        }
    }
}

/// Measures the boot without the images, and the cost of each MiB of images, from two boots.
fn boot(column: Column) -> Found {
    let own = guest::image();
    let [plain, padded] = [own, own + PADDING].map(|it| guest::entered(column, MEMORY, it));
    let images = |bytes| padded.saturating_sub(plain) * bytes / PADDING;
    vec![
        ("boot".into(), plain.saturating_sub(images(own)).into()),
        ("boot-images".into(), images(1 << 20).into()),
    ]
}

/// The number of instructions at EL2 in each of the four runs that measure stays there.
const STAYS: u64 = 20_000_000;

/// Measures the stays in EL2, and writes them to `target/bench`, by cause.
fn stays(column: Column) -> Found {
    let run = load::run_all(column, STAYS);
    let text = format!("{}\n{}", report::table(&run.stays), report::misses(&run.stays));
    fs::create_dir_all(stays_file(column).with_file_name(""))
        .and_then(|()| fs::write(stays_file(column), text))
        .expect("target/bench can be written");
    let of_cause = |(cause, stays): (&Cause, &Stays)| {
        Some((format!("stay: {}", cause.name), statistics(stays.lengths.clone())?.into()))
    };
    let mut found: Found = CAUSES.iter().zip(&run.stays).filter_map(of_cause).collect();
    for group in Group::ALL {
        let Some(it) = of_group(&run.stays, group) else { continue };
        found.push((format!("stay-{}-p999", group.key()), it.p999.into()));
        found.push((format!("stay-{}-max", group.key()), it.max.into()));
    }
    let beside = u64::from(run.longest[load::CLOCK].length);
    found.push(("stay-beside-max".into(), beside.into()));
    found
}

/// Returns the path of the table of stays in EL2.
pub fn stays_file(column: Column) -> PathBuf {
    root().join(format!("target/bench/stays-{}.txt", column.key()))
}

/// Which tasks to run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Selection {
    /// All.
    All,
    /// All but the long ones.
    Quick,
    /// The stays in EL2.
    Stays,
}

impl Selection {
    const fn has(self, task: Task) -> bool {
        match self {
            Self::All => true,
            Self::Quick => !task.is_long(),
            Self::Stays => matches!(task, Task::Stays),
        }
    }
}

/// Runs the selected tasks, and prints a line as each one ends.
pub fn run(selection: Selection) -> Results {
    let mut jobs = Vec::new();
    for task in TASKS.into_iter().filter(|task| selection.has(*task)) {
        let is_for = |column: &Column| task.is_for(*column);
        jobs.extend(Column::all().filter(is_for).map(|column| (column, task)));
    }
    let [next, done] = [const { AtomicUsize::new(0) }; 2];
    let (results, has_failed) = (Mutex::new(Results::new()), AtomicBool::new(false));
    let work = || {
        while let Some((column, task)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            let began = Instant::now();
            let Some(found) = on_named_thread(*column, *task) else {
                // The other workers finish their runs, so that no QEMU outlives this process.
                next.store(jobs.len(), Ordering::Relaxed);
                has_failed.store(true, Ordering::Relaxed);
                return;
            };
            let mut results = results.lock().expect("no job has panicked with the results");
            results.extend(found.into_iter().map(|(row, figure)| ((row, *column), figure)));
            let (done, seconds) = (done.fetch_add(1, Ordering::Relaxed) + 1, began.elapsed());
            let (name, seconds) = (column.name(), seconds.as_secs_f32());
            eprintln!("{done:>2}/{} {name:>13}  {:<22} {seconds:5.1} s", jobs.len(), task.name());
        }
    };
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| (0..workers).for_each(|_| _ = scope.spawn(work)));
    if has_failed.into_inner() {
        std::process::exit(1);
    }
    let mut results = results.into_inner().expect("no job has panicked with the results");
    if selection == Selection::All {
        subtract_boots(&mut results);
    }
    let code = section_size(".text");
    results.extend(Column::partitions().map(|column| (("text".into(), column), code.into())));
    results
}

/// Runs a task on a thread of its own, whose name the files of the run get. Returns `None` if the
/// task has panicked.
fn on_named_thread(column: Column, task: Task) -> Option<Found> {
    let name = format!("bench-{}-{}", column.key(), task.name().replace([' ', ','], "-"));
    thread::scope(|scope| {
        let thread = thread::Builder::new().name(name).spawn_scoped(scope, || task.run(column));
        thread.expect("a thread can be started").join().ok()
    })
}

/// Subtracts the exits of boot and power-off from those of a Linux that was idle and of one that
/// worked, and converts the latter to exits per second.
fn subtract_boots(results: &mut Results) {
    for column in Column::partitions() {
        let boot = exits_of(results, column, "exits-life");
        let idle = exits_of(results, column, "exits-idle");
        let work = exits_of(results, column, "exits-work");
        let more = |run: &BTreeMap<String, u64>, cause: &str| {
            let [more, less] = [run, &boot].map(|run| run.get(cause).copied().unwrap_or(0));
            more.saturating_sub(less)
        };
        let milliseconds = more(&work, MILLISECONDS).max(1);
        for (cause, _) in work.iter().filter(|(cause, _)| *cause != MILLISECONDS) {
            let (idle, work) = (more(&idle, cause), more(&work, cause) * 1000 / milliseconds);
            for (run, count) in [("exits-idle", idle), ("exits-work", work)] {
                results.insert((named(run, cause), column), count.into());
            }
        }
        for run in ["exits-life", "exits-idle", "exits-work"] {
            results.remove(&(named(run, MILLISECONDS), column));
        }
    }
}

/// Returns the exits of one run of Linux, by cause.
fn exits_of(results: &Results, column: Column, run: &str) -> BTreeMap<String, u64> {
    let of_run = |((row, other), figure): (&(String, Column), &Figure)| {
        let cause = row.strip_prefix(run).filter(|_| *other == column)?;
        let cause = cause.strip_prefix(": ").unwrap_or(ALL);
        Some((cause.to_string(), figure.median))
    };
    results.iter().filter_map(of_run).collect()
}

/// The name of the monitor for all causes together.
const ALL: &str = "exits";

/// Returns the key of the row for a cause; that of all causes is the run's own.
fn named(run: &str, cause: &str) -> String {
    if cause == ALL { run.into() } else { format!("{run}: {cause}") }
}
