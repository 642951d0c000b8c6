//! The lock-free queue between a source and the console.

mod writer;

use super::gate::Gate;
use crate::util::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use crate::util::atomic::{AtomicU8, AtomicU64, AtomicUsize, fence};
use crate::util::ring::Full;

pub use writer::Writer;

/// The capacity of a buffer in bytes. A power of two: positions wrap. Loom needs a small one.
pub(super) const BUFFER_BYTES: usize = if cfg!(all(test, loom)) { 4 } else { 2048 };
/// The part of the capacity that only [`Buffer::push_all`] uses: room for the transmit FIFO of a
/// PL011 whose guest has ended.
const RESERVED_BYTES: usize = if cfg!(all(test, loom)) { 0 } else { 32 };
/// The number of bytes that a source can have in its buffer.
pub(super) const LIMIT: usize = BUFFER_BYTES - RESERVED_BYTES;

/// A queue of bytes that a source has written and the console has not taken.
///
/// It has one writer and one reader at a time, which need no common lock: writers exclude each
/// other by a lock of the source, readers by the console's lock.
///
/// The writer notifies the console only of a byte that the console may not find by itself, so that
/// sources do not contend for the console's lock at each byte. A byte is not lost in between,
/// because both sides store, fence and then load: the writer publishes `put`, then reads `taken`;
/// the reader publishes `taken`, then reads `put`. At least one of them sees the other's store, so
/// either the writer finds that the reader had emptied the queue, or the reader finds the byte.
#[repr(C)]
pub struct Buffer {
    /// The way in for bytes without the writers' lock. First, for the vectors.
    gate: Gate,
    bytes: [AtomicU8; BUFFER_BYTES],
    /// How many bytes were ever written. Wraps.
    put: AtomicUsize,
    /// How many bytes were ever taken. Wraps.
    taken: AtomicUsize,
    /// How many LFs were ever written. Wraps.
    lines: AtomicUsize,
    /// When the last byte was written.
    written: AtomicU64,
}

/// Whether the console must be notified of a byte.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Notify {
    /// The console will find the byte by itself.
    No,
    /// The console may have found the buffer empty, but need not hurry.
    Later,
    /// The byte ends a line or fills the buffer.
    Yes,
}

impl Default for Buffer {
    /// Creates an empty buffer.
    fn default() -> Self {
        Self {
            gate: Gate::default(),
            #[cfg(not(all(test, loom)))]
            bytes: [const { AtomicU8::new(0) }; BUFFER_BYTES],
            #[cfg(all(test, loom))]
            bytes: core::array::from_fn(|_| AtomicU8::new(0)),
            put: AtomicUsize::new(0),
            taken: AtomicUsize::new(0),
            lines: AtomicUsize::new(0),
            written: AtomicU64::new(0),
        }
    }
}

/// The most bytes that enter by the gate before they are published.
const GATE_BYTES: usize = 128;

impl Buffer {
    /// The offset of the bytes from the start of the buffer, for the vectors. The byte of a position
    /// is at the position modulo [`Buffer::BYTES`].
    pub const BYTES_AT: usize = core::mem::offset_of!(Self, bytes);
    /// The number of bytes in memory.
    pub const BYTES: usize = BUFFER_BYTES;

    /// Opens the gate for bytes that need no notification, if there is room for any. Only writers
    /// may call this, and must [shut](Self::shut) it before they add bytes.
    pub fn open(&self) {
        let put = self.put.load(Relaxed);
        // Acquire as in `push`. The last bytes are left to `push`, which reports them.
        let room = LIMIT.saturating_sub(1 + put.wrapping_sub(self.taken.load(Acquire)));
        if room > 0 {
            self.gate.open(put, put.wrapping_add(room.min(GATE_BYTES)));
        }
    }

    /// Shuts the gate, and publishes the bytes that have entered at the time `now`. Only writers
    /// may call this.
    // One copy for all callers.
    #[inline(never)]
    pub fn shut(&self, now: u64) -> Notify {
        let put = self.put.load(Relaxed);
        let end = self.gate.shut().unwrap_or(put);
        if end == put {
            return Notify::No;
        }
        self.written.store(now, Relaxed);
        self.put.store(end, Release);
        // Pairs with the fence in `skip`.
        fence(SeqCst);
        if self.taken.load(Relaxed) == put { Notify::Later } else { Notify::No }
    }

    /// Adds a byte at the end, at the time `now`. Unless this returns [`Notify::No`], the caller
    /// must call [`super::Console::note_all`] next, or soon for [`Notify::Later`].
    ///
    /// # Errors
    ///
    /// [`Full`] if there is no room until the console takes a byte.
    #[inline(never)]
    pub fn push(&self, byte: u8, now: u64) -> Result<Notify, Full> {
        let put = self.put.load(Relaxed);
        // Acquire: the reader has loaded the byte that this one overwrites. (Loom does not explore
        // loads that are delayed beyond a store, so no model fails without this order.)
        let len = put.wrapping_sub(self.taken.load(Acquire));
        if len >= LIMIT {
            return Err(Full);
        }
        let ends = byte == b'\n';
        self.bytes[put % BUFFER_BYTES].store(byte, Relaxed);
        self.written.store(now, Relaxed);
        if ends {
            self.lines.store(self.lines.load(Relaxed).wrapping_add(1), Relaxed);
        }
        // Release: a CPU that sees the new `put` sees the byte, its time and the count of lines.
        self.put.store(put.wrapping_add(1), Release);
        // Pairs with the fence in `skip`.
        fence(SeqCst);
        let is_first = self.taken.load(Relaxed) == put;
        Ok(match ends || len >= LIMIT - 1 {
            true => Notify::Yes,
            false if is_first => Notify::Later,
            false => Notify::No,
        })
    }

