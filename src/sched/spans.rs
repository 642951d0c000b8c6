//! Lengths of time in ticks of the counter.

/// A time that is never reached.
pub const NEVER: u64 = u64::MAX;

/// How long a seat with a weight runs before the next one has its turn, in microseconds.
const QUANTUM: u64 = 10_000;
/// How long a seat runs before one that has woken can take its CPU, in microseconds.
const PREEMPTION: u64 = 1_000;
/// How long before a slot starts a CPU is taken from the seat before, in microseconds: more than a
/// change of seats and the longest stay in EL2 that it can be delayed by.
const EARLY: u64 = 10;
/// How much later than its tick a slot can start without being counted as late, in microseconds.
const TOLERANCE: u64 = 1;

/// The lengths of time that a schedule needs, in ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spans {
    /// How long a seat with a weight runs before the next one has its turn: 10 ms.
    pub quantum: u64,
    /// How long a seat runs before one that has woken can take its CPU: 1 ms.
    pub preemption: u64,
    /// How long before a slot starts a CPU is taken from the seat before: 10 µs.
    pub early: u64,
    /// How much later than its tick a slot can start without being counted as late: 1 µs.
    pub tolerance: u64,
}

impl Spans {
    /// Returns the lengths for a counter of `frequency` Hz.
    pub fn new(frequency: u32) -> Self {
        let ticks = |microseconds| Self::ticks(microseconds, frequency);
        Self {
            quantum: ticks(QUANTUM),
            preemption: ticks(PREEMPTION),
            early: ticks(EARLY),
            tolerance: ticks(TOLERANCE),
        }
    }

    /// Returns the ticks of a counter of `frequency` Hz in this number of microseconds, at most
    /// 2^32, rounded down.
    pub fn ticks(microseconds: u64, frequency: u32) -> u64 {
        microseconds.wrapping_mul(u64::from(frequency)) / 1_000_000
    }
}
