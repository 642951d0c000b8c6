//! Decides which source may write to the UART next.

use super::state::{Console, NEVER};

/// How many pauses an incomplete line waits for its end while other sources write, and the most
/// that other sources wait for the focused source.
const BUSY: u64 = 10;
/// The longest turn in bytes, in the focused view, for a line whose end is not known: that of the
/// focused source when the others have waited for [`BUSY`] pauses, or that of another source.
const TURN_BYTES: usize = 128;

impl Console {
    /// Gives the turn to the next source with output that is due at the time `now`, and returns
    /// whether there is one. Otherwise sets `due` to when there will be.
    pub(super) fn begin_turn(&mut self, now: u64) -> bool {
        match &self.focus {
            Some(focus) if now < focus.others => self.begin_undisturbed_turn(now),
            Some(_) => self.begin_disturbed_turn(now),
            None => self.begin_shared_turn(now),
        }
    }

    /// Begins a turn in the shared view. If nothing is due, the source whose line the cursor is in
    /// need not wait, as it interrupts no line.
    fn begin_shared_turn(&mut self, now: u64) -> bool {
        let (mut next, due) = self.find_next(self.turn, None, now);
        if next.is_none() {
            next = self.open_line.filter(|&index| self.has_bytes(index));
        }
        match next {
            Some(index) => self.give_turn(index, now),
            None => self.due = due,
        }
        next.is_some()
    }

    /// Begins a turn in the focused view while no other source has output.
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

    /// Begins a turn in the focused view while another source may have a line.
    ///
    /// The focused source and the others alternate, but the others wait until the focused source
    /// ends its line or pauses, or until they have waited for [`BUSY`] pauses. From then on each
    /// turn of the focused source is limited.
    fn begin_disturbed_turn(&mut self, now: u64) -> bool {
        let Some(focus) = &self.focus else { return false };
        let (other, others) = self.find_next(focus.last, Some(focus.source), now);
        let until = self.others_wait_until(now);
        let Some(focus) = &mut self.focus else { return false };
        let Some(other) = other else {
            focus.others = others;
            return self.begin_undisturbed_turn(now);
        };
        focus.others = 0;
        focus.waiting = focus.waiting.min(now);
        let has_output = focus.is_redraw_due(now) || !self.channels[focus.source].is_empty();
        if until <= now && (focus.yields || !has_output) {
            (focus.last, focus.yields) = (other, false);
            self.give_turn(other, now);
            if !self.channels[other].has_line() {
                self.allowance = self.allowance.min(TURN_BYTES);
            }
        } else if has_output {
            self.give_turn_to_focused(now);
        } else {
            self.due = until.min(focus.redraw);
            return false;
        }
        true
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

    /// Returns the next source after `last` with output that is due at the time `now`: a line, a
    /// full buffer, or an incomplete line after its pause. `without` excludes one source. Also
    /// returns when the first incomplete line is due.
    fn find_next(&self, last: usize, without: Option<usize>, now: u64) -> (Option<usize>, u64) {
        let mut has_incomplete = false;
        // From the source after `last` upwards, and then from the first one to `last`.
        let (first, rest) = self.channels.split_at((last + 1).min(self.channels.len()));
        for (offset, part) in [(first.len(), rest), (0, first)] {
            for (index, channel) in (offset..).zip(part) {
                if channel.is_empty() || Some(index) == without {
                    continue;
                }
                if channel.is_ready() || now == NEVER {
                    return (Some(index), now);
                }
                has_incomplete = true;
            }
        }
        if has_incomplete { self.find_incomplete(last, without, now) } else { (None, NEVER) }
    }

    /// Does the same where no source is ready, so that there are only incomplete lines.
    fn find_incomplete(
        &self,
        last: usize,
        without: Option<usize>,
        now: u64,
    ) -> (Option<usize>, u64) {
        let (mut next, mut due) = (None, NEVER);
        let busy = self.pause.saturating_mul(BUSY);
        // When the last byte of any source was written, by which source, and the last byte of any
        // other source.
        let (mut latest, mut latest_of_others, mut writer) = (0, 0, 0);
        for (index, channel) in self.channels.iter().enumerate() {
            let written = channel.written();
            if written > latest {
                (latest_of_others, latest, writer) = (latest, written, index);
            } else {
                latest_of_others = latest_of_others.max(written);
            }
        }
        for (index, channel) in self.channels.iter().enumerate() {
            if channel.is_empty() || Some(index) == without {
                continue;
            }
            let quiet_at = match if index == writer { latest_of_others } else { latest } {
                0 => 0,
                written => written.saturating_add(busy),
            };
            let written = channel.written();
            let pause = written.saturating_add(self.pause).max(quiet_at);
            let stale = pause.min(written.saturating_add(busy));
            // The first one after `last`, or else the first one.
            if stale <= now && next.is_none_or(|next| next <= last && index > last) {
                next = Some(index);
            }
            due = due.min(stale);
        }
        (next, due)
    }

    /// Returns whether the buffer of a source has bytes.
    fn has_bytes(&self, index: usize) -> bool {
        self.channels.get(index).is_some_and(|channel| !channel.is_empty())
    }

    /// Gives a source the turn to output all that it has written.
    fn give_turn(&mut self, index: usize, now: u64) {
        let channel = &mut self.channels[index];
        channel.turn = now;
        (self.turn, self.allowance, self.due) = (index, channel.buffer.len(), 0);
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
