//! A chain that was read as a whole, and copying between chains.

use super::memory::{MemoryAccess, Place, Sink};
use super::queue::{INDIRECT, NEXT, Queue, Segment, Table, WRITE};
use super::{Fault, MAX_QUEUE_SIZE};
use alloc::boxed::Box;
use alloc::vec;
use core::slice;

/// Why something was not done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stop {
    /// The driver whose queue it is made a mistake.
    Fault(Fault),
    /// The driver has made no chain available.
    Empty,
    /// The call may not do more.
    Spent,
}

impl From<Fault> for Stop {
    #[inline(always)]
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// Creates room for the segments of any chain.
// A vector, which is not built on the stack; inlined into the code of boot.
#[inline(always)]
pub fn room() -> Box<[Segment]> {
    vec![Segment::EMPTY; MAX_QUEUE_SIZE as usize].into_boxed_slice()
}

/// The segments of a chain, first those that the device reads, then those that it writes.
pub struct Chain<'a> {
    segments: &'a mut [Segment],
    count: usize,
    /// The number of those that the device reads.
    readable: usize,
    head: u16,
    readable_bytes: u64,
    writable_bytes: u64,
}

impl<'a> Chain<'a> {
    /// Creates a chain without segments, which has room for some.
    #[inline]
    pub fn new(segments: &'a mut [Segment]) -> Self {
        Self { segments, count: 0, readable: 0, head: 0, readable_bytes: 0, writable_bytes: 0 }
    }

    /// Reads the descriptors of the next chain of a queue, which [`Queue::has_next`] has reported,
    /// each once. `budget` is reduced by their number.
    ///
    /// The chain ends after as many descriptors as the queue has, so a loop is a fault.
    ///
    /// # Errors
    ///
    /// A [`Fault`] if the chain is wrong; [`Stop::Spent`] if `budget` or the room is too small.
    #[inline(never)]
    pub fn read(
        &mut self,
        queue: &Queue,
        memory: &impl MemoryAccess,
        budget: &mut u16,
    ) -> Result<(), Stop> {
        let bound = usize::from(queue.size()).min(usize::from(*budget)).min(self.segments.len());
        let mut places = self.segments.get_mut(..bound).unwrap_or_default().iter_mut();
        let (mut table, mut may_be_indirect) = (queue.table(), queue.has_indirect());
        let (mut readable_bytes, mut writable_bytes) = (0_u64, 0_u64);
        let (mut readable, mut is_writable) = (0, false);
        self.head = queue.head(memory);
        let mut next = self.head;
        loop {
            let descriptor = table.read(next, memory)?;
            let (size, flags) = (u64::from(descriptor.size), descriptor.flags);
            next = descriptor.next;
            if flags & INDIRECT != 0 {
                if !may_be_indirect || flags & NEXT != 0 {
                    return Err(Fault::Indirect.into());
                }
                may_be_indirect = false;
                (table, next) = (Table::indirect(&descriptor, memory)?, 0);
            } else {
                let Some(place) = places.next() else {
                    *budget = 0;
                    let is_loop = bound == usize::from(queue.size());
                    return Err(if is_loop { Fault::ChainLength.into() } else { Stop::Spent });
                };
                *place = descriptor.segment(memory).ok_or(Fault::Outside)?;
                // There are at most 256, so their sizes have a sum below 2^40.
                if flags & WRITE != 0 {
                    is_writable = true;
                    writable_bytes = writable_bytes.wrapping_add(size);
                } else if is_writable {
                    return Err(Fault::Order.into());
                } else {
                    readable = bound.wrapping_sub(places.len());
                    readable_bytes = readable_bytes.wrapping_add(size);
                }
                if flags & NEXT == 0 {
                    break;
                }
            }
        }
        self.count = bound.wrapping_sub(places.len());
        self.readable = readable;
        (self.readable_bytes, self.writable_bytes) = (readable_bytes, writable_bytes);
        *budget = budget.wrapping_sub(self.count as u16);
        Ok(())
    }

    /// Returns the index of the first descriptor, by which the driver knows the chain.
    #[inline(always)]
    pub fn head(&self) -> u16 {
        self.head
    }

    /// Returns the number of bytes that the device reads.
    #[inline(always)]
    pub fn readable_bytes(&self) -> u64 {
        self.readable_bytes
    }

    /// Returns the number of bytes that the device writes.
    #[inline(always)]
    pub fn writable_bytes(&self) -> u64 {
        self.writable_bytes
    }

    /// Returns the place of the first byte that the device reads.
    #[inline(always)]
    pub fn reader(&self) -> Cursor<'_> {
        self.cursor(0, self.readable)
    }

    /// Returns the place of the first byte that the device writes.
    #[inline(always)]
    pub fn writer(&self) -> Cursor<'_> {
        self.cursor(self.readable, self.count)
    }

    /// Returns the place of the first byte of the segments from `first` to before `end`.
    #[inline(never)]
    fn cursor(&self, first: usize, end: usize) -> Cursor<'_> {
        Cursor::new(self.segments.get(first..end).unwrap_or_default())
    }
}

