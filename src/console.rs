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
use core::iter;

use crate::ring::{Full, Ring};

const BUFFER_BYTES: usize = 2048;
/// A name, and the line breaks around it. A name that is too long is cut.
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
    #[must_use]
    pub const fn partition(index: usize) -> Self {
        Self(index + 1)
    }
}

/// What one source has written and the UART has not.
#[derive(Debug)]
struct Channel {
    /// `[name] `, padded to the longest.
    prefix: String,
    buffer: Ring<u8, BUFFER_BYTES>,
    /// How many LFs are in the buffer.
    lines: usize,
    /// When the last byte came.
    written: u64,
    /// A CR was taken from the buffer. What follows decides what it means.
    carriage_return: bool,
}

impl Channel {
    /// Whether there is something to output: a line, or what a source does not go on with.
    fn is_due(&self, now: u64, pause: u64) -> bool {
        let is_stale = !self.buffer.is_empty() && now.saturating_sub(self.written) >= pause;
        self.lines > 0 || self.buffer.room() == 0 || is_stale
    }
}

/// Lines of several sources on their way to one UART.
///
/// Times are values of a counter that only goes up, such as CNTPCT_EL0.
#[derive(Debug)]
pub struct Console {
    channels: Vec<Channel>,
    pause: u64,
    /// Whose turn it is, or was last.
    turn: usize,
    /// How many bytes of its buffer may still come out in this turn, unless a line ends first.
    allowance: usize,
    /// In whose line the cursor is.
    open_line: Option<usize>,
    /// Bytes that are ready for the UART.
    staged: Ring<u8, STAGED_BYTES>,
}

impl Console {
    /// A console for Bulkhead and the partitions with these names, in the order of the Plan. An
    /// incomplete line comes out after `pause` ticks in which its source wrote nothing.
    #[must_use]
    pub fn new<'a>(partitions: impl Iterator<Item = &'a str> + Clone, pause: u64) -> Self {
        let names = iter::once(OWN_NAME).chain(partitions);
        let width = names.clone().map(str::len).max().unwrap_or(0) + "[]".len();
        let channel = |name| Channel {
            prefix: format!("{:width$} ", format!("[{name}]")),
            buffer: Ring::default(),
            lines: 0,
            written: 0,
            carriage_return: false,
        };
        Self {
            channels: names.map(channel).collect(),
            pause,
            turn: 0,
            allowance: 0,
            open_line: None,
            staged: Ring::default(),
        }
    }

    /// Adds a byte to what `source` has written, at the time `now`.
    ///
    /// # Errors
    ///
    /// [`Full`] if there is no room before [`Console::next`] has taken some.
    pub fn put(&mut self, source: Source, byte: u8, now: u64) -> Result<(), Full> {
        let channel = &mut self.channels[source.0];
        channel.buffer.push(byte)?;
        channel.lines += usize::from(byte == b'\n');
        channel.written = now;
        Ok(())
    }

    /// How many bytes `source` can put.
    #[must_use]
    pub fn room(&self, source: Source) -> usize {
        self.channels[source.0].buffer.room()
    }

    /// Takes the next byte for the UART, or `None` if nothing is to be output at the time `now`.
    pub fn next(&mut self, now: u64) -> Option<u8> {
        loop {
            if let Some(byte) = self.staged.pop() {
                return Some(byte);
            }
            if self.allowance == 0 {
                self.begin_turn(now)?;
            }
            self.stage();
        }
    }

    /// The time at which [`Console::next`] must be asked again, after it had nothing to give: when
    /// the first of the incomplete lines is due.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        let waiting = self.channels.iter().filter(|it| !it.buffer.is_empty());
        waiting.map(|it| it.written.saturating_add(self.pause)).min()
    }

    /// Takes the next byte of everything that is left, incomplete lines too. A panic's message
    /// should come after it, on a new line.
    pub fn panic_flush(&mut self) -> Option<u8> {
        self.next(u64::MAX)
    }

    /// The partition, by its index in the Plan, that gets what is typed: the first.
    #[must_use]
    pub fn input(&self) -> usize {
        0
    }

    /// Gives the turn to the next source that has something due. If none has, the one whose line
    /// is open need not wait: nobody's line is torn if it goes on.
    fn begin_turn(&mut self, now: u64) -> Option<()> {
        let count = self.channels.len();
        let turn = (1..=count)
            .map(|step| (self.turn + step) % count)
            .find(|&it| self.channels[it].is_due(now, self.pause))
            .or(self.open_line.filter(|&it| !self.channels[it].buffer.is_empty()))?;
        self.turn = turn;
        // What this turn leaves over may be incomplete only because there was no room for more.
        self.channels[turn].written = now;
        self.allowance = self.channels[turn].buffer.len();
        Some(())
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
        let goes_on = self.open_line == Some(self.turn);
        let returns = channel.carriage_return && byte != b'\n';
        channel.carriage_return = false;
        if goes_on && returns {
            self.staged.append(b"\r");
        } else if !goes_on && self.open_line.is_some() {
            self.staged.append(b"\r\n");
        }
        if returns || !goes_on {
            self.staged.append(channel.prefix.as_bytes());
        }
        self.open_line = Some(self.turn);
        if byte == b'\n' {
            channel.lines -= 1;
            self.staged.append(b"\r\n");
            self.open_line = None;
            self.allowance = 0;
        } else {
            self.staged.append(&[byte]);
        }
    }
}

#[cfg(test)]
mod tests;