    /// Adds text at the end, for which the whole capacity is there: of a guest only the last bytes,
    /// when it has ended. Returns whether there was room for all of it. The caller must call
    /// [`super::Console::note_all`] next.
    #[inline(never)]
    pub fn push_all(&self, text: &[u8], now: u64) -> bool {
        let put = self.put.load(Relaxed);
        let end = put.wrapping_add(text.len());
        // Acquire, Release and the fence as in `push`.
        if end.wrapping_sub(self.taken.load(Acquire)) > BUFFER_BYTES {
            return false;
        }
        let mut lines = self.lines.load(Relaxed);
        let (before, after) = self.bytes.split_at(put % BUFFER_BYTES);
        for (place, byte) in after.iter().chain(before).zip(text) {
            place.store(*byte, Relaxed);
            lines = lines.wrapping_add(usize::from(*byte == b'\n'));
        }
        self.written.store(now, Relaxed);
        self.lines.store(lines, Relaxed);
        self.put.store(end, Release);
        fence(SeqCst);
        true
    }

    /// Takes the oldest byte. The reader must look again at this queue, by this function or by
    /// [`Buffer::len`], before it waits for a notification.
    pub fn pop(&self) -> Option<u8> {
        let first = self.first();
        if first.is_some() {
            self.skip(1);
        }
        first
    }

    /// Calls `sink` with the places of the oldest bytes, some or all but at most `limit`, and removes
    /// the number of bytes that it returns. Returns this number. The reader must look again
    /// at this queue before it waits for a notification, as after [`Buffer::pop`].
    #[inline(always)]
    pub(super) fn take(&self, limit: usize, sink: impl FnOnce(&[AtomicU8]) -> usize) -> usize {
        let taken = self.taken.load(Relaxed);
        let most = self.put.load(Acquire).wrapping_sub(taken).min(limit);
        // Up to the end of the memory, behind which the queue continues at its start.
        let (_, places) = self.bytes.split_at(taken % BUFFER_BYTES);
        let (places, _) = places.split_at(most.min(places.len()));
        let count = sink(places);
        if count > 0 {
            self.skip(count);
        }
        count
    }

    /// Returns the oldest byte.
    pub(super) fn first(&self) -> Option<u8> {
        let taken = self.taken.load(Relaxed);
        let is_empty = self.put.load(Acquire) == taken;
        (!is_empty).then(|| self.bytes[taken % BUFFER_BYTES].load(Relaxed))
    }

    /// Removes the oldest bytes, of which there are at least `count`. The reader must look again at
    /// this queue before it waits for a notification, as after [`Buffer::pop`].
    fn skip(&self, count: usize) {
        // Release: the loads of the bytes are complete before the writer may overwrite them; see
        // `push`.
        self.taken.store(self.taken.load(Relaxed).wrapping_add(count), Release);
        // Pairs with the fences in `push` and `has_room`.
        fence(SeqCst);
    }

    /// Returns how many bytes there are: a lower bound for the reader, an upper bound for the
    /// writer.
    pub fn len(&self) -> usize {
        // `taken` needs no ordering here: it is the reader's own, and a writer acquires it in
        // `push` before it writes.
        self.put.load(Acquire).wrapping_sub(self.taken.load(Relaxed))
    }

    /// Returns whether [`Buffer::push`] can add a byte.
    ///
    /// A writer that waits for room must first store that it does, where the reader looks after
    /// `Buffer::pop` or `Buffer::skip`, and then call this: either it finds the room, or the
    /// reader finds that it waits.
    pub fn has_room(&self) -> bool {
        // Pairs with the fence in `skip`.
        fence(SeqCst);
        self.len() < LIMIT
    }

    /// Returns whether at most half of it is in use, so that it is worth while to wake a writer
    /// that waits for room.
    pub fn is_half_empty(&self) -> bool {
        self.len() <= LIMIT / 2
    }

    /// Returns whether there are no bytes, as [`Buffer::len`] does.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns how many bytes were ever written. Wraps.
    pub fn position(&self) -> usize {
        self.put.load(Relaxed)
    }

    /// Returns how many bytes were ever taken. Wraps.
    pub fn taken(&self) -> usize {
        self.taken.load(Relaxed)
    }

    /// Returns how many LFs were ever written, including at least those among the bytes that the
    /// last [`Buffer::len`] counted.
    pub(super) fn lines(&self) -> usize {
        self.lines.load(Relaxed)
    }

    /// Returns when the last byte was written.
    pub(super) fn written(&self) -> u64 {
        self.written.load(Relaxed)
    }
}

#[cfg(loom)]
#[cfg(test)]
mod models;
#[cfg(not(loom))]
#[cfg(test)]
mod tests;
