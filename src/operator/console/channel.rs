//! The console's side of one source.

use alloc::boxed::Box;
use alloc::string::String;

use super::buffer::{Buffer, LIMIT};
use super::filter::Filter;
use super::transmitter::Transmitter;
use crate::util::atomic::Ordering;

/// How many bytes at the end of an unfinished line are kept in order to redraw it.
pub(super) const TAIL_BYTES: usize = 128;

/// The output of one source that has not reached the UART, and the end of the output that has.
pub(super) struct Channel {
    /// `[name] `, padded to the length of the longest.
    pub prefix: String,
    /// The buffer to which the source writes without the console's lock.
    pub buffer: &'static Buffer,
    /// How many LFs were ever taken from the buffer. Wraps.
    lines: usize,
    /// When the source's last turn began.
    pub turn: u64,
    /// Whether a CR was taken from the buffer and kept back, as its meaning depends on the next
    /// byte.
    pub carriage_return: bool,
    /// The bytes that were taken from the buffer since the last LF.
    pub tail: Tail,
    /// What of its output a terminal shows in the shared view.
    pub filter: Filter,
    /// Whether an incomplete line need not pause, because one of Bulkhead's lines must follow it.
    pub hurries: bool,
    /// Whether all CPUs may send for the source, because its own do not answer.
    pub is_open_to_all: bool,
}

impl Channel {
    /// Creates a channel, whose buffer is never freed.
    pub fn new(prefix: String) -> Self {
        let buffer = Box::leak(Box::default());
        Self {
            prefix,
            buffer,
            lines: 0,
            turn: 0,
            carriage_return: false,
            tail: Tail::EMPTY,
            filter: Filter::default(),
            hurries: false,
            is_open_to_all: false,
        }
    }

    /// Takes the next byte from the buffer.
    pub fn take(&mut self) -> Option<u8> {
        let byte = self.buffer.pop()?;
        if byte == b'\n' {
            self.lines = self.lines.wrapping_add(1);
            self.tail.count = 0;
            self.filter = Filter::default();
        } else {
            self.tail.push(byte);
        }
        Some(byte)
    }

    /// Passes the next bytes as long as they are text other than TAB to `uart`, at most `limit`, which
    /// has `room` for the first of them. Returns their number. The filter's state must be
    /// [`Filter::Text`].
    #[inline(always)]
    pub fn pass_text(&mut self, limit: usize, room: usize, uart: &mut impl Transmitter) -> usize {
        let Self { buffer, tail, .. } = self;
        let sent = buffer.take(limit, |places| {
            let kept = tail.places();
            let (mut places, _) = places.split_at(places.len().min(kept.len()));
            let (mut kept, _) = kept.split_at_mut(places.len());
            let (mut room, mut sent) = (room, 0_usize);
            loop {
                let len = room.min(places.len());
                let (burst, other_places) = places.split_at(len);
                let (burst_kept, other_kept) = kept.split_at_mut(len);
                let count = uart.put(burst.iter().zip(burst_kept).map_while(|(place, kept)| {
                    let byte = place.load(Ordering::Relaxed);
                    *kept = byte;
                    matches!(byte, b' '..=b'~').then_some(byte)
                }));
                sent = sent.wrapping_add(count);
                if count < len || other_places.is_empty() {
                    return sent;
                }
                room = uart.room();
                if room == 0 {
                    return sent;
                }
                (places, kept) = (other_places, other_kept);
            }
        });
        tail.add(sent);
        sent
    }

    /// Passes the next bytes to `uart` as [`pass_text`](Self::pass_text) does, among them control
    /// characters but for those that end a line or are below it.
    #[inline(always)]
    pub fn pass_more(&mut self, limit: usize, room: usize, uart: &mut impl Transmitter) -> usize {
        let Self { buffer, tail, .. } = self;
        buffer.take(limit, |places| {
            let bytes = places.iter().map_while(|place| {
                let byte = place.load(Ordering::Relaxed);
                let passes = Filter::is_text(byte) || byte > b'\r';
                if passes {
                    tail.push(byte);
                }
                passes.then_some(byte)
            });
            send_bursts(bytes, room, uart)
        })
    }

    /// Returns whether the buffer is empty.
    pub fn is_empty(&self) -> bool {
        self.buffer.len() == 0
    }

    /// Returns whether the buffer has a complete line.
    pub fn has_line(&self) -> bool {
        self.buffer.lines() != self.lines
    }

    /// Returns whether the source need not pause before its output, of which there is some: the
    /// buffer has a complete line or is full, or a line of Bulkhead's waits for it.
    pub fn is_ready(&self) -> bool {
        self.has_line() || self.buffer.len() >= LIMIT || self.hurries
    }

    /// Returns when the last byte was written, or when the last turn began if that was later: bytes
    /// that the turn left may be incomplete only because the buffer was full.
    pub fn written(&self) -> u64 {
        self.buffer.written().max(self.turn)
    }
}

/// Sends bytes while `uart` has room, as it has for the first `room`. Returns their number.
#[inline(always)]
fn send_bursts(
    mut bytes: impl Iterator<Item = u8>,
    room: usize,
    uart: &mut impl Transmitter,
) -> usize {
    let (mut room, mut sent) = (room, 0_usize);
    loop {
        let count = uart.put(bytes.by_ref().take(room));
        sent = sent.wrapping_add(count);
        if count < room {
            return sent;
        }
        room = uart.room();
        if room == 0 {
            return sent;
        }
    }
}

/// The last bytes of an unfinished line.
pub(super) struct Tail {
    bytes: [u8; TAIL_BYTES],
    /// The length of the line, including bytes that are no longer kept.
    count: usize,
}

impl Tail {
    const EMPTY: Self = Self { bytes: [0; TAIL_BYTES], count: 0 };

    /// Appends a byte. Removes a control sequence that ends with it and requests a report (DA,
    /// DSR): a terminal must not answer it twice.
    pub fn push(&mut self, byte: u8) {
        if matches!(byte, b'c' | b'n')
            && let Some(start) = self.sequence_start()
        {
            self.count = start;
            return;
        }
        self.bytes[self.count % TAIL_BYTES] = byte;
        self.count = self.count.wrapping_add(1);
    }

    /// Returns the places of the next bytes, some or all, for bytes with which no control sequence
    /// ends. The caller writes the first ones and [adds](Self::add) their number.
    #[inline(always)]
    pub fn places(&mut self) -> &mut [u8] {
        &mut self.bytes[self.count % TAIL_BYTES..]
    }

    /// Appends bytes that are in their [places](Self::places).
    #[inline(always)]
    pub fn add(&mut self, count: usize) {
        self.count = self.count.wrapping_add(count);
    }

    /// Returns where the control sequence begins whose final byte comes next (ECMA-48, 5.4).
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

    /// Returns whether the line is empty.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Returns the last byte.
    pub fn last(&self) -> Option<u8> {
        let last = self.count.checked_sub(1)?;
        Some(self.bytes[last % TAIL_BYTES])
    }

    /// Returns the bytes that are kept, in order, in two parts.
    pub fn parts(&self) -> [&[u8]; 2] {
        if self.count <= TAIL_BYTES {
            return [self.bytes.get(..self.count).unwrap_or_default(), &[]];
        }
        let (last, first) = self.bytes.split_at(self.count % TAIL_BYTES);
        [first, last]
    }
}
