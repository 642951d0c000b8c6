//! A CPU whose guests work and sleep, on which schedules are tried.

mod model;
mod shares;
mod slots;
mod steps;

use alloc::vec::Vec;
use std::vec;

use super::{Decision, Lateness, NEVER, Schedule, Seat, Slot, Spans, TimeTable};

/// The frequency of the counter, in Hz.
const FREQUENCY: u32 = 62_500_000;
/// The ticks of a millisecond.
const MS: u64 = FREQUENCY as u64 / 1000;
/// When the CPU starts.
const EPOCH: u64 = 12_345;

/// Random numbers (xorshift64*), the same for the same seed, which is not 0.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// A guest: it works for a time, then sleeps for a time, in ticks.
#[derive(Clone, Copy)]
struct Guest {
    work: u64,
    sleep: u64,
}

/// A guest that always has work.
const BUSY: Guest = Guest { work: NEVER, sleep: 0 };
/// A guest that does a little every 4 ms, as a Linux with nothing to do.
const IDLE: Guest = Guest { work: MS / 50, sleep: 4 * MS };

/// A CPU with guests.
struct Cpu {
    schedule: Schedule,
    guests: Vec<Guest>,
    /// The work that each guest has left before it sleeps.
    left: Vec<u64>,
    now: u64,
    /// How late the CPU notices an event at most, in ticks: the longest stay in EL2.
    delay: u64,
    random: Random,
}

impl Cpu {
    /// Starts a CPU whose guests all have work.
    fn new(table: TimeTable, seats: Vec<Seat>, guests: &[Guest]) -> Self {
        let mut schedule = Schedule::new(Spans::new(FREQUENCY), table, seats);
        (0..guests.len()).for_each(|seat| schedule.wake(seat, EPOCH));
        let left = guests.iter().map(|guest| guest.work).collect();
        Self { schedule, guests: guests.to_vec(), left, now: EPOCH, delay: 0, random: Random(1) }
    }

    /// Runs until `end`, and calls `see` with each decision, when it is, and when its guest is
    /// interrupted.
    fn run(&mut self, end: u64, mut see: impl FnMut(&Decision, u64, u64)) {
        while self.now < end {
            let decision = self.schedule.decide(self.now);
            let decided = self.now;
            if let Some(start) = decision.not_before {
                self.now = self.now.max(start);
                self.schedule.entered(self.now);
            }
            assert!(decision.until > decided, "{decision:?} at {decided}");
            let mut event = decision.until.max(self.now).min(end);
            if let Some(seat) = decision.seat {
                // A guest does not stop by itself while EL2 delays its interrupt.
                event = event.min(self.now.saturating_add(self.left[seat]));
                event += if self.delay > 0 { self.random.below(self.delay) } else { 0 };
                let worked = (event - self.now).min(self.left[seat]);
                see(&decision, self.now, event);
                self.now = event;
                if self.left[seat] != NEVER {
                    self.left[seat] -= worked;
                }
                if self.left[seat] == 0 {
                    let Guest { work, sleep } = self.guests[seat];
                    self.left[seat] = work;
                    self.schedule.sleep(seat, self.now, self.now + sleep);
                }
            } else {
                see(&decision, self.now, event);
                self.now = event;
            }
        }
    }

    /// Returns the share of the time since the start that a seat has run.
    fn share(&self, seat: usize) -> f64 {
        let usage = self.schedule.seat(seat).unwrap().usage(self.now);
        usage.ran as f64 / (self.now - EPOCH) as f64
    }
}

/// Starts a CPU whose guests have these weights.
fn by_weight(guests: &[(u16, Guest)]) -> Cpu {
    let seats = guests.iter().map(|(weight, _)| Seat::by_weight(*weight)).collect();
    let guests: Vec<_> = guests.iter().map(|(_, guest)| *guest).collect();
    Cpu::new(TimeTable::default(), seats, &guests)
}

/// Returns a slot that is not given away.
fn slot(seat: usize, start: u32, length: u32) -> Slot {
    Slot { start, length, seat, gives_idle: false }
}

/// Starts a CPU with a frame of 1 ms and these slots. The first seats are their owners; those behind
/// have weight 100.
fn by_table(slots: &[Slot], owners: &[Guest], others: &[Guest]) -> Cpu {
    let mut seats = vec![Seat::by_time_table(); owners.len()];
    seats.extend(vec![Seat::by_weight(100); others.len()]);
    let table = TimeTable::new(1000, EPOCH, slots, FREQUENCY);
    Cpu::new(table, seats, &[owners, others].concat())
}
