//! The decisions for one CPU.

use alloc::vec::Vec;

use super::queue::Queue;
use super::seat::{Link, NO_LINK, Seat, is_before};
use super::spans::{NEVER, Spans};
use super::table::{Current, TimeTable};

/// The schedule of one CPU.
#[derive(Debug)]
pub struct Schedule {
    /// The lengths of time that decisions need.
    spans: Spans,
    /// The time table: empty if no seat has slots.
    table: TimeTable,
    /// The seats.
    seats: Vec<Seat>,
    /// The seats with a weight that wait.
    queue: Queue,
    /// The seat that runs, as an index into `seats`; [`NO_LINK`] if none does.
    running: Link,
    /// The seat that ran last, whose state the CPU still has.
    loaded: Link,
    /// When the turn of the running seat began.
    turn: u64,
    /// Whether a seat has woken in this turn that is behind the running one.
    is_urgent: bool,
    /// When to wake the next seat with a weight.
    alarm: u64,
    /// The smallest virtual time of the seats with work so far.
    floor: u64,
    /// The start of the slot in which the running seat is still to be entered.
    starting: Option<u64>,
    /// How often a seat was chosen that did not run last.
    switches: u64,
}

/// What a CPU has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The seat to run, as an index; `None` to wait until something happens.
    pub seat: Option<usize>,
    /// When to enter it at the earliest, after which [`Schedule::entered`] follows; `None` for at
    /// once. Until then the CPU waits in EL2.
    pub not_before: Option<u64>,
    /// When to decide again, if nothing else happens before; [`NEVER`] if that is not needed.
    pub until: u64,
}

impl Schedule {
    /// Creates the schedule of a CPU with these seats, at most 255, all of which sleep. The slots of
    /// `table` name seats that have no weight.
    pub const fn new(spans: Spans, table: TimeTable, seats: Vec<Seat>) -> Self {
        Self {
            spans,
            table,
            seats,
            queue: Queue::new(),
            running: NO_LINK,
            loaded: NO_LINK,
            turn: 0,
            is_urgent: false,
            alarm: NEVER,
            floor: 0,
            starting: None,
            switches: 0,
        }
    }

    /// Returns a seat, with the account of its time.
    pub fn seat(&self, seat: usize) -> Option<&Seat> {
        self.seats.get(seat)
    }

    /// Returns how often a seat was chosen that did not run last.
    pub const fn switches(&self) -> u64 {
        self.switches
    }

    /// Returns how many slots have gone by as a whole without a decision.
    pub const fn missed(&self) -> u64 {
        self.table.missed()
    }

    /// Wakes a seat that has work. A decision must follow.
    pub fn wake(&mut self, seat: usize, now: u64) {
        self.account(now);
        self.wake_since(seat, now);
    }

    /// Puts a seat to sleep until it is woken, at the latest at `deadline`; [`NEVER`] if it has
    /// none. A decision must follow.
    pub fn sleep(&mut self, seat: usize, now: u64, deadline: u64) {
        self.account(now);
        // Later, nothing may be left of the time that the seat has had alone.
        self.raise_floor();
        if usize::from(self.running) == seat {
            (self.running, self.starting) = (NO_LINK, None);
        } else {
            self.queue.remove(&mut self.seats, seat);
        }
        if let Some(seat) = self.seats.get_mut(seat) {
            seat.sleep(now, deadline);
        }
        self.set_alarm();
    }

    /// Counts the start of a slot. Called right before the seat is entered that a decision with
    /// `not_before` has chosen.
    pub fn entered(&mut self, now: u64) {
        if let Some(start) = self.starting.take()
            && let Some(seat) = self.seats.get_mut(usize::from(self.running))
        {
            seat.count_start(now.saturating_sub(start), &self.spans);
        }
    }

    /// Decides which seat runs from `now` on, which never falls from one call to the next.
    pub fn decide(&mut self, now: u64) -> Decision {
        self.account(now);
        let place = self.table.at(now, self.spans.early);
        let until = match place.slot {
            None => self.by_weight(now, place.until),
            Some(slot) => self.in_slot(now, slot, place.until),
        };
        let seat = (self.running != NO_LINK).then_some(usize::from(self.running));
        Decision { seat, not_before: self.starting, until }
    }

    /// Decides in a slot, which ends at `limit`. Returns when to decide again.
    fn in_slot(&mut self, now: u64, slot: Current, limit: u64) -> u64 {
        let index = usize::from(slot.seat);
        let deadline = self.seats.get(index).map_or(NEVER, Seat::deadline);
        if deadline <= now {
            self.wake_since(index, deadline);
        }
        let Some(owner) = self.seats.get_mut(index).filter(|owner| !owner.is_asleep()) else {
            let until = limit.min(deadline);
            if slot.gives_idle {
                return self.by_weight(now, until);
            }
            self.change(NO_LINK, now, now);
            return until;
        };
        if self.running != slot.seat {
            self.change(slot.seat, now, now.max(slot.start));
            if slot.is_new || now < slot.start {
                self.starting = Some(slot.start);
            }
        } else if slot.is_new {
            // The slot continues the one before.
            owner.count_start(0, &self.spans);
        }
        limit
    }

