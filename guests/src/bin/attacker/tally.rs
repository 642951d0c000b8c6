//! What was tried, how often, and what came of it.

use core::fmt::{self, Display, Formatter};
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use runtime::exceptions::Fault;
use runtime::println;
use spin::Mutex;

/// What came of a try.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It was carried out, or had no effect, and the guest went on.
    Done,
    /// A call that was answered with an error.
    Refused,
    /// A synchronous external abort: there is nothing.
    ExternalAbort,
    /// An UNDEFINED instruction.
    Undefined,
    /// Another exception, which is between the guest's EL0 and EL1 or of its own tables' making.
    Fault,
}

/// Every outcome, with its name as the report has it.
const OUTCOMES: [(Outcome, &str); 5] = [
    (Outcome::Done, "done"),
    (Outcome::Refused, "refused"),
    (Outcome::ExternalAbort, "external aborts"),
    (Outcome::Undefined, "undefined"),
    (Outcome::Fault, "own faults"),
];

impl Outcome {
    /// What an attempt ended in.
    pub fn of<T>(result: Result<T, Fault>) -> Self {
        match result {
            Ok(_) => Outcome::Done,
            Err(fault) => match (fault.class(), fault.status()) {
                // Instruction and data aborts, of EL0 and EL1: on the access, or on a walk.
                (0x20 | 0x21 | 0x24 | 0x25, 0x10 | 0x14..=0x17) => Outcome::ExternalAbort,
                (0x00, _) => Outcome::Undefined,
                _ => Outcome::Fault,
            },
        }
    }
}

/// Something that is tried, with what may come of it.
pub struct Kind {
    name: &'static str,
    level: &'static str,
    allowed: &'static [Outcome],
    counts: [AtomicU64; OUTCOMES.len()],
    is_listed: AtomicBool,
}

/// How many kinds a report has room for.
const MOST_KINDS: usize = 192;
/// How many wrong outcomes are told one by one.
const MOST_FAILURES: u32 = 20;

struct List {
    kinds: [Option<&'static Kind>; MOST_KINDS],
    count: usize,
}

/// The kinds that have been tried, in the order of their first try.
static LIST: Mutex<List> = Mutex::new(List { kinds: [None; MOST_KINDS], count: 0 });
static FAILURES: AtomicU32 = AtomicU32::new(0);

impl Kind {
    /// What EL1 tries.
    pub const fn new(name: &'static str, allowed: &'static [Outcome]) -> Self {
        Self::at(name, "", allowed)
    }

    /// The same, with from where it is tried.
    pub const fn at(name: &'static str, level: &'static str, allowed: &'static [Outcome]) -> Self {
        let counts = [const { AtomicU64::new(0) }; OUTCOMES.len()];
        Self { name, level, allowed, counts, is_listed: AtomicBool::new(false) }
    }

    /// Counts a try, and fails if that must not come of it; `place` says which try it was.
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

    /// The same for an attempt.
    pub fn attempted<T>(&'static self, result: Result<T, Fault>, place: impl Display) {
        let Fault { esr, far, elr } = result.as_ref().err().copied().unwrap_or_default();
        let place = format_args!("{place}, ESR {esr:#x}, FAR {far:#x}, ELR {elr:#x}");
        self.count(Outcome::of(result), place);
    }

    fn of(&self, outcome: Outcome) -> u64 {
        self.counts[outcome as usize].load(Ordering::Relaxed)
    }
}

/// Tells of an outcome that must not be. The first few are told one by one.
pub fn fail(what: impl Display) {
    if FAILURES.fetch_add(1, Ordering::Relaxed) < MOST_FAILURES {
        println!("FAIL: {what}");
    }
}

/// Prints a line for each kind, and returns how many outcomes were wrong.
pub fn report() -> u32 {
    let list = LIST.lock();
    for kind in list.kinds.iter().flatten() {
        let tries: u64 = OUTCOMES.iter().map(|&(outcome, _)| kind.of(outcome)).sum();
        println!("attacker: {tries} {}{}: {}", kind.name, kind.level, Counts(kind));
    }
    FAILURES.load(Ordering::Relaxed)
}

/// The outcomes that there were, as text.
struct Counts<'a>(&'a Kind);

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
