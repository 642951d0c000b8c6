//! Whose turn it is to write to the UART.

use super::state::{Console, NEVER};

/// How many times longer an incomplete line waits for its end while others print; and how many pauses
/// the others wait at the most for the source that has the focus.
const BUSY: u64 = 10;
/// How much comes out in a turn, in the focused view, of a line whose end is not in sight: of the
/// source that has the focus, where others have waited that long, and of one of them.
const TURN_BYTES: usize = 128;

impl Console {
    /// Gives the turn to the source that is next, if one has something due at the time `now`.
    /// Otherwise finds out when one will.
    pub(super) fn begin_turn(&mut self, now: u64) -> bool {
        match &self.focus {
            Some(focus) if now < focus.others => self.begin_undisturbed_turn(now),
            Some(_) => self.begin_disturbed_turn(now),
            None => self.begin_shared_turn(now),
        }
    }

    /// A turn in the shared view. If nobody has anything due, the one whose line is open need not
    /// wait: nobody's line is torn if it goes on.
    fn begin_shared_turn(&mut self, now: u64) -> bool {
        let (mut next, due) = self.find_next(self.turn, None, now);
        if next.is_none() {
            next = self.open_line.filter(|&index| self.has_output(index));
        }
        match next {
            Some(index) => self.give_turn(index, now),
            None => self.due = due,
        }
        next.is_some()
    }

    /// A turn in the focused view, where none of the others has anything to write.
    fn begin_undisturbed_turn(&mut self, now: u64) -> bool {
        let Some(focus) = &mut self.focus else { return false };
        focus.waiting = NEVER;
        if focus.is_redraw_due(now) || !self.channels[focus.source].is_empty() {
            self.give_turn_to_focused(now);
            return true;
        }
        self.due = focus.others.min(focus.redraw);
        false
    }

    /// A turn in the focused view, where another one may have a line.
    ///
    /// Both sides take turns, but only where that does not disturb: the others wait until the line
    /// ends that they would tear, until it goes on no more, or until they have waited for too long.
    /// From then on the other side has a limit for each of its turns.
    fn begin_disturbed_turn(&mut self, now: u64) -> bool {
        let Some(focus) = &self.focus else { return false };
        let (other, others) = self.find_next(focus.last, Some(focus.source), now);
        let until = self.held_up_until(now);
        let Some(focus) = &mut self.focus else { return false };
        let Some(other) = other else {
            focus.others = others;
            return self.begin_undisturbed_turn(now);
        };
        focus.others = 0;
        focus.waiting = focus.waiting.min(now);
        let wants = focus.is_redraw_due(now) || !self.channels[focus.source].is_empty();
        if until <= now && (focus.yields || !wants) {
            (focus.last, focus.yields) = (other, false);
            self.give_turn(other, now);
            if !self.channels[other].has_line() {
                self.allowance = self.allowance.min(TURN_BYTES);
            }
        } else if wants {
            self.give_turn_to_focused(now);
        } else {
            self.due = until.min(focus.redraw);
            return false;
        }
        true
    }

    /// Until when the others must wait for the source that has the focus.
    fn held_up_until(&self, now: u64) -> u64 {
        let Some(focus) = &self.focus else { return 0 };
        let channel = &self.channels[focus.source];
        // Whoever writes to a log that is full waits for it.
        if self.open_line != Some(focus.source) || !self.channels[0].buffer.has_room() {
            return 0;
        }
        let since = focus.waiting.min(now);
        let patience = self.pause.saturating_mul(BUSY);
        let mut until = since.max(focus.began).saturating_add(patience);
        if channel.is_empty() {
            until = until.min(channel.written().saturating_add(self.pause));
        }
        if focus.spent >= TURN_BYTES {
            until = until.min(since.saturating_add(patience));
        }
        until
    }

    /// Who comes next behind `last` of those that have something due, `without` one: a line, a full
    /// buffer, or what it does not go on with. And when the first of the incomplete lines is due.
    fn find_next(&self, last: usize, without: Option<usize>, now: u64) -> (Option<usize>, u64) {
        let (mut next, mut due) = (None, NEVER);
        let busy = self.pause.saturating_mul(BUSY);
        // When anybody wrote last, and when anybody else did.
        let (mut latest, mut latest_but_one, mut writer) = (0, 0, 0);
        for (index, channel) in self.channels.iter().enumerate() {
            let written = channel.written();
            if written > latest {
                (latest_but_one, latest, writer) = (latest, written, index);
            } else {
                latest_but_one = latest_but_one.max(written);
            }
        }
        // From the last one down to the one behind it, so that the one found last is the next.
        let mut index = last;
        for _ in &self.channels {
            let Some(channel) = self.channels.get(index) else { break };
            if !channel.is_empty() && Some(index) != without {
                let quiet = match if index == writer { latest_but_one } else { latest } {
                    0 => 0,
                    written => written.saturating_add(busy),
                };
                let written = channel.written();
                let pause = written.saturating_add(self.pause).max(quiet);
                let stale = pause.min(written.saturating_add(busy));
                if channel.is_ready() || stale <= now {
                    next = Some(index);
                }
                due = due.min(stale);
            }
            index = index.checked_sub(1).unwrap_or(self.channels.len() - 1);
        }
        (next, due)
    }

    fn has_output(&self, index: usize) -> bool {
        self.channels.get(index).is_some_and(|channel| !channel.is_empty())
    }

    fn give_turn(&mut self, index: usize, now: u64) {
        let channel = &mut self.channels[index];
        channel.turn = now;
        (self.turn, self.allowance, self.due) = (index, channel.buffer.len(), 0);
    }

    fn give_turn_to_focused(&mut self, now: u64) {
        let Some(focus) = &mut self.focus else { return };
        if self.open_line != Some(focus.source) {
            (focus.began, focus.spent) = (now, 0);
        }
        focus.yields = true;
        let allowance = self.channels[focus.source].buffer.len().min(TURN_BYTES);
        (self.turn, self.allowance, self.due) = (focus.source, allowance, 0);
    }
}
