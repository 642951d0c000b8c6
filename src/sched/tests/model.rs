//! A slow model of a schedule. It keeps whole virtual times, and finds slots by counting frames
//! from the epoch on.

use super::*;

/// What a seat does, and since when.
#[derive(Clone, Copy, PartialEq)]
enum Doing {
    Sleeps { since: u64, deadline: u64 },
    Waits,
    Runs,
}

/// A seat. Sums are made from one step to the next.
#[derive(Clone)]
struct ModelSeat {
    /// Virtual time per tick, by 2^24; `None` if it has slots.
    step: Option<i128>,
    doing: Doing,
    /// Its virtual time.
    time: i128,
    /// The number of its last arrival among those that wait.
    arrival: u64,
    ran: u64,
    stolen: u64,
    starts: u64,
    late: u64,
    worst: u64,
}

/// A CPU.
pub struct Model {
    seats: Vec<ModelSeat>,
    /// The slots in ticks: start, end, owner, whether it is given away.
    slots: Vec<(u64, u64, usize, bool)>,
    frame: u64,
    /// Up to when time is accounted for. A seat that is still to be entered runs from its slot on.
    now: u64,
    floor: i128,
    running: Option<usize>,
    turn: u64,
    is_urgent: bool,
    arrivals: u64,
    starting: Option<u64>,
    /// The number of slots that have started, counted from the epoch on.
    begun: u64,
    pub missed: u64,
}

impl Model {
    /// Creates a model of seats with these weights, or with slots, and with a frame of 1 ms.
    pub fn new(weights: &[Option<u16>], slots: &[Slot]) -> Self {
        let seat = |weight: &Option<u16>| ModelSeat {
            step: weight.map(|weight| (1 << 24) / i128::from(weight)),
            doing: Doing::Sleeps { since: 0, deadline: NEVER },
            time: 0,
            arrival: 0,
            ran: 0,
            stolen: 0,
            starts: 0,
            late: 0,
            worst: 0,
        };
        let ticks = |us: u32| u64::from(us) * u64::from(FREQUENCY) / 1_000_000;
        let slot =
            |it: &Slot| (ticks(it.start), ticks(it.start + it.length), it.seat, it.gives_idle);
        Self {
            seats: weights.iter().map(seat).collect(),
            slots: slots.iter().map(slot).collect(),
            frame: MS,
            now: 0,
            floor: 0,
            running: None,
            turn: 0,
            is_urgent: false,
            arrivals: 0,
            starting: None,
            begun: 0,
            missed: 0,
        }
    }

    /// Returns what the schedule accounts for a seat: time that it ran, stolen time, starts, late
    /// ones, and the worst.
    pub fn account(&self, seat: usize) -> [u64; 5] {
        let ModelSeat { ran, stolen, starts, late, worst, .. } = self.seats[seat];
        [ran, stolen, starts, late, worst]
    }

    /// Lets time pass.
    fn pass(&mut self, now: u64) {
        for seat in &mut self.seats {
            // Until one is entered on a later tick, the time is nobody's.
            let from = match (seat.doing, self.starting) {
                (Doing::Runs, Some(start)) => start.clamp(self.now, now),
                _ => self.now,
            };
            match seat.doing {
                Doing::Runs => {
                    seat.ran += now - from;
                    seat.time += seat.step.unwrap_or(0) * i128::from(now - from);
                }
                Doing::Waits => seat.stolen += now - self.now,
                Doing::Sleeps { .. } => {}
            }
        }
        self.now = now;
    }

    pub fn wake(&mut self, seat: usize, now: u64) {
        self.pass(now);
        self.wake_at(seat, now);
    }

    /// Raises the floor to the smallest virtual time of the seats with work.
    fn raise_floor(&mut self) {
        let runnable = self.weighted(|it| !matches!(it.doing, Doing::Sleeps { .. }));
        let smallest = runnable.into_iter().map(|it| self.seats[it].time).min();
        self.floor = self.floor.max(smallest.unwrap_or(self.floor));
    }

    /// Adds a seat to those that wait.
    fn arrive(&mut self, seat: usize) {
        self.arrivals += 1;
        (self.seats[seat].doing, self.seats[seat].arrival) = (Doing::Waits, self.arrivals);
    }

    /// Wakes a seat that has had work since `at`.
    fn wake_at(&mut self, index: usize, at: u64) {
        let Doing::Sleeps { since, .. } = self.seats[index].doing else { return };
        self.raise_floor();
        let seat = &mut self.seats[index];
        seat.stolen += self.now - at;
        if let Some(step) = seat.step {
            let earliest = self.floor - step * i128::from(10 * MS);
            let is_forgotten = at - since > 1 << 32;
            seat.time = if is_forgotten { earliest } else { seat.time.max(earliest) };
            let time = seat.time;
            let running = self.running.filter(|it| self.seats[*it].step.is_some());
            self.is_urgent |= running.is_some_and(|it| time < self.seats[it].time);
        }
        self.arrive(index);
    }

