//! What one source has written.

use alloc::boxed::Box;
use alloc::string::String;

use super::buffer::Buffer;

/// How much of a line is remembered, to write it again where others have torn it.
pub(super) const TAIL_BYTES: usize = 128;

/// What one source has written and the UART has not, and the end of what it has.
pub(super) struct Channel {
    /// `[name] `, padded to the longest.
    pub prefix: String,
    /// Who writes to it does so from elsewhere.
    pub buffer: &'static Buffer,
    /// How many LFs were ever taken from the buffer.
    lines: usize,
    /// When its last turn began.
    pub turn: u64,
    /// A CR was taken from the buffer and held back. What follows decides what it means.
    pub carriage_return: bool,
    /// What was taken from the buffer since the last LF.
    pub tail: Tail,
}

impl Channel {
    /// A channel for as long as Bulkhead runs.
    pub fn new(prefix: String) -> Self {
        let buffer = Box::leak(Box::default());
        Self { prefix, buffer, lines: 0, turn: 0, carriage_return: false, tail: Tail::EMPTY }
    }

    pub fn take(&mut self) -> Option<u8> {
        let byte = self.buffer.pop()?;
        if byte == b'\n' {
            self.lines = self.lines.wrapping_add(1);
            self.tail.count = 0;
        } else {
            self.tail.push(byte);
        }
        Some(byte)
    }

    pub fn is_empty(&self) -> bool {
        self.buffer.len() == 0
    }

    /// Whether there is the end of a line.
    pub fn has_line(&self) -> bool {
        self.buffer.lines() != self.lines
    }

    /// Whether what there is may be written, however long its source has paused: a line, or all that
    /// there is room for.
    pub fn is_ready(&self) -> bool {
        self.has_line() || !self.buffer.has_room()
    }

    /// When the last byte came. What a turn has left over may be incomplete only because there was no
    /// room for more.
    pub fn written(&self) -> u64 {
        self.buffer.written().max(self.turn)
    }
}

/// The last bytes of a line that has not ended.
pub(super) struct Tail {
    bytes: [u8; TAIL_BYTES],
    /// How many there were in all, those that are forgotten too.
    count: usize,
}

impl Tail {
    const EMPTY: Self = Self { bytes: [0; TAIL_BYTES], count: 0 };

    fn push(&mut self, byte: u8) {
        if matches!(byte, b'c' | b'n')
            && let Some(start) = self.sequence_start()
        {
            // A question to the terminal is asked once: its answer comes as input.
            self.count = start;
            return;
        }
        self.bytes[self.count % TAIL_BYTES] = byte;
        self.count = self.count.wrapping_add(1);
    }

    /// Where the control sequence begins whose last byte comes next (ECMA-48, 5.4), if that is so.
    fn sequence_start(&self) -> Option<usize> {
        const INTRODUCER: [u8; 2] = *b"\x1b[";
        let least = self.count.saturating_sub(TAIL_BYTES);
        let mut start = self.count;
        while start > least && (0x30..0x40).contains(&self.bytes[(start - 1) % TAIL_BYTES]) {
            start -= 1;
        }
        let start = start.checked_sub(INTRODUCER.len()).filter(|start| *start >= least)?;
        let bytes = [start, start + 1].map(|index| self.bytes[index % TAIL_BYTES]);
        (bytes == INTRODUCER).then_some(start)
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The last of them.
    pub fn last(&self) -> Option<u8> {
        let last = self.count.checked_sub(1)?;
        Some(self.bytes[last % TAIL_BYTES])
    }

    /// All that are remembered, in order.
    pub fn bytes(&self) -> impl Iterator<Item = u8> {
        let first = self.count.saturating_sub(TAIL_BYTES);
        (first..self.count).map(|index| self.bytes[index % TAIL_BYTES])
    }
}
