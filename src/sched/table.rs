//! The time table of a CPU: which slot it is in, and when the next one starts.

use alloc::vec::Vec;

use super::seat::Link;
use super::spans::{NEVER, Spans};

/// A slot of a frame, in microseconds from the start of the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// When it starts.
    pub start: u32,
    /// How long it is; not 0.
    pub length: u32,
    /// The seat that it belongs to, its owner, as an index below 255.
    pub seat: usize,
    /// `give-idle`: whether seats with a weight have the CPU while the owner sleeps.
    pub gives_idle: bool,
}

/// A slot in ticks.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// From its start to its end.
    length: u64,
    /// From its start to the start of the next one, which may be in the next frame.
    next: u64,
    seat: Link,
    gives_idle: bool,
}

/// A time table, which may be empty.
#[derive(Debug, Default)]
pub struct TimeTable {
    /// The slots in their order.
    slots: Vec<Entry>,
    /// The length of a frame in ticks.
    frame: u64,
    /// The next slot, as an index.
    next: usize,
    /// When that one starts.
    next_start: u64,
    /// The slot before, once there has been one, and when it started.
    last: Option<(Entry, u64)>,
    /// How many slots have gone by as a whole without a decision.
    missed: u64,
}

/// What a time table says about a time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// The slot that it is in, or that is about to start.
    pub slot: Option<Current>,
    /// When that changes.
    pub until: u64,
}

/// The slot that a time is in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Current {
    /// Its owner.
    pub seat: Link,
    /// Whether seats with a weight have the CPU while the owner sleeps.
    pub gives_idle: bool,
    /// When it started or will start.
    pub start: u64,
    /// Whether nobody has asked since it was about to start.
    pub is_new: bool,
}

impl TimeTable {
    /// Creates the table of a CPU whose counter runs at `frequency` Hz. Frames of `frame`
    /// microseconds, not 0, follow each other from `epoch` on, a time in ticks. The slots do not
    /// overlap, begin in ascending order and end in the frame.
    pub fn new(frame: u32, epoch: u64, slots: &[Slot], frequency: u32) -> Self {
        let ticks = |microseconds: u32| Spans::ticks(u64::from(microseconds), frequency);
        let frame = ticks(frame).max(1);
        let Some(first) = slots.first() else { return Self::default() };
        let after = slots.iter().skip(1).map(|it| ticks(it.start));
        let starts = after.chain([frame.wrapping_add(ticks(first.start))]);
        let entry = |(slot, next): (&Slot, u64)| {
            let start = ticks(slot.start);
            let end = ticks(slot.start.wrapping_add(slot.length));
            let (length, next) = (end.wrapping_sub(start), next.wrapping_sub(start));
            Entry { length, next, seat: slot.seat as Link, gives_idle: slot.gives_idle }
        };
        let next_start = epoch.wrapping_add(ticks(first.start));
        let slots = slots.iter().zip(starts).map(entry).collect();
        Self { slots, frame, next: 0, next_start, last: None, missed: 0 }
    }

    /// Returns how many slots have gone by as a whole without a decision.
    pub const fn missed(&self) -> u64 {
        self.missed
    }

    /// Returns which slot `now` is in. One that starts within `early` ticks counts as begun, and
    /// the time before that is no longer its predecessor's. `now` never falls.
    pub(super) fn at(&mut self, now: u64, early: u64) -> Place {
        if self.slots.is_empty() {
            return Place { slot: None, until: NEVER };
        }
        let is_new = self.advance(now.saturating_add(early));
        let until = self.next_start.saturating_sub(early);
        let Some((slot, start)) = self.last else { return Place { slot: None, until } };
        let end = start.saturating_add(slot.length);
        if end <= now {
            return Place { slot: None, until };
        }
        let Entry { seat, gives_idle, .. } = slot;
        let slot = Some(Current { seat, gives_idle, start, is_new });
        Place { slot, until: until.min(end) }
    }

    /// Goes to the last slot that starts at or before `time`. Returns whether it is another one
    /// than before.
    fn advance(&mut self, time: u64) -> bool {
        let Some(behind) = time.checked_sub(self.next_start) else { return false };
        // Whole frames at once, so that a long time costs no more than a frame.
        let frames = behind.checked_div(self.frame).unwrap_or(0);
        self.next_start = self.next_start.wrapping_add(frames.wrapping_mul(self.frame));
        self.missed = self.missed.wrapping_add(frames.wrapping_mul(self.slots.len() as u64));
        for passed in 0..=self.slots.len() as u64 {
            if time < self.next_start {
                self.missed = self.missed.wrapping_add(passed.saturating_sub(1));
                break;
            }
            let Some(slot) = self.slots.get(self.next) else { break };
            self.last = Some((*slot, self.next_start));
            self.next_start = self.next_start.saturating_add(slot.next);
            let next = self.next.wrapping_add(1);
            self.next = if next < self.slots.len() { next } else { 0 };
        }
        true
    }
}
