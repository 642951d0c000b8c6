//! The machine's one UART, shared by whole lines.
//!
//! Every source (Bulkhead's own log and each partition) has a buffer of its own. A line comes out
//! when it is complete, in one piece, after the name of its source; the sources take turns, a line
//! each, so that none can starve the others. Nothing is dropped: a full buffer says so to the one
//! who writes.
//!
//! A line that stays incomplete, such as a prompt, comes out after a pause, or when it fills the
//! buffer. The cursor is then inside that line. Its source goes on there; if another one comes
//! first, it starts a new line, and the rest follows later behind the name once more.
//!
//! Lines end with CR LF whatever the guest ends them with: LF, or any number of CRs and LF. A CR
//! before anything else returns to the start of the text, as a progress bar does: the name is
//! written again, not overwritten. Everything else, escape sequences too, passes unchanged.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::ring::{Full, Ring};

const BUFFER_BYTES: usize = 2048;
/// A longer name is cut.
const NAME_BYTES: usize = 31;
/// Room for a name, what stands around it, and line breaks before and behind.
const STAGED_BYTES: usize = 64;

/// The name in front of Bulkhead's own lines.
const OWN_NAME: &str = "bulkhead";

/// Who writes to the console.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Source(usize);

impl Source {
    /// Bulkhead's own log.
    pub const BULKHEAD: Self = Self(0);

    /// The partition with this index in the Plan.
    pub const fn partition(index: usize) -> Self {
        Self(index + 1)
    }
}

/// What one source has written and the UART has not.
struct Channel {
    /// `[name] `, padded to the longest.
    prefix: String,
    buffer: Ring<BUFFER_BYTES>,
    /// How many LFs are in the buffer.
    lines: usize,
    /// When the last byte came.
    written: u64,
    /// A CR was taken from the buffer. What follows decides what it means.
    carriage_return: bool,
}

/// Lines of several sources on their way to one UART.
///
/// Times are values of a counter that only goes up, such as CNTPCT_EL0.
pub struct Console {
    channels: Vec<Channel>,
    pause: u64,
    /// Whose turn it is, or was last.
    turn: usize,
    /// How many bytes of its buffer may still come out in this turn, unless a line ends first.
    allowance: usize,
    /// Before this time nothing can begin a turn. 0 while something can, or could a moment ago.
    due: u64,
    /// In whose line the cursor is.
    open_line: Option<usize>,
    /// Bytes that are ready for the UART.
    staged: Ring<STAGED_BYTES>,
}

impl Console {
    /// A console for Bulkhead and the partitions with these names, in the order of the Plan. An
    /// incomplete line comes out after `pause` ticks in which its source wrote nothing.
    pub fn new(partitions: &[&str], pause: u64) -> Self {
        let names = [&[OWN_NAME], partitions].concat();
        let mut width = 0;
        for name in &names {
            width = width.max(name.len().min(NAME_BYTES));
        }
        let mut channels = Vec::with_capacity(names.len());
        for name in names {
            let padding = width - name.len().min(NAME_BYTES);
            let prefix = format!("[{name:.NAME_BYTES$}]{:padding$} ", "");
            let buffer = Ring::EMPTY;
            channels.push(Channel { prefix, buffer, lines: 0, written: 0, carriage_return: false });
        }
        let (due, staged) = (u64::MAX, Ring::EMPTY);
        Self { channels, pause, turn: 0, allowance: 0, due, open_line: None, staged }
    }

    /// Adds a byte to what `source` has written, at the time `now`.
    ///
    /// # Errors
    ///
    /// [`Full`] if there is no room before [`Console::next`] has taken some.
    pub fn put(&mut self, source: Source, byte: u8, now: u64) -> Result<(), Full> {
        let channel = &mut self.channels[source.0];
        channel.buffer.push(byte)?;
        channel.written = now;
        let is_full = channel.buffer.len() == BUFFER_BYTES;
        if byte == b'\n' || is_full || self.open_line == Some(source.0) {
            channel.lines += usize::from(byte == b'\n');
            self.due = 0;
        } else {
            self.due = self.due.min(now.saturating_add(self.pause));
        }
        Ok(())
    }

    /// Whether [`Console::next`] may have a byte to give at the time `now`.
    pub const fn is_due(&self, now: u64) -> bool {
        self.due <= now
    }

    /// Takes the next byte for the UART, or `None` if nothing is to be output at the time `now`.
    /// At `u64::MAX` everything that is left is, incomplete lines too.
    pub fn next(&mut self, now: u64) -> Option<u8> {
        while self.is_due(now) {
            if let Some(byte) = self.staged.pop() {
                return Some(byte);
            }
            if self.allowance == 0 && !self.begin_turn(now) {
                break;
            }
            self.stage();
        }
        None
    }

    /// The time at which [`Console::next`] must be asked again, after it had nothing to give: when
    /// the first of the incomplete lines is due.
    pub fn deadline(&self) -> Option<u64> {
        if matches!(self.due, 0 | u64::MAX) { None } else { Some(self.due) }
    }

    /// Gives the turn to the next source that has something due: a line, a full buffer, or what it
    /// does not go on with. If none has, the one whose line is open need not wait: nobody's line is
    /// torn if it goes on. Otherwise finds out when something will be due.
    fn begin_turn(&mut self, now: u64) -> bool {
        let mut next = self.open_line;
        self.due = u64::MAX;
        // From the source whose turn it was to the one behind it, so that the last one found is the
        // first to get its turn.
        for index in (0..=self.turn).rev().chain((self.turn + 1..self.channels.len()).rev()) {
            let channel = &self.channels[index];
            if channel.buffer.is_empty() {
                continue;
            }
            let stale = channel.written.saturating_add(self.pause);
            if channel.lines > 0 || channel.buffer.len() == BUFFER_BYTES || stale <= now {
                next = Some(index);
            }
            self.due = self.due.min(stale);
        }
        let Some(index) = next.filter(|index| !self.channels[*index].buffer.is_empty()) else {
            return false;
        };
        let channel = &mut self.channels[index];
        // What this turn leaves over may be incomplete only because there was no room for more.
        channel.written = now;
        (self.turn, self.allowance, self.due) = (index, channel.buffer.len(), 0);
        true
    }

    /// Moves one byte of the source whose turn it is to the UART's side, with what must be written
    /// before it.
    fn stage(&mut self) {
        let channel = &mut self.channels[self.turn];
        let Some(byte) = channel.buffer.pop() else {
            self.allowance = 0;
            return;
        };
        self.allowance -= 1;
        if byte == b'\r' {
            channel.carriage_return = true;
            return;
        }
        let ends = byte == b'\n';
        let goes_on = self.open_line == Some(self.turn);
        let returns = core::mem::take(&mut channel.carriage_return) && !ends;
        let before: &[u8] = match self.open_line {
            Some(_) if !goes_on => b"\r\n",
            Some(_) if returns => b"\r",
            _ => b"",
        };
        let prefix = if returns || !goes_on { channel.prefix.as_bytes() } else { b"" };
        for part in [before, prefix, if ends { b"\r\n" } else { core::slice::from_ref(&byte) }] {
            for byte in part {
                // There is room: `staged` was empty.
                let _ = self.staged.push(*byte);
            }
        }
        self.open_line = Some(self.turn);
        if ends {
            channel.lines -= 1;
            self.open_line = None;
            self.allowance = 0;
        }
    }
}

#[cfg(test)]
mod tests;
