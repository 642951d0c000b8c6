//! Decides which source may write to the UART next.

use super::state::{BYTE_COST, Console, LOOK_COST, Look, NEVER};

/// How many pauses an incomplete line waits for its end while other sources write, and the most
/// that other sources wait for the focused source.
const BUSY: u64 = 10;
/// The longest turn in bytes, in the focused view, for a line whose end is not known: that of the
/// focused source when the others have waited for [`BUSY`] pauses, or that of another source.
const TURN_BYTES: usize = 128;

/// The outcome of an attempt to begin a turn.
pub(super) enum Found {
    /// A source has the turn.
    Turn,
    /// No output is due.
    Nothing,
    /// Not all sources were looked at.
    Unfinished,
}

/// The outcome of a search for the next source.
enum Next {
    /// This source's output is due.
    Source(usize),
    /// No output is due before this time.
    None(u64),
    /// Not all sources were looked at.
    Unfinished,
}

impl Console {
    /// Gives the turn to the next source with output that is due at the time `now`, unless there is
    /// none. Then sets `due` to when there will be. [`LOOK_COST`] for each source that is looked at,
    /// [`BYTE_COST`] for an incomplete line, is subtracted from `budget`.
    pub(super) fn begin_turn(&mut self, now: u64, budget: &mut usize) -> Found {
        match &self.focus {
            Some(focus) if now < focus.others => self.begin_undisturbed_turn(now),
            Some(_) => self.begin_disturbed_turn(now, budget),
            None => self.begin_shared_turn(now, budget),
        }
    }

    /// Begins a turn in the shared view. If nothing is due, the source whose line the cursor is in
    /// need not wait, as it interrupts no line.
    fn begin_shared_turn(&mut self, now: u64, budget: &mut usize) -> Found {
        let (next, due) = match self.find_next(None, now, budget) {
            Next::Source(index) => (Some(index), now),
            Next::None(due) => (self.open_line.filter(|&index| self.has_bytes(index)), due),
            Next::Unfinished => return Found::Unfinished,
        };
        let Some(index) = next else {
            self.due = due;
            return Found::Nothing;
        };
        self.give_turn(index, now);
        Found::Turn
    }

    /// Begins a turn in the focused view while no other source has output.
    fn begin_undisturbed_turn(&mut self, now: u64) -> Found {
        let Some(focus) = &mut self.focus else { return Found::Nothing };
        focus.waiting = NEVER;
        if focus.is_redraw_due(now) || !self.channels[focus.source].is_empty() {
            self.give_turn_to_focused(now);
            return Found::Turn;
        }
        self.due = focus.others.min(focus.redraw);
        Found::Nothing
    }

    /// Begins a turn in the focused view while another source may have a line.
    ///
    /// The focused source and the others alternate, but the others wait until the focused source
    /// ends its line or pauses, or until they have waited for [`BUSY`] pauses. From then on each
    /// turn of the focused source is limited.
    fn begin_disturbed_turn(&mut self, now: u64, budget: &mut usize) -> Found {
        let focused = self.focus.as_ref().map(|focus| focus.source);
        let next = self.find_next(focused, now, budget);
        if let Next::Source(other) = next {
            // If it has to wait, it is found again.
            self.look_again();
            self.look.next = other;
        }
        let until = self.others_wait_until(now);
        let Some(focus) = &mut self.focus else { return Found::Nothing };
        let other = match next {
            Next::Source(other) => other,
            Next::None(others) => {
                focus.others = others;
                return self.begin_undisturbed_turn(now);
            }
            Next::Unfinished => return Found::Unfinished,
        };
        focus.others = 0;
        focus.waiting = focus.waiting.min(now);
        let has_output = focus.is_redraw_due(now) || !self.channels[focus.source].is_empty();
        if until <= now && (focus.yields || !has_output) {
            focus.yields = false;
            self.give_turn(other, now);
            if !self.channels[other].has_line() {
                self.allowance = self.allowance.min(TURN_BYTES);
            }
        } else if has_output {
            self.give_turn_to_focused(now);
        } else {
            self.due = until.min(focus.redraw);
            return Found::Nothing;
        }
        Found::Turn
    }

    /// Returns until when the other sources must wait for the focused source.
    fn others_wait_until(&self, now: u64) -> u64 {
        let Some(focus) = &self.focus else { return 0 };
        let channel = &self.channels[focus.source];
        if self.open_line != Some(focus.source) {
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

    /// Returns the next source with output that is due at the time `now`: a line, a full buffer, or
    /// an incomplete line after its pause. `without` excludes one source. A source that becomes
    /// ready is found when its turn comes in the circle, if [`look_again`](Self::look_again) was
    /// called since.
    fn find_next(&mut self, without: Option<usize>, now: u64, budget: &mut usize) -> Next {
        loop {
            if self.look.left == 0 {
                match self.look.stale.take() {
                    // A source that was looked at later may have written later.
                    Some(index) if self.stale_at(index) <= now => return Next::Source(index),
                    None if self.look.due == NEVER || self.look.due > now => {
                        return Next::None(self.look.due);
                    }
                    _ => self.look_again(),
                }
            }
            if *budget == 0 {
                return Next::Unfinished;
            }
            *budget = budget.saturating_sub(LOOK_COST);
            let index = self.look.next;
            self.look.next = self.after(index);
            self.look.left = self.look.left.saturating_sub(1);
            let channel = &self.channels[index];
            self.look.record(index, channel.written());
            if channel.is_empty() || Some(index) == without {
                continue;
            }
            if channel.is_ready() || now == NEVER {
                return Next::Source(index);
            }
            *budget = budget.saturating_sub(BYTE_COST - LOOK_COST);
            let stale = self.stale_at(index);
            self.look.due = self.look.due.min(stale);
            if stale <= now {
                self.look.stale.get_or_insert(index);
            }
        }
    }

    /// Returns the source that follows in the circle.
    fn after(&self, index: usize) -> usize {
        let next = index.wrapping_add(1);
        if next < self.channels.len() { next } else { 0 }
    }

    /// Begins to look for the next source again, which all of them can be.
    pub(super) fn look_again(&mut self) {
        self.due = 0;
        (self.look.left, self.look.stale, self.look.due) = (self.channels.len(), None, NEVER);
    }

    /// Returns when an incomplete line is due. That is later while other sources write, as far as
    /// these were looked at.
    // One copy for all callers.
    #[inline(never)]
    fn stale_at(&self, index: usize) -> u64 {
        let Look { writer, latest, latest_of_others, .. } = self.look;
        let busy = self.pause.saturating_mul(BUSY);
        let quiet_at = match if index == writer { latest_of_others } else { latest } {
            0 => 0,
            written => written.saturating_add(busy),
        };
        let written = self.channels[index].written();
        let pause = written.saturating_add(self.pause).max(quiet_at);
        pause.min(written.saturating_add(busy))
    }

    /// Returns whether the buffer of a source has bytes.
    fn has_bytes(&self, index: usize) -> bool {
        self.channels.get(index).is_some_and(|channel| !channel.is_empty())
    }

    /// Gives a source the turn to output all that it has written.
    fn give_turn(&mut self, index: usize, now: u64) {
        let channel = &mut self.channels[index];
        channel.turn = now;
        (self.turn, self.allowance) = (index, channel.buffer.len());
        self.look.next = self.after(index);
        self.look_again();
    }

    /// Gives the focused source a turn of at most [`TURN_BYTES`].
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
