//! A vCPU on a shared CPU: its state, and the account of its time.

use super::spans::{NEVER, Spans};

/// Virtual time per tick of a seat with weight 1: a power of two, so that the rounding of the
/// largest weight, 10,000, is below a thousandth.
const UNIT: u32 = 1 << 24;
/// The longest time in ticks that counts at once, and after which a sleeping seat's virtual time
/// means nothing any more: 4 s at 1 GHz. It keeps the differences of virtual times below 2^57, so
/// that they can be compared although they wrap around.
const MEMORY: u64 = 1 << 32;

/// A link in a list of seats: an index, or [`NO_LINK`].
pub(super) type Link = u8;
/// The end of a list. A CPU has fewer seats.
pub(super) const NO_LINK: Link = Link::MAX;

/// What a seat does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It has no work until it is woken.
    Asleep,
    /// It has work and waits for the CPU.
    Waiting,
    /// It has the CPU.
    Running,
}

/// A vCPU on a shared CPU.
#[derive(Clone, Debug)]
pub struct Seat {
    state: State,
    /// The next one in the queue of those that wait.
    pub(super) next: Link,
    /// Virtual time per tick; 0 if the seat runs in slots alone.
    step: u32,
    /// The virtual time, modulo 2^64.
    pub(super) virtual_time: u64,
    /// When the state began; of one that runs, up to when its time is accounted for.
    since: u64,
    /// When to wake a sleeping seat.
    deadline: u64,
    /// The account of its time, up to `since`.
    usage: Usage,
    /// How punctual its slots have been.
    lateness: Lateness,
}

/// The account of a seat's time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// The ticks for which it has run.
    pub ran: u64,
    /// The ticks for which it had work and waited for the CPU (DEN0057, stolen time).
    pub stolen: u64,
    /// How often it got the CPU.
    pub turns: u64,
    /// How often it woke.
    pub wakes: u64,
}

/// How punctual the slots of a seat have been that it did not sleep through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lateness {
    /// How many have started.
    pub starts: u64,
    /// How many of them were late by more than [`Spans::tolerance`].
    pub late: u64,
    /// The ticks from the start of a slot until the seat was entered, at most.
    pub worst: u64,
}

impl Seat {
    /// Creates a sleeping seat with this weight, 1 to 10,000.
    pub const fn by_weight(weight: u16) -> Self {
        Self::new(match UNIT.checked_div(weight as u32) {
            Some(step) => step,
            None => UNIT,
        })
    }

    /// Creates a sleeping seat that runs in slots.
    pub const fn by_time_table() -> Self {
        Self::new(0)
    }

    /// Creates a sleeping seat whose virtual time grows by `step` per tick.
    const fn new(step: u32) -> Self {
        Self {
            state: State::Asleep,
            next: NO_LINK,
            step,
            virtual_time: 0,
            since: 0,
            deadline: NEVER,
            usage: Usage { ran: 0, stolen: 0, turns: 0, wakes: 0 },
            lateness: Lateness { starts: 0, late: 0, worst: 0 },
        }
    }

    /// Returns whether the seat has a weight.
    pub(super) const fn has_weight(&self) -> bool {
        self.step != 0
    }

    /// Returns whether it has no work.
    pub(super) fn is_asleep(&self) -> bool {
        self.state == State::Asleep
    }

    /// Returns when to wake it: never, if it does not sleep.
    pub(super) fn deadline(&self) -> u64 {
        if self.is_asleep() { self.deadline } else { NEVER }
    }

    /// Returns the account of its time up to `now`.
    pub fn usage(&self, now: u64) -> Usage {
        let (mut usage, time) = (self.usage, now.saturating_sub(self.since));
        match self.state {
            State::Asleep => {}
            State::Waiting => usage.stolen = usage.stolen.wrapping_add(time),
            State::Running => usage.ran = usage.ran.wrapping_add(time),
        }
        usage
    }

    /// Returns how punctual its slots have been.
    pub const fn lateness(&self) -> Lateness {
        self.lateness
    }

    /// Wakes a sleeping seat, which has had work since `since`. Its virtual time is `quantum` ticks
    /// of its own behind `floor` at most.
    pub(super) fn wake(&mut self, since: u64, floor: u64, quantum: u64) {
        let earliest = floor.wrapping_sub(u64::from(self.step).wrapping_mul(quantum));
        let slept = since.saturating_sub(self.since);
        if slept > MEMORY || is_before(self.virtual_time, earliest) {
            self.virtual_time = earliest;
        }
        (self.state, self.since) = (State::Waiting, since);
        self.usage.wakes = self.usage.wakes.wrapping_add(1);
    }

    /// Puts the seat to sleep. One that sleeps has another deadline.
    pub(super) fn sleep(&mut self, now: u64, deadline: u64) {
        if !self.is_asleep() {
            self.usage = self.usage(now);
            self.since = now;
        }
        (self.state, self.deadline) = (State::Asleep, deadline);
    }

    /// Gives a waiting seat the CPU, from `start` on. The time between is nobody's.
    pub(super) fn enter(&mut self, now: u64, start: u64) {
        let waited = now.saturating_sub(self.since);
        self.usage.stolen = self.usage.stolen.wrapping_add(waited);
        self.usage.turns = self.usage.turns.wrapping_add(1);
        (self.state, self.since) = (State::Running, start);
    }

    /// Takes the CPU from a seat whose time is accounted for up to now.
    pub(super) fn leave(&mut self) {
        self.state = State::Waiting;
    }

    /// Accounts for the time that a running seat has run.
    pub(super) fn account(&mut self, now: u64) {
        let ran = now.saturating_sub(self.since);
        self.usage.ran = self.usage.ran.wrapping_add(ran);
        let step = u64::from(self.step).wrapping_mul(ran.min(MEMORY));
        self.virtual_time = self.virtual_time.wrapping_add(step);
        self.since = self.since.max(now);
    }

    /// Counts a slot that has started this number of ticks after its tick.
    pub(super) fn count_start(&mut self, late: u64, spans: &Spans) {
        let Lateness { starts, late: count, worst } = &mut self.lateness;
        *starts = starts.wrapping_add(1);
        *count = count.wrapping_add(u64::from(late > spans.tolerance));
        *worst = late.max(*worst);
    }
}

/// Returns whether a virtual time is before another one. They differ by less than 2^63.
pub(super) fn is_before(one: u64, other: u64) -> bool {
    one.wrapping_sub(other).cast_signed() < 0
}
