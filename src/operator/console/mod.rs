//! The machine's one UART, shared by all who have something to say.
//!
//! Every source (Bulkhead's own log, the monitor and each partition) has a buffer of its own. Nothing
//! is dropped: a full buffer says so to the one who writes. There are two views, which differ in what
//! leaves the buffers when ([`turns`]).
//!
//! In the shared view, a line comes out when it is complete, in one piece, after the name of its
//! source; the sources take turns, a line each, so that none can starve the others. A line that stays
//! incomplete, such as a prompt, comes out after a pause, or when it fills the buffer. The pause is
//! longer while others print, who would tear the line if it were only held up: a person at a prompt
//! has time to answer, and a CPU has time to go on. The cursor is then inside that line. Its source
//! goes on there; if another one comes first, it starts a new line, and the rest follows later behind
//! the name once more.
//!
//! Lines end with CR LF whatever the guest ends them with: LF, or any number of CRs and LF. A CR
//! before anything else returns to the start of the text, as a progress bar does: the name is
//! written again, not overwritten. Everything else, escape sequences too, passes unchanged.
//!
//! In the focused view, what one source writes passes at once, byte by byte and unchanged, for a
//! person at a shell, in an editor or in a boot loader's menu. The others' lines come as before, but
//! wait for the end of that source's line, or for it to pause. Where they tear its line, the part
//! that was there is written again below them.

use alloc::format;
use alloc::vec::Vec;

use crate::util::ring::{Full, Ring};

mod buffer;
mod channel;
pub mod input;
pub mod keys;
mod turns;
pub use buffer::{Buffer, Tell};
use channel::{Channel, TAIL_BYTES};
use turns::{Focus, NEVER};

/// A longer name is cut.
const NAME_BYTES: usize = 31;
/// Room for a name, what stands around it, and line breaks before and behind; and for a line that is
/// written again.
const STAGED_BYTES: usize = 64 + TAIL_BYTES;

/// The names in front of Bulkhead's own lines and of the monitor's.
const OWN_NAMES: [&str; 2] = ["bulkhead", "monitor"];
/// What comes before Bulkhead's own lines while there are no partitions.
pub const OWN_PREFIX: &str = "[bulkhead] ";
/// Whose line the cursor is in where its source begins a new one in any case.
const NOBODY: usize = usize::MAX;

/// Who writes to the console.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Source(usize);

/// Lines of several sources on their way to one UART.
///
/// Times are values of a counter that only goes up, such as CNTPCT_EL0.
pub struct Console {
    channels: Vec<Channel>,
    pause: u64,
    /// The focused view, if it is that one.
    focus: Option<Focus>,
    /// Whose turn it is, or was last.
    turn: usize,
    /// How many bytes of its buffer may still come out in this turn, unless a line ends first.
    allowance: usize,
    /// Before this time nothing can begin a turn. 0 while something can, or could a moment ago.
    due: u64,
    /// In whose line the cursor is.
    open_line: Option<usize>,
    /// The last line ended with a bare LF, so the cursor may be anywhere in the next one.
    bare_end: bool,
    /// Bytes that are ready for the UART.
    staged: Ring<STAGED_BYTES>,
}

impl Console {
    /// A console for Bulkhead, the monitor and the partitions with these names, in the order of the
    /// Plan, in the shared view. An incomplete line comes out after `pause` ticks in which its source
    /// wrote nothing, ten times as many while others write.
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

    /// What comes before each line of this source.
    pub fn prefix(&self, source: Source) -> &str {
        &self.channels[source.0].prefix
    }

    /// Where `source` writes.
    pub fn buffer(&self, source: Source) -> &'static Buffer {
        self.channels[source.0].buffer
    }

    /// Adds a byte to what `source` has written, at the time `now`.
    ///
    /// # Errors
    ///
    /// [`Full`] if there is no room before [`Console::next`] has taken some.
    pub fn put(&mut self, source: Source, byte: u8, now: u64) -> Result<(), Full> {
        if self.buffer(source).push(byte, now)? == Tell::Yes {
            self.note(source);
        }
        Ok(())
    }

    /// Takes note of what `source` has written to its buffer. [`Console::next`] must be called next.
    pub fn note(&mut self, source: Source) {
        self.due = 0;
        if let Some(focus) = &mut self.focus {
            focus.note(source.0);
        }
    }

    /// Changes the view: to the focused one on this source, or to the shared one. A line that the
    /// cursor is in is left as it is. Bulkhead's own lines come next, then the last line of the source
    /// that has the focus, as far as it was printed before.
    pub fn focus(&mut self, source: Option<Source>, now: u64) {
        let old = self.focus.as_ref().map(|focus| focus.source);
        let new = source.map(|source| source.0);
        let last = self.channels.len() - 1;
        // Another one's line that has begun ends first.
        if self.allowance == 0 || [old, new].contains(&Some(self.turn)) {
            (self.turn, self.allowance) = (last, 0);
            self.open_line = self.open_line.map(|_| NOBODY);
        }
        self.focus = new.map(|source| {
            let torn = !self.channels[source].tail.is_empty();
            Focus::new(source, last, now, torn)
        });
        self.due = 0;
    }

    /// Whether [`Console::next`] may have a byte to give at the time `now`.
    pub const fn is_due(&self, now: u64) -> bool {
        self.due <= now
    }

    /// Takes the next byte for the UART, or `None` if nothing is to be output at the time `now`.
    /// At `u64::MAX` everything that is left is, incomplete lines too.
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

    /// The time at which [`Console::next`] must be asked again, after it had nothing to give: when
    /// the first of those who wait is due.
    pub fn deadline(&self) -> Option<u64> {
        if matches!(self.due, 0 | NEVER) { None } else { Some(self.due) }
    }

    /// Takes one byte of the source whose turn it is, for the UART. Where something must be written
    /// before it or in its place, that is staged instead.
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

    /// The same for the source that has the focus: its line is written again if it was torn, and
    /// the byte passes as it is.
    fn stage_raw(&mut self) -> Option<u8> {
        let (Some(focus), channel) = (&mut self.focus, &mut self.channels[self.turn]) else {
            return None;
        };
        let is_torn = core::mem::replace(&mut focus.redraw, NEVER) != NEVER;
        if (is_torn || !channel.is_empty()) && self.open_line.is_some_and(|it| it != self.turn) {
            self.staged.extend(b"\r\n");
            self.open_line = None;
        }
        if is_torn {
            // There is room: `staged` was empty.
            for byte in channel.tail.bytes() {
                let _ = self.staged.push(byte);
            }
            self.open_line = Some(self.turn);
        }
        // What is held back was in that line.
        channel.carriage_return = false;
        let last = channel.tail.last();
        let Some(byte) = channel.take() else {
            self.allowance = 0;
            return None;
        };
        // A byte may have come since there was none.
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
