//! Adding many bytes to a [`Buffer`] at once.

use super::{BUFFER_BYTES, Buffer, LIMIT, Notify};
use crate::util::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use crate::util::atomic::{AtomicU8, fence};

/// Bytes on their way into a buffer, which the console sees when they are [all](Writer::finish)
/// there. Only the holder of the source's lock may have one, while the gate is shut.
pub struct Writer<'a> {
    buffer: &'a Buffer,
    /// The position of the next byte.
    put: usize,
    /// The number of further bytes for which there is room.
    room: usize,
    /// The number of LFs.
    lines: usize,
}

impl Buffer {
    /// Begins to add bytes at the end. Only writers may call this.
    #[inline(always)]
    pub fn writer(&self) -> Writer<'_> {
        let put = self.put.load(Relaxed);
        // Acquire as in `push`.
        let room = LIMIT.saturating_sub(put.wrapping_sub(self.taken.load(Acquire)));
        Writer { buffer: self, put, room, lines: 0 }
    }
}

impl Writer<'_> {
    /// Returns the number of bytes for which there is room.
    #[inline(always)]
    pub fn room(&self) -> usize {
        self.room
    }

    /// Returns whether there is an LF among the bytes.
    #[inline(always)]
    pub fn has_line(&self) -> bool {
        self.lines > 0
    }

    /// Adds a byte, for which there must be room.
    #[inline(always)]
    pub fn put(&mut self, byte: u8) {
        self.buffer.bytes[self.put % BUFFER_BYTES].store(byte, Relaxed);
        self.lines = self.lines.wrapping_add(usize::from(byte == b'\n'));
        self.put = self.put.wrapping_add(1);
        self.room = self.room.wrapping_sub(1);
    }

    /// Adds the eight bytes of a word, the lowest first, for which there must be room. `store` writes
    /// a word to places, in that order.
    #[inline(always)]
    pub fn put_word(&mut self, word: u64, store: impl FnOnce(&[AtomicU8; 8], u64)) {
        let (_, places) = self.buffer.bytes.split_at(self.put % BUFFER_BYTES);
        match places.first_chunk() {
            Some(places) if !may_have_lf(word) => {
                store(places, word);
                self.put = self.put.wrapping_add(8);
                self.room = self.room.wrapping_sub(8);
            }
            // The queue continues at the start of the memory, or LFs are to be counted.
            _ => word.to_le_bytes().into_iter().for_each(|byte| self.put(byte)),
        }
    }

    /// Shows the console all bytes, which were written at the time `now`. Unless this returns
    /// [`Notify::No`], the caller must notify the console, as after [`Buffer::push`].
    #[inline(always)]
    pub fn finish(self, now: u64) -> Notify {
        let Self { buffer, put, room, lines } = self;
        let before = buffer.put.load(Relaxed);
        if put == before {
            return Notify::No;
        }
        buffer.written.store(now, Relaxed);
        if lines > 0 {
            buffer.lines.store(buffer.lines.load(Relaxed).wrapping_add(lines), Relaxed);
        }
        // Release and the fence as in `push`.
        buffer.put.store(put, Release);
        fence(SeqCst);
        let is_first = buffer.taken.load(Relaxed) == before;
        match is_first {
            _ if lines > 0 || room == 0 => Notify::Yes,
            true => Notify::Later,
            false => Notify::No,
        }
    }
}

/// Returns false if no byte of a word is LF.
#[inline(always)]
fn may_have_lf(word: u64) -> bool {
    /// The lowest bit of each byte, and the highest.
    const LOW: u64 = u64::from_le_bytes([1; 8]);
    const HIGH: u64 = u64::from_le_bytes([0x80; 8]);
    // An LF becomes 0. The subtraction sets the highest bit of a byte that is 0 and, if a lower byte
    // borrows from it, of one that is 1.
    let zeros = word ^ LOW.wrapping_mul(b'\n' as u64);
    zeros.wrapping_sub(LOW) & !zeros & HIGH != 0
}
