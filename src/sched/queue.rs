//! The seats with a weight that wait for the CPU, by ascending virtual time.
//!
//! A seat that leaves the CPU is behind most others, and one that wakes is before them: a list that
//! is walked from its start is short enough for either, and needs no memory but a link in each seat.

use super::seat::{Link, NO_LINK, Seat, is_before};

/// The first of the waiting seats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Queue {
    /// Its index; [`NO_LINK`] if none waits.
    pub first: Link,
}

impl Queue {
    /// Creates a queue without seats.
    pub const fn new() -> Self {
        Self { first: NO_LINK }
    }

    /// Removes the first seat.
    pub fn remove_first(&mut self, seats: &[Seat]) {
        self.first = seats.get(usize::from(self.first)).map_or(NO_LINK, |seat| seat.next);
    }

    /// Adds a seat, behind those with the same virtual time.
    pub fn insert(&mut self, seats: &mut [Seat], index: usize) {
        let Some(time) = seats.get(index).map(|seat| seat.virtual_time) else { return };
        let (mut before, mut after) = (NO_LINK, self.first);
        while let Some(seat) = seats.get(usize::from(after)) {
            if is_before(time, seat.virtual_time) {
                break;
            }
            (before, after) = (after, seat.next);
        }
        if let Some(seat) = seats.get_mut(index) {
            seat.next = after;
        }
        *self.link_behind(seats, before) = index as Link;
    }

    /// Removes a seat, if it is there.
    pub fn remove(&mut self, seats: &mut [Seat], index: usize) {
        let (mut before, mut at) = (NO_LINK, self.first);
        while let Some(seat) = seats.get(usize::from(at)) {
            let next = seat.next;
            if usize::from(at) == index {
                *self.link_behind(seats, before) = next;
                return;
            }
            (before, at) = (at, next);
        }
    }

    /// Returns the link to the seat behind this one; [`NO_LINK`] stands for the start.
    fn link_behind<'a>(&'a mut self, seats: &'a mut [Seat], before: Link) -> &'a mut Link {
        seats.get_mut(usize::from(before)).map_or(&mut self.first, |seat| &mut seat.next)
    }
}
