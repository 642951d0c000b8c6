//! The state of the console, which [`super::turns`] and the staging of bytes share.

use super::channel::Channel;
use super::staged::Staged;
use crate::util::indexed::Indexed;

/// What a look at a source without output for a turn takes of the budget.
pub(super) const LOOK_COST: usize = 4;
/// What a byte takes of the budget that does not pass as it is, or a look at an incomplete line.
pub(super) const BYTE_COST: usize = 13;
/// A time that the counter never reaches.
pub(super) const NEVER: u64 = u64::MAX;

/// Merges the output of several sources into one stream for the UART.
///
/// Times are values of a counter that only increases, such as CNTPCT_EL0.
pub struct Console {
    pub(super) channels: Indexed<Channel>,
    /// The pause in ticks after which an incomplete line comes out.
    pub(super) pause: u64,
    /// The state of the focused view; `None` in the shared view.
    pub(super) focus: Option<Focus>,
    /// The search for the next channel that gets the turn.
    pub(super) look: Look,
    /// The index of the channel that has the turn or had it last.
    pub(super) turn: usize,
    /// How many more bytes this turn may output. A turn also ends with its line.
    pub(super) allowance: usize,
    /// No turn can begin before this time. 0 if one can, or could when this was last computed.
    pub(super) due: u64,
    /// The channel whose unfinished line the cursor is in.
    pub(super) open_line: Option<usize>,
    /// Whether the last line ended with LF without CR, so that the cursor's column is unknown.
    pub(super) bare_end: bool,
    /// Whether the oldest of Bulkhead's own lines in the queue is in the log already.
    pub(super) is_logged: bool,
    /// Bytes that are ready for the UART.
    pub(super) staged: Staged,
}

/// The search for a channel whose output is due, which may take several calls of
/// [`Console::send`]: they look at one channel after another, in a circle.
pub(super) struct Look {
    /// The channel that is looked at next.
    pub next: usize,
    /// The number of channels after which it is known that none is ready, unless one is found.
    pub left: usize,
    /// The first of those looked at whose incomplete line is due.
    pub stale: Option<usize>,
    /// When the first incomplete line of those looked at is due.
    pub due: u64,
    /// The source that has written last, as far as it was looked at, and when that was.
    pub writer: usize,
    /// See `writer`.
    pub latest: u64,
    /// When any other source has written last.
    pub latest_of_others: u64,
}

impl Look {
    /// Begins a search among this number of channels, behind Bulkhead's own.
    pub const fn new(channels: usize) -> Self {
        let (writer, latest, latest_of_others) = (0, 0, 0);
        Self { next: 1, left: channels, stale: None, due: NEVER, writer, latest, latest_of_others }
    }

    /// Records when a channel was last written.
    pub fn record(&mut self, channel: usize, written: u64) {
        if channel == self.writer {
            self.latest = written;
        } else if written > self.latest {
            (self.latest_of_others, self.latest) = (self.latest, written);
            self.writer = channel;
        } else {
            self.latest_of_others = self.latest_of_others.max(written);
        }
    }
}

/// The state of the focused view.
pub(super) struct Focus {
    /// The channel that has the focus.
    pub source: usize,
    /// When its turn or its line began.
    pub began: u64,
    /// How many bytes it has output since `began`.
    pub spent: usize,
    /// When its line must be redrawn because another source's line interrupted it; otherwise
    /// [`NEVER`].
    pub redraw: u64,
    /// No other source has output before this time.
    pub others: u64,
    /// When the first of the other sources with pending output began to wait; [`NEVER`] if none
    /// does.
    pub waiting: u64,
    /// Whether the next turn belongs to the other sources if they have output.
    pub yields: bool,
}

impl Focus {
    /// Gives the focus to a `source`, whose line is redrawn if `interrupted`. The other sources
    /// get the next turn.
    pub fn new(source: usize, now: u64, interrupted: bool) -> Self {
        let redraw = if interrupted { now } else { NEVER };
        Self { source, began: now, spent: 0, redraw, others: 0, waiting: NEVER, yields: true }
    }

    /// Records that `source` may have new output.
    pub fn note(&mut self, source: usize) {
        if source != self.source {
            self.others = 0;
        }
    }

    /// Returns whether the line must be redrawn at the time `now`.
    pub const fn is_redraw_due(&self, now: u64) -> bool {
        self.redraw != NEVER && self.redraw <= now
    }
}