    pub fn sleep(&mut self, seat: usize, now: u64, deadline: u64) {
        self.pass(now);
        self.raise_floor();
        if self.running == Some(seat) {
            (self.running, self.starting) = (None, None);
        }
        let doing = &mut self.seats[seat].doing;
        let since = if let Doing::Sleeps { since, .. } = doing { *since } else { now };
        *doing = Doing::Sleeps { since, deadline };
    }

    pub fn entered(&mut self, now: u64) {
        self.pass(now);
        if let (Some(start), Some(seat)) = (self.starting.take(), self.running) {
            self.count_start(seat, now - start);
        }
    }

    fn count_start(&mut self, seat: usize, late: u64) {
        let seat = &mut self.seats[seat];
        seat.starts += 1;
        seat.late += u64::from(late > MS / 1000);
        seat.worst = seat.worst.max(late);
    }

    fn deadline(&self, seat: usize) -> u64 {
        match self.seats[seat].doing {
            Doing::Sleeps { deadline, .. } => deadline,
            _ => NEVER,
        }
    }

    fn wake_if_due(&mut self, seat: usize) {
        let deadline = self.deadline(seat);
        if deadline <= self.now {
            self.wake_at(seat, deadline);
        }
    }

    /// Returns the start of a slot by its number from the epoch on, and the slot.
    fn numbered(&self, number: u64) -> (u64, (u64, u64, usize, bool)) {
        let count = self.slots.len() as u64;
        let slot = self.slots[(number % count) as usize];
        (EPOCH + number / count * self.frame + slot.0, slot)
    }

    pub fn decide(&mut self, now: u64) -> Decision {
        self.pass(now);
        let early = MS / 100;
        if self.slots.is_empty() {
            return self.by_weight(NEVER);
        }
        // The number of slots that have started or are about to. Begin a frame before.
        let frames = (now + early).saturating_sub(EPOCH) / self.frame;
        let mut begun = frames.saturating_sub(1) * self.slots.len() as u64;
        while self.numbered(begun).0 <= now + early {
            begun += 1;
        }
        let is_new = begun > self.begun;
        self.missed += (begun - self.begun).saturating_sub(1);
        self.begun = begun;
        let next = self.numbered(begun).0 - early;
        let Some(current) = begun.checked_sub(1) else { return self.by_weight(next) };
        let (start, (from, to, owner, gives_idle)) = self.numbered(current);
        let end = start + (to - from);
        if end <= now {
            return self.by_weight(next);
        }
        let until = next.min(end);
        self.wake_if_due(owner);
        if let Doing::Sleeps { deadline, .. } = self.seats[owner].doing {
            let until = until.min(deadline);
            return if gives_idle { self.by_weight(until) } else { self.give(None, until) };
        }
        if self.running == Some(owner) {
            if is_new {
                self.count_start(owner, 0);
            }
            return Decision { seat: Some(owner), not_before: self.starting, until };
        }
        self.give(Some(owner), until);
        if is_new || now < start {
            self.starting = Some(start);
        }
        self.turn = now.max(start);
        Decision { seat: Some(owner), not_before: self.starting, until }
    }

    /// Returns the seats with weights that have this to do.
    fn weighted(&self, is_it: impl Fn(&ModelSeat) -> bool) -> Vec<usize> {
        let seats = self.seats.iter().enumerate();
        let found = seats.filter(|(_, it)| it.step.is_some() && is_it(it));
        found.map(|(index, _)| index).collect()
    }

    fn by_weight(&mut self, limit: u64) -> Decision {
        for seat in self.weighted(|_| true) {
            self.wake_if_due(seat);
        }
        let running = self.running.filter(|it| self.seats[*it].step.is_some());
        let first = |model: &Self| {
            let waiting = model.weighted(|it| it.doing == Doing::Waits);
            let rank = |it: &usize| (model.seats[*it].time, model.seats[*it].arrival);
            waiting.into_iter().min_by_key(rank)
        };
        match (running, first(self)) {
            (None, first) => _ = self.give(first, limit),
            (Some(running), Some(first)) if self.now >= self.end_of_turn() => {
                if self.seats[running].time < self.seats[first].time {
                    (self.turn, self.is_urgent) = (self.now, false);
                } else {
                    self.give(Some(first), limit);
                }
            }
            _ => {}
        }
        let asleep = self.weighted(|it| matches!(it.doing, Doing::Sleeps { .. }));
        let mut until = asleep.iter().map(|it| self.deadline(*it)).min().unwrap_or(NEVER);
        if self.running.is_some() {
            until = until.max(self.turn + MS);
            if first(self).is_some() {
                until = until.min(self.end_of_turn());
            }
        }
        Decision { seat: self.running, not_before: None, until: until.min(limit) }
    }

    fn end_of_turn(&self) -> u64 {
        self.turn + if self.is_urgent { MS } else { 10 * MS }
    }

    /// Gives the CPU to a seat.
    fn give(&mut self, to: Option<usize>, until: u64) -> Decision {
        if self.running != to {
            if let Some(new) = to {
                self.seats[new].doing = Doing::Runs;
            }
            if let Some(old) = self.running {
                self.arrive(old);
            }
            (self.running, self.turn) = (to, self.now);
            (self.is_urgent, self.starting) = (false, None);
        }
        Decision { seat: to, not_before: None, until }
    }
}
