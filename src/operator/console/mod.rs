//! The console, which shares the machine's one UART between several sources of output.
//!
//! Each source (Bulkhead's log, the monitor and each partition) writes to a buffer of its own.
//! A guest's output is never dropped: its UART is busy while the buffer is full. Bulkhead's own
//! lines come from a queue that never makes a CPU wait ([`OwnLines`]). There are two views, which
//! differ in when output leaves the buffers (`turns`).
//!
//! The output is sent in pieces ([`Console::send`]), each by a CPU that may send for the source
//! whose turn it is, so that no CPU has to send for a partition that is not its own.
//!
//! In the shared view, a line comes out in one piece when it is complete, after the name of its
//! source. The sources take turns line by line, so that none can starve the others. An incomplete
//! line, such as a prompt, comes out after a pause, or when it fills the buffer. The pause is
//! longer while other sources write, because their lines would interrupt a line that is only
//! delayed: it gives a person at a prompt time to answer, and a CPU time to continue. The cursor
//! then stays in that line, and its source continues there. If another source writes first, it
//! begins a new line, and the remainder follows later, after the name once more.
//!
//! Lines end with CR LF, whether the guest ends them with LF or with any number of CRs and LF. A CR
//! before anything else returns to the start of the text, as for a progress bar: the name is
//! written again, not overwritten. Of all other bytes of a guest only text passes (`filter`), so
//! that no guest can erase or imitate another's lines.
//!
//! In the focused view, the output of one source passes at once, byte by byte and unchanged, so
//! that a person can use a shell, an editor or a boot loader's menu. The other sources' lines come
//! out as in the shared view, but wait until the focused source ends its line or pauses. If they
//! interrupt its line, the part that was shown is redrawn below them.

mod buffer;
mod channel;
mod filter;
mod gate;
pub mod input;
pub mod keys;
mod log;
mod own;
mod own_lines;
mod source;
mod stage;
mod staged;
mod state;
mod transmitter;
mod turns;

use alloc::format;
use alloc::vec::Vec;
use core::mem::replace;

pub use buffer::{Buffer, Notify, Writer};
pub use log::Log;
pub use own_lines::{After, OwnLine, OwnLines};
pub use source::Source;
pub use state::Console;
pub use transmitter::Transmitter;

#[cfg(test)]
use crate::util::ring::Full;
use channel::Channel;
use filter::Filter;
use staged::Staged;
use state::{BYTE_COST, Focus, Look, NEVER};
use turns::Found;

/// The number of bytes of a name that are shown.
const NAME_BYTES: usize = 31;
/// The names of the sources that are not partitions.
const OWN_NAMES: [&str; 2] = ["bulkhead", "monitor"];
/// The prefix of Bulkhead's own lines until the partitions are known.
pub const OWN_PREFIX: &str = "[bulkhead] ";
/// No channel's index: marks a line in which no source may continue.
const NO_SOURCE: usize = usize::MAX;

/// What a run takes of the budget beside its bytes.
const RUN_COST: usize = 4;
/// How many bytes are staged in the time that a byte of a run takes.
const STAGED_PER_BYTE: usize = 4;

/// Why [`Console::send`] has stopped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stop {
    /// No output is due before [`Console::deadline`].
    Nothing,
    /// The budget is used up.
    Budget,
    /// The UART has no room for the next byte.
    NoRoom,
    /// It is the turn of this source, for which the caller may not send.
    Turn(Source),
}

impl Console {
    /// Creates a console in the shared view for Bulkhead, the monitor and the partitions with these
    /// names, in the order of the Plan. An incomplete line comes out when its source has written
    /// nothing for `pause` ticks, or for ten times as long while others write.
    #[inline(always)]
    pub fn new(partitions: &[&str], pause: u64) -> Self {
        let names = [&OWN_NAMES, partitions].concat();
        let mut width = 0;
        for name in &names {
            width = width.max(name.len().min(NAME_BYTES));
        }
        let mut channels = Vec::with_capacity(names.len());
        for name in names {
            let padding = width - name.len().min(NAME_BYTES);
            channels.push(Channel::new(format!("[{name:.NAME_BYTES$}]{:padding$} ", "")));
        }
        Self {
            look: Look::new(channels.len()),
            channels: channels.into(),
            pause,
            focus: None,
            turn: 0,
            allowance: 0,
            due: NEVER,
            open_line: None,
            bare_end: false,
            is_logged: false,
            staged: Staged::EMPTY,
        }
    }

    /// Returns the prefix of each line of this source.
    pub fn prefix(&self, source: Source) -> &str {
        &self.channels[source.0].prefix
    }

