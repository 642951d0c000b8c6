//! The runs that the figures come from, two or more at a time.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use crate::measure::column::Column;
use crate::measure::firmware;
use crate::measure::guest::{self, Figure, Found};
use crate::measure::linux::{self, Life, MILLISECONDS, Talk};
use crate::measure::parallel;
use crate::support::section_size;

/// How long Linux does nothing, or works, in seconds.
const IDLE: u32 = 10;
const WORK: u32 = 2;
/// How much memory the partition has whose boot is measured.
const MEMORY: u64 = 64 << 20;
/// How many bytes of images are put on top of the guest's own.
const PADDING: u64 = 16 << 20;

/// One run, or a few that one result needs.
#[derive(Clone, Copy, Debug)]
enum Task {
    OneCpu,
    FourCpus,
    Firmware,
    Boot,
    BootOfFour,
    Restart,
    Linux(Talk),
    Exits(Life),
}

/// Everything that was measured: by row and column.
pub type Results = BTreeMap<(String, Column), Figure>;

/// What is run, the longest first.
const TASKS: [Task; 11] = [
    Task::Exits(Life::Work(WORK)),
    Task::Exits(Life::Idle(IDLE)),
    Task::Exits(Life::Short),
    Task::Linux(Talk::Quiet),
    Task::Linux(Talk::Talking),
    Task::OneCpu,
    Task::BootOfFour,
    Task::Restart,
    Task::Boot,
    Task::Firmware,
    Task::FourCpus,
];

impl Task {
    /// Whether a bare machine can do it.
    const fn is_for_all(self) -> bool {
        matches!(self, Self::OneCpu | Self::FourCpus | Self::Firmware | Self::Linux(_))
    }

    /// Whether it is Linux that is run.
    const fn is_linux(self) -> bool {
        matches!(self, Self::Linux(_) | Self::Exits(_))
    }

    const fn name(self) -> &'static str {
        match self {
            Self::OneCpu => "guest on one CPU",
            Self::FourCpus => "guest on four CPUs",
            Self::Firmware => "guest over firmware",
            Self::Boot => "boot",
            Self::BootOfFour => "boot of four partitions",
            Self::Restart => "restart",
            Self::Linux(Talk::Quiet) => "Linux, quiet",
            Self::Linux(Talk::Talking) => "Linux, talking",
            Self::Exits(Life::Short) => "exits of Linux",
            Self::Exits(Life::Idle(_)) => "exits of an idle Linux",
            Self::Exits(Life::Work(_)) => "exits of a busy Linux",
        }
    }

    /// What it finds, under the rows' keys.
    fn run(self, column: Column) -> Found {
        let one = |key: &str, value: u64| vec![(key.to_string(), Figure::from(value))];
        match self {
            Self::OneCpu => guest::measure(column, 1),
            Self::FourCpus => guest::measure(column, 4),
            Self::Firmware => firmware::work_around(column),
            Self::Boot => boot(column),
            Self::BootOfFour => one("boot-four", parallel::last_of_four(column.gic())),
            Self::Restart => guest::restart(column),
            Self::Linux(Talk::Quiet) => one("linux-quiet", linux::userspace(column, Talk::Quiet)),
            Self::Linux(Talk::Talking) => {
                one("linux-talking", linux::userspace(column, Talk::Talking))
            }
            Self::Exits(life) => {
                let name = match life {
                    Life::Short => "exits-life",
                    Life::Idle(_) => "exits-idle",
                    Life::Work(_) => "exits-work",
                };
                let exits = linux::exits(column, life).into_iter();
                exits.map(|(cause, count)| (named(name, &cause), count)).collect()
            }
        }
    }
}

/// The boot apart from images, and what each MiB of them costs: from two boots.
fn boot(column: Column) -> Found {
    let own = guest::image();
    let [plain, padded] = [own, own + PADDING].map(|it| guest::entered(column, MEMORY, it));
    let images = |bytes| padded.saturating_sub(plain) * bytes / PADDING;
    vec![
        ("boot".into(), plain.saturating_sub(images(own)).into()),
        ("boot-images".into(), images(1 << 20).into()),
    ]
}

/// Runs everything, or all but Linux, and tells about each run as it ends.
pub fn run_all(with_linux: bool) -> Results {
    let mut jobs = Vec::new();
    for task in TASKS.into_iter().filter(|task| with_linux || !task.is_linux()) {
        let is_meant = |column: &Column| task.is_for_all() || column.bare().is_some();
        jobs.extend(Column::all().filter(is_meant).map(|column| (column, task)));
    }
    let [next, done] = [const { AtomicUsize::new(0) }; 2];
    let (results, has_failed) = (Mutex::new(Results::new()), AtomicBool::new(false));
    let work = || {
        while let Some((column, task)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            let began = Instant::now();
            let Some(found) = on_named_thread(*column, *task) else {
                // The others end what they run: a QEMU must not outlive this.
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
    settle(&mut results);
    let code = section_size(".text");
    results.extend(Column::partitions().map(|column| (("text".into(), column), code.into())));
    results
}

/// The files of a run are named after its thread. `None` if it fails, which has been told then.
fn on_named_thread(column: Column, task: Task) -> Option<Found> {
    let name = format!("bench-{}-{}", column.key(), task.name().replace([' ', ','], "-"));
    thread::scope(|scope| {
        let thread = thread::Builder::new().name(name).spawn_scoped(scope, || task.run(column));
        thread.expect("a thread can be started").join().ok()
    })
}

/// Makes of the exits of whole lives those while Linux was idle, and those in a second of work.
fn settle(results: &mut Results) {
    for column in Column::partitions() {
        let short = lives(results, column, "exits-life");
        let idle = lives(results, column, "exits-idle");
        let work = lives(results, column, "exits-work");
        let more = |life: &BTreeMap<String, u64>, cause: &str| {
            let [more, less] = [life, &short].map(|life| life.get(cause).copied().unwrap_or(0));
            more.saturating_sub(less)
        };
        let milliseconds = more(&work, MILLISECONDS).max(1);
        for (cause, _) in work.iter().filter(|(cause, _)| *cause != MILLISECONDS) {
            let (idle, work) = (more(&idle, cause), more(&work, cause) * 1000 / milliseconds);
            for (life, count) in [("exits-idle", idle), ("exits-work", work)] {
                results.insert((named(life, cause), column), count.into());
            }
        }
        for life in ["exits-life", "exits-idle", "exits-work"] {
            results.remove(&(named(life, MILLISECONDS), column));
        }
    }
}

/// The counts of one life of Linux's, by cause.
fn lives(results: &Results, column: Column, life: &str) -> BTreeMap<String, u64> {
    let of_life = |((row, other), figure): (&(String, Column), &Figure)| {
        let cause = row.strip_prefix(life).filter(|_| *other == column)?;
        let cause = cause.strip_prefix(": ").unwrap_or(ALL);
        Some((cause.to_string(), figure.median))
    };
    results.iter().filter_map(of_life).collect()
}

/// What the monitor calls all causes together.
const ALL: &str = "exits";

/// The row of a cause in a life of Linux's: that of the life itself for all causes together.
fn named(life: &str, cause: &str) -> String {
    if cause == ALL { life.into() } else { format!("{life}: {cause}") }
}