    /// Decides between the seats with a weight, until something else decides at `limit`. Returns
    /// when to decide again.
    fn by_weight(&mut self, now: u64, limit: u64) -> u64 {
        if self.alarm <= now {
            self.wake_due(now);
        }
        let running = self.running();
        let first = self.queue.first;
        if running.is_none() || (first != NO_LINK && now >= self.end_of_turn()) {
            let own = running.filter(|it| self.is_behind(it, first));
            if own.is_some() {
                (self.turn, self.is_urgent) = (now, false);
            } else {
                self.change(first, now, now);
            }
        }
        if self.running == NO_LINK {
            return limit.min(self.alarm);
        }
        // A seat that wakes does not end a turn before it is protected no more.
        let alarm = self.alarm.max(self.turn.saturating_add(self.spans.preemption));
        let end = if self.queue.first == NO_LINK { NEVER } else { self.end_of_turn() };
        limit.min(alarm).min(end)
    }

    /// Returns when the turn of the running seat ends, if another one waits.
    fn end_of_turn(&self) -> u64 {
        let Spans { quantum, preemption, .. } = self.spans;
        self.turn.saturating_add(if self.is_urgent { preemption } else { quantum })
    }

    /// Returns whether the virtual time of a seat is before that of another one, which is an index.
    fn is_behind(&self, seat: &Seat, other: Link) -> bool {
        let other = self.seats.get(usize::from(other));
        other.is_some_and(|other| is_before(seat.virtual_time, other.virtual_time))
    }

    /// Returns the running seat, if it has a weight.
    fn running(&self) -> Option<&Seat> {
        self.seats.get(usize::from(self.running)).filter(|it| it.has_weight())
    }

    /// Accounts for the time of the running seat.
    fn account(&mut self, now: u64) {
        if let Some(seat) = self.seats.get_mut(usize::from(self.running)) {
            seat.account(now);
        }
    }

    /// Wakes a seat that sleeps and has had work since `since`.
    fn wake_since(&mut self, index: usize, since: u64) {
        self.raise_floor();
        let own = self.running().map(|it| it.virtual_time);
        let Some(seat) = self.seats.get_mut(index).filter(|seat| seat.is_asleep()) else { return };
        seat.wake(since, self.floor, self.spans.quantum);
        if seat.has_weight() {
            self.is_urgent |= own.is_some_and(|own| is_before(seat.virtual_time, own));
            self.queue.insert(&mut self.seats, index);
            self.set_alarm();
        }
    }

    /// Wakes the seats with a weight whose deadlines have passed.
    fn wake_due(&mut self, now: u64) {
        for index in 0..self.seats.len() {
            let seat = self.seats.get(index).filter(|seat| seat.has_weight());
            let deadline = seat.map_or(NEVER, Seat::deadline);
            if deadline <= now {
                self.wake_since(index, deadline);
            }
        }
    }

    /// Sets the alarm to the earliest deadline.
    fn set_alarm(&mut self) {
        self.alarm = NEVER;
        for seat in self.seats.iter().filter(|seat| seat.has_weight()) {
            self.alarm = self.alarm.min(seat.deadline());
        }
    }

    /// Raises the floor to the smallest virtual time of the seats that run or wait.
    fn raise_floor(&mut self) {
        let own = self.running();
        let first = self.seats.get(usize::from(self.queue.first));
        let smallest = match (own, first) {
            (Some(own), Some(first)) if is_before(first.virtual_time, own.virtual_time) => first,
            (Some(seat), _) | (None, Some(seat)) => seat,
            (None, None) => return,
        };
        if is_before(self.floor, smallest.virtual_time) {
            self.floor = smallest.virtual_time;
        }
    }

    /// Takes the CPU from the seat that runs at `now`, and gives it to another one or to none from
    /// `start` on: to the first of the queue, or to the owner of a slot.
    fn change(&mut self, chosen: Link, now: u64, start: u64) {
        if chosen != NO_LINK {
            if chosen == self.queue.first {
                self.queue.remove_first(&self.seats);
            }
            if let Some(seat) = self.seats.get_mut(usize::from(chosen)) {
                seat.enter(now, start);
            }
            if chosen != self.loaded {
                (self.loaded, self.switches) = (chosen, self.switches.wrapping_add(1));
            }
        }
        let index = usize::from(self.running);
        if let Some(seat) = self.seats.get_mut(index) {
            seat.leave();
            if seat.has_weight() {
                self.queue.insert(&mut self.seats, index);
            }
        }
        (self.running, self.turn) = (chosen, start);
        (self.is_urgent, self.starting) = (false, None);
    }
}
