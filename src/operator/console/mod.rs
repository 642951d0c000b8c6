//! The console, which shares the machine's one UART between several sources of output.
//!
//! Each source (Bulkhead's log, the monitor and each partition) writes to a buffer of its own.
//! Output is never dropped: a source whose buffer is full must wait. There are two views, which
//! differ in when output leaves the buffers (`turns`).
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
//! written again, not overwritten. All other bytes pass unchanged, including escape sequences.
//!
//! In the focused view, the output of one source passes at once, byte by byte and unchanged, so
//! that a person can use a shell, an editor or a boot loader's menu. The other sources' lines come
//! out as in the shared view, but wait until the focused source ends its line or pauses. If they
//! interrupt its line, the part that was shown is redrawn below them.

mod buffer;
mod channel;
pub mod input;
pub mod keys;
mod log;
mod source;
mod state;
mod turns;

use alloc::format;
use alloc::vec::Vec;

pub use buffer::{Buffer, Notify};
pub use log::Log;
pub use source::Source;
pub use state::Console;

use crate::util::ring::{Full, Ring};
use channel::Channel;
use state::{Focus, NEVER};

/// The number of bytes of a name that are shown.
const NAME_BYTES: usize = 31;
/// The names of the sources that are not partitions.
const OWN_NAMES: [&str; 2] = ["bulkhead", "monitor"];
/// The prefix of Bulkhead's own lines until the partitions are known.
pub const OWN_PREFIX: &str = "[bulkhead] ";
/// No channel's index: marks a line in which no source may continue.
const NO_SOURCE: usize = usize::MAX;

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
            channels,
            pause,
            focus: None,
            turn: 0,
            allowance: 0,
            due: NEVER,
            open_line: None,
            bare_end: false,
            staged: Ring::EMPTY,
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
    ///
    /// # Errors
    ///
    /// [`Full`] if there is no room until [`Console::next`] takes a byte.
    pub fn put(&mut self, source: Source, byte: u8, now: u64) -> Result<(), Full> {
        if self.buffer(source).push(byte, now)? == Notify::Yes {
            self.note(source);
        }
        Ok(())
    }

    /// Notifies the console of new bytes in the buffer of `source`. The caller must call
    /// [`Console::next`] next.
    pub fn note(&mut self, source: Source) {
        self.due = 0;
        if let Some(focus) = &mut self.focus {
            focus.note(source.0);
        }
    }

    /// Changes to the focused view of a source, or to the shared view. The line that the cursor is
    /// in stays as it is. Bulkhead's own lines come next, then the part of the focused source's
    /// line that was shown before.
    pub fn focus(&mut self, source: Option<Source>, now: u64) {
        let old = self.focus.as_ref().map(|focus| focus.source);
        let new = source.map(|source| source.0);
        let last = self.channels.len() - 1;
        // The line of any other source is completed first.
        if self.allowance == 0 || [old, new].contains(&Some(self.turn)) {
            (self.turn, self.allowance) = (last, 0);
            self.open_line = self.open_line.map(|_| NO_SOURCE);
        }
        self.focus = new.map(|source| {
            let interrupted = !self.channels[source].tail.is_empty();
            Focus::new(source, last, now, interrupted)
        });
        self.due = 0;
    }

    /// Returns whether [`Console::next`] may return a byte at the time `now`.
    pub const fn is_due(&self, now: u64) -> bool {
        self.due <= now
    }

    /// Takes the next byte for the UART, or `None` if nothing is due at the time `now`. At
    /// `u64::MAX` everything is due, including incomplete lines.
    pub fn next(&mut self, now: u64) -> Option<u8> {
        while self.is_due(now) {
            if !self.staged.is_empty() {
                return self.staged.pop();
            }
            if self.allowance == 0 && !self.begin_turn(now) {
                break;
            }
            let byte = match self.focus {
                Some(Focus { source, .. }) if source == self.turn => self.stage_raw(),
                _ => self.stage(now),
            };
            if byte.is_some() {
                return byte;
            }
        }
        None
    }

    /// Returns when [`Console::next`] must be called again after it returned `None`: when the first
    /// incomplete line or waiting source is due.
    pub fn deadline(&self) -> Option<u64> {
        if matches!(self.due, 0 | NEVER) { None } else { Some(self.due) }
    }

    /// Takes one byte of the source that has the turn and returns it for the UART. If other bytes
    /// must come before it or replace it, stages all of them and returns `None`.
    fn stage(&mut self, now: u64) -> Option<u8> {
        let channel = &mut self.channels[self.turn];
        let Some(byte) = channel.take() else {
            self.allowance = 0;
            return None;
        };
        self.allowance -= 1;
        if byte == b'\r' {
            channel.carriage_return = true;
            return None;
        }
        let ends = byte == b'\n';
        let goes_on = self.open_line == Some(self.turn);
        let returns = core::mem::take(&mut channel.carriage_return) && !ends;
        if let Some(focus) = &mut self.focus
            && self.open_line == Some(focus.source)
        {
            focus.redraw = now.saturating_add(self.pause);
        }
        if goes_on && !returns && !ends {
            return Some(byte);
        }
        let before: &[u8] = match self.open_line {
            Some(_) if !goes_on => b"\r\n",
            Some(_) if returns => b"\r",
            None if self.bare_end => b"\r",
            _ => b"",
        };
        let prefix = if returns || !goes_on { channel.prefix.as_bytes() } else { b"" };
        for part in [before, prefix, if ends { b"\r\n" } else { core::slice::from_ref(&byte) }] {
            self.staged.extend(part);
        }
        self.bare_end = false;
        self.open_line = Some(self.turn);
        if ends {
            self.open_line = None;
            self.allowance = 0;
        }
        None
    }

    /// Takes one byte of the focused source in the same way, but unchanged. Redraws its line first
    /// if that was interrupted.
    fn stage_raw(&mut self) -> Option<u8> {
        let (Some(focus), channel) = (&mut self.focus, &mut self.channels[self.turn]) else {
            return None;
        };
        let is_interrupted = core::mem::replace(&mut focus.redraw, NEVER) != NEVER;
        if (is_interrupted || !channel.is_empty())
            && self.open_line.is_some_and(|it| it != self.turn)
        {
            self.staged.extend(b"\r\n");
            self.open_line = None;
        }
        if is_interrupted {
            // There is room: `staged` was empty.
            for byte in channel.tail.bytes() {
                let _ = self.staged.push(byte);
            }
            self.open_line = Some(self.turn);
        }
        // A CR that was kept back belonged to the line that was redrawn.
        channel.carriage_return = false;
        let last = channel.tail.last();
        let Some(byte) = channel.take() else {
            self.allowance = 0;
            return None;
        };
        // The allowance is 0 if the turn began only to redraw.
        self.allowance = self.allowance.saturating_sub(1);
        focus.spent += 1;
        let ends = byte == b'\n';
        self.bare_end = ends && last != Some(b'\r');
        self.open_line = Some(self.turn).filter(|_| !ends);
        if ends {
            self.allowance = 0;
        }
        if self.staged.is_empty() {
            return Some(byte);
        }
        let _ = self.staged.push(byte);
        None
    }
}

#[cfg(test)]
mod tests;