    /// Returns the buffer of `source`.
    pub fn buffer(&self, source: Source) -> &'static Buffer {
        self.channels[source.0].buffer
    }

    /// Appends a byte to the buffer of `source` at the time `now`.
    #[cfg(test)]
    pub fn put(&mut self, source: Source, byte: u8, now: u64) -> Result<(), Full> {
        if self.buffer(source).push(byte, now)? != Notify::No {
            self.note(source);
        }
        Ok(())
    }

    /// Notifies the console of new bytes in the buffer of `source`. The caller must call
    /// [`Console::send`] next.
    fn note(&mut self, source: Source) {
        self.look_again();
        if let Some(focus) = &mut self.focus {
            focus.note(source.0);
        }
    }

    /// Notifies the console of new bytes of any sources. The caller must call [`Console::send`]
    /// next.
    pub fn note_all(&mut self) {
        self.look_again();
        if let Some(focus) = &mut self.focus {
            focus.others = 0;
        }
    }

    /// Returns whether there is output of the monitor, or a line to redraw.
    pub fn has_monitor_output(&self) -> bool {
        let redraws = self.focus.as_ref().is_some_and(|focus| focus.redraw != NEVER);
        redraws || self.has_output(Source::MONITOR)
    }

    /// Returns whether there is output of this source.
    pub fn has_output(&self, source: Source) -> bool {
        !self.channels[source.0].is_empty() || self.turn == source.0 && !self.staged.is_empty()
    }

    /// Changes to the focused view of a source, or to the shared view. The line that the cursor is
    /// in stays as it is. Bulkhead's own lines come next, then the part of the focused source's
    /// line that was shown before.
    pub fn focus(&mut self, source: Option<Source>, now: u64) {
        let old = self.focus.as_ref().map(|focus| focus.source);
        let new = source.map(|source| source.0);
        // The line of any other source is completed first.
        if self.allowance == 0 || [old, new].contains(&Some(self.turn)) {
            self.allowance = 0;
            self.open_line = self.open_line.map(|_| NO_SOURCE);
        }
        self.focus = new.map(|source| {
            let interrupted = !self.channels[source].tail.is_empty();
            Focus::new(source, now, interrupted)
        });
        self.look.next = 0;
        self.look_again();
    }

    /// Returns whether [`Console::send`] may send a byte at the time `now`.
    pub const fn is_due(&self, now: u64) -> bool {
        self.due <= now
    }

    /// Sends bytes that are due at the time `now`, and returns why it has stopped. Each byte and
    /// each source that is looked at for a turn uses up a part of `budget`, which bounds the time
    /// that this takes: its unit is the time of a byte that passes as it is, in a run of such bytes.
    /// `serves` tells for which sources the caller may send.
    ///
    /// At `u64::MAX` everything is due, including incomplete lines.
    #[inline(always)]
    pub fn send(
        &mut self,
        now: u64,
        budget: usize,
        uart: &mut impl Transmitter,
        serves: &dyn Fn(Source) -> bool,
    ) -> Stop {
        self.send_and_look(now, budget, 0, uart, serves)
    }

    /// Does the same, and if a line ends where the budget does, finds out whether there is more
    /// output, as far as `last_look` shows it, which is another budget. Otherwise another call might
    /// only find that there is nothing.
    pub fn send_and_look(
        &mut self,
        now: u64,
        mut budget: usize,
        mut last_look: usize,
        uart: &mut impl Transmitter,
        serves: &dyn Fn(Source) -> bool,
    ) -> Stop {
        let mut is_last = false;
        // The source for which the caller is known to send.
        let mut served = NO_SOURCE;
        while self.is_due(now) {
            if budget == 0 {
                budget = replace(&mut last_look, 0);
                is_last = true;
                if budget == 0 || self.has_turn() && self.staged.bytes() != b"\r\n" {
                    return Stop::Budget;
                }
            }
            if !self.has_turn() {
                match self.begin(now, &mut budget) {
                    // The budget is used up.
                    Some(Stop::Budget) if last_look > 0 => continue,
                    Some(stop) => return stop,
                    None if is_last => return Stop::Budget,
                    None => {}
                }
            }
            if served != self.turn {
                if !self.channels[self.turn].is_open_to_all && !serves(Source(self.turn)) {
                    return Stop::Turn(Source(self.turn));
                }
                served = self.turn;
            }
            let room = uart.room();
            if room == 0 {
                return Stop::NoRoom;
            }
            let mut spent = 0;
            if self.staged.is_empty() {
                spent = self.pass(now, budget, room, uart);
            }
            if !self.staged.is_empty() {
                spent += self.send_staged(budget.saturating_sub(spent), uart);
            }
            budget = budget.saturating_sub(spent);
        }
        Stop::Nothing
    }

    /// Returns whether a source has the turn.
    #[inline(always)]
    fn has_turn(&self) -> bool {
        !self.staged.is_empty() || self.allowance > 0
    }

    /// Begins a turn at the time `now` if none has begun, as [`Console::send`] does. Subtracts what
    /// that takes from `budget`, which is at least 1 if there is a turn. Returns why there is none.
    // One copy for all callers.
    #[inline(never)]
    pub fn begin(&mut self, now: u64, budget: &mut usize) -> Option<Stop> {
        if self.has_turn() {
            return None;
        }
        match self.begin_turn(now, budget) {
            Found::Turn => *budget = (*budget).max(1),
            Found::Nothing => return Some(Stop::Nothing),
            Found::Unfinished => return Some(Stop::Budget),
        }
        None
    }

    /// Returns the source that has the turn, or had it last.
    pub const fn turn(&self) -> Source {
        Source(self.turn)
    }

    /// Returns whether this source has the turn and has not used it up.
    pub fn is_turn_of(&self, source: Source) -> bool {
        self.turn == source.0 && self.allowance > 0
    }

    /// Sets whether every caller of [`Console::send`] may send for this source.
    pub fn set_open_to_all(&mut self, source: Source, is_open: bool) {
        self.channels[source.0].is_open_to_all = is_open;
    }

    /// Returns when [`Console::send`] must be called again after it returned [`Stop::Nothing`]:
    /// when the first incomplete line or waiting source is due.
    pub fn deadline(&self) -> Option<u64> {
        if matches!(self.due, 0 | NEVER) { None } else { Some(self.due) }
    }

    /// Sends bytes that are ready for the UART, at most `budget`, while it has room. Returns how much
    /// of the budget it has used up.
    fn send_staged(&mut self, budget: usize, uart: &mut impl Transmitter) -> usize {
        let bytes = self.staged.bytes();
        let (mut rest, _) = bytes.split_at(bytes.len().min(budget));
        let mut sent: usize = 0;
        while !rest.is_empty() {
            let (burst, others) = rest.split_at(uart.room().min(rest.len()));
            if burst.is_empty() {
                break;
            }
            uart.put(burst.iter().copied());
            sent = sent.wrapping_add(burst.len());
            rest = others;
        }
        self.staged.sent(sent);
        RUN_COST + sent
    }

    /// Sends bytes of the source that has the turn, at most `budget`, and returns how much of the
    /// budget it has used up, at least 1. The UART has `room`, at least 1.
    fn pass(&mut self, now: u64, budget: usize, room: usize, uart: &mut impl Transmitter) -> usize {
        let is_focused = self.focus.as_ref().is_some_and(|focus| focus.source == self.turn);
        let spent = self.pass_text(is_focused, budget, room, uart);
        if spent > 0 {
            return spent;
        }
        let byte = if is_focused { self.stage_raw() } else { self.stage(now) };
        if let Some(byte) = byte {
            uart.put(core::iter::once(byte));
        }
        BYTE_COST + self.staged.len() / STAGED_PER_BYTE
    }

    /// Sends a run of bytes that only continue the line that the cursor is in. Returns how much of the
    /// budget it has used up; 0 if no byte does.
    fn pass_text(
        &mut self,
        is_raw: bool,
        budget: usize,
        room: usize,
        uart: &mut impl Transmitter,
    ) -> usize {
        let channel = &mut self.channels[self.turn];
        let is_plain = match &self.focus {
            Some(focus) if is_raw => focus.redraw == NEVER,
            _ => !channel.carriage_return && channel.filter == Filter::Text,
        };
        if self.open_line != Some(self.turn) || !is_plain {
            return 0;
        }
        let passes_more = is_raw || self.turn < OWN_NAMES.len();
        let cost = if passes_more { 2 } else { 1 };
        let limit = budget.div_ceil(cost).min(self.allowance);
        let sent = match passes_more {
            true => channel.pass_more(limit, room, uart),
            false => channel.pass_text(limit, room, uart),
        };
        self.allowance = self.allowance.saturating_sub(sent);
        if let Some(focus) = self.focus.as_mut().filter(|_| is_raw) {
            focus.spent = focus.spent.wrapping_add(sent);
        }
        if sent > 0 { RUN_COST.wrapping_add(cost.wrapping_mul(sent)) } else { 0 }
    }
}

#[cfg(test)]
mod tests;
