//! Counts the attempts and their outcomes, and reports them.

use core::fmt::{self, Display, Formatter};
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use runtime::exceptions::Fault;
use runtime::println;
use spin::Mutex;

/// The outcome of an attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It was executed or had no effect, and the guest continued.
    Done,
    /// A call that returned an error.
    Refused,
    /// A synchronous External abort: there is nothing at the address.
    ExternalAbort,
    /// An UNDEFINED instruction.
    Undefined,
    /// Another exception, which the guest's own EL1 or its own tables cause.
    Fault,
}

/// All outcomes, with their names in the report.
const OUTCOMES: [(Outcome, &str); 5] = [
    (Outcome::Done, "done"),
    (Outcome::Refused, "refused"),
    (Outcome::ExternalAbort, "external aborts"),
    (Outcome::Undefined, "undefined"),
    (Outcome::Fault, "own faults"),
];

impl Outcome {
    /// Returns the outcome of an attempt.
    pub fn of<T>(result: Result<T, Fault>) -> Self {
        match result {
            Ok(_) => Outcome::Done,
            Err(fault) => match (fault.class(), fault.status()) {
                // Instruction and data aborts, from EL0 and EL1: on the access, or on a table walk.
                (0x20 | 0x21 | 0x24 | 0x25, 0x10 | 0x14..=0x17) => Outcome::ExternalAbort,
                (0x00, _) => Outcome::Undefined,
                _ => Outcome::Fault,
            },
        }
    }
}

/// A kind of attempt, with its permitted outcomes.
pub struct Attempts {
    name: &'static str,
    level: &'static str,
    allowed: &'static [Outcome],
    counts: [AtomicU64; OUTCOMES.len()],
    is_listed: AtomicBool,
}

/// The greatest number of kinds in a report.
const MOST_KINDS: usize = 192;
/// The number of wrong outcomes that are printed one by one.
const MOST_FAILURES: u32 = 20;

struct List {
    kinds: [Option<&'static Attempts>; MOST_KINDS],
    count: usize,
}

/// The kinds that have been attempted, in the order of their first attempts.
static LIST: Mutex<List> = Mutex::new(List { kinds: [None; MOST_KINDS], count: 0 });
static FAILURES: AtomicU32 = AtomicU32::new(0);

impl Attempts {
    /// A kind of attempt of EL1.
    pub const fn new(name: &'static str, allowed: &'static [Outcome]) -> Self {
        Self::at(name, "", allowed)
    }

    /// A kind of attempt of the level that `level` names.
    pub const fn at(name: &'static str, level: &'static str, allowed: &'static [Outcome]) -> Self {
        let counts = [const { AtomicU64::new(0) }; OUTCOMES.len()];
        Self { name, level, allowed, counts, is_listed: AtomicBool::new(false) }
    }

    /// Counts an attempt, and reports a failure if the outcome is not permitted; `place` identifies
    /// the attempt.
    pub fn count(&'static self, outcome: Outcome, place: impl Display) {
        if !self.is_listed.swap(true, Ordering::Relaxed) {
            let mut list = LIST.lock();
            let index = list.count;
            list.kinds[index] = Some(self);
            list.count += 1;
        }
        self.counts[outcome as usize].fetch_add(1, Ordering::Relaxed);
        if !self.allowed.contains(&outcome) {
            fail(format_args!("{}{}: {place}: {outcome:?}", self.name, self.level));
        }
    }

    /// Counts an attempt with its result.
    pub fn attempted<T>(&'static self, result: Result<T, Fault>, place: impl Display) {
        let Fault { esr, far, elr } = result.as_ref().err().copied().unwrap_or_default();
        let place = format_args!("{place}, ESR {esr:#x}, FAR {far:#x}, ELR {elr:#x}");
        self.count(Outcome::of(result), place);
    }

    fn of(&self, outcome: Outcome) -> u64 {
        self.counts[outcome as usize].load(Ordering::Relaxed)
    }
}

/// Counts a wrong outcome. The first [`MOST_FAILURES`] are printed.
pub fn fail(what: impl Display) {
    if FAILURES.fetch_add(1, Ordering::Relaxed) < MOST_FAILURES {
        println!("FAIL: {what}");
    }
}

/// Prints a line for each kind, and returns the number of wrong outcomes.
pub fn report() -> u32 {
    let list = LIST.lock();
    for kind in list.kinds.iter().flatten() {
        let tries: u64 = OUTCOMES.iter().map(|&(outcome, _)| kind.of(outcome)).sum();
        println!("attacker: {tries} {}{}: {}", kind.name, kind.level, Counts(kind));
    }
    FAILURES.load(Ordering::Relaxed)
}

/// Prints the outcomes of a kind.
struct Counts<'a>(&'a Attempts);

impl Display for Counts<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let there = OUTCOMES.iter().filter(|&&(outcome, _)| self.0.of(outcome) > 0);
        for (index, &(outcome, name)) in there.enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            write!(f, "{comma}{} {name}", self.0.of(outcome))?;
        }
        Ok(())
    }
}