/// A place in a row of segments.
#[derive(Clone)]
pub struct Cursor<'a> {
    rest: slice::Iter<'a, Segment>,
    at: Place,
    left: u32,
}

impl<'a> Cursor<'a> {
    /// Creates the place of the first byte.
    #[inline]
    pub fn new(segments: &'a [Segment]) -> Self {
        let mut rest = segments.iter();
        let Segment { at, size } = rest.next().copied().unwrap_or(Segment::EMPTY);
        Self { rest, at, left: size }
    }

    /// Goes on by a number of bytes, or to the end.
    // Inlined into those devices that call it, which are in wings of their own.
    #[inline(always)]
    pub fn skip(&mut self, mut bytes: u64) {
        while bytes > 0 && self.settle() {
            let size = bytes.min(self.left.into());
            self.advance(size as u32);
            bytes = bytes.wrapping_sub(size);
        }
    }

    /// Goes on by a number of bytes, at most those that are left in the segment.
    #[inline(always)]
    fn advance(&mut self, bytes: u32) {
        self.at = self.at.after(bytes.into());
        self.left = self.left.wrapping_sub(bytes);
    }

    /// Goes to the next byte that is there; returns false at the end.
    #[inline(always)]
    fn settle(&mut self) -> bool {
        while self.left == 0 {
            let Some(&Segment { at, size }) = self.rest.next() else { return false };
            (self.at, self.left) = (at, size);
        }
        true
    }

    /// Reads the next little-endian words, and goes on by them. Returns false if there are fewer.
    #[inline(never)]
    pub fn read(&mut self, memory: &impl MemoryAccess, words: &mut [u32]) -> bool {
        for word in words {
            let mut bytes = [0; 4];
            if self.left >= 4 {
                bytes = memory.read(self.at);
                self.advance(4);
            } else {
                // They may be in several segments.
                for byte in &mut bytes {
                    if !self.settle() {
                        return false;
                    }
                    [*byte] = memory.read(self.at);
                    self.advance(1);
                }
            }
            *word = u32::from_le_bytes(bytes);
        }
        true
    }

    /// Writes little-endian words, each of which must be in one segment, and goes on by them.
    /// Returns the place of the last one; `None` if there is not enough room.
    #[inline]
    pub fn write(&mut self, memory: &impl MemoryAccess, words: &[u32]) -> Option<Place> {
        let mut place = self.at;
        for word in words {
            if !self.settle() || self.left < 4 {
                return None;
            }
            place = self.at;
            memory.write(place, word.to_le_bytes());
            self.advance(4);
        }
        Some(place)
    }

    /// Writes a byte, if there is room, and goes on by it.
    // As `skip`.
    #[inline(always)]
    pub fn write_byte(&mut self, memory: &impl MemoryAccess, byte: u8) {
        if self.settle() {
            memory.write(self.at, [byte]);
            self.advance(1);
        }
    }

    /// Passes the next bytes, at most `left`, to a sink, and goes on by them.
    #[inline(always)]
    pub fn pass(&mut self, memory: &impl MemoryAccess, mut left: u16, sink: &mut impl Sink) {
        while left > 0 && self.settle() {
            let piece = self.left.min(left.into());
            left = left.wrapping_sub(piece as u16);
            pass(self.at, piece, memory, sink);
            self.advance(piece);
        }
    }

    /// Copies the next `left` bytes to a place in another memory, and goes on by them. Returns the
    /// number of those that were not there.
    #[inline(always)]
    pub fn send<M: MemoryAccess>(&mut self, from: &M, to: &M, mut at: Place, mut left: u32) -> u32 {
        while left > 0 && self.settle() {
            let piece = self.left.min(left);
            from.copy_to(self.at, to, at, piece);
            self.advance(piece);
            at = at.after(piece.into());
            left = left.wrapping_sub(piece);
        }
        left
    }
}

/// Passes `left` bytes at a place in a memory to a sink.
#[inline(always)]
fn pass(mut at: Place, mut left: u32, memory: &impl MemoryAccess, sink: &mut impl Sink) {
    while left >= 8 {
        sink.put_word(u64::from_le_bytes(memory.read(at)));
        at = at.after(8);
        left = left.wrapping_sub(8);
    }
    while left > 0 {
        let [byte] = memory.read(at);
        sink.put(byte);
        at = at.after(1);
        left = left.wrapping_sub(1);
    }
}

/// Copies up to `left` bytes from a place in one memory to a place in another, and goes on by them
/// in both. The rest was not there, or did not fit.
#[inline(never)]
pub fn copy<M: MemoryAccess>(
    source: &mut Cursor<'_>,
    from: &M,
    target: &mut Cursor<'_>,
    to: &M,
    mut left: u32,
) {
    while left > 0 && target.settle() {
        let size = target.left.min(left);
        if source.send(from, to, target.at, size) > 0 {
            break;
        }
        target.advance(size);
        left = left.wrapping_sub(size);
    }
}
