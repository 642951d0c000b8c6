//! A chain that was read as a whole, and copying out of and into chains.

use super::memory::{MemoryAccess, OutsideOf};
use super::queue::{Queue, Segment, Walk};
use super::{Fault, MAX_QUEUE_SIZE, after};
use crate::arch::addr::Ipa;
use alloc::boxed::Box;
use alloc::vec;

/// The segments of a chain, first those that the device reads, then those that it writes.
pub struct Chain {
    segments: Box<[Segment]>,
    count: usize,
    /// The number of those that the device reads.
    readable: usize,
    /// The chain's first descriptor.
    head: u16,
    /// The number of bytes that the device reads.
    readable_bytes: u64,
    /// The number of bytes that the device writes.
    writable_bytes: u64,
}

impl Default for Chain {
    fn default() -> Self {
        let empty = Segment { at: Ipa::new(0), size: 0 };
        Self {
            segments: vec![empty; MAX_QUEUE_SIZE as usize].into_boxed_slice(),
            count: 0,
            readable: 0,
            head: 0,
            readable_bytes: 0,
            writable_bytes: 0,
        }
    }
}

impl Chain {
    /// Takes the next chain of a queue, which [`Queue::has_next`] has reported, and reads its
    /// descriptors. Returns false if `budget`, which is reduced by their number, is too small.
    ///
    /// # Errors
    ///
    /// A [`Fault`] if the chain is wrong.
    pub fn read<M: MemoryAccess>(
        &mut self,
        queue: &mut Queue,
        memory: &M,
        budget: &mut u16,
    ) -> Result<bool, Fault> {
        let mut walk = queue.take(memory)?;
        self.head = walk.head();
        (self.count, self.readable) = (0, 0);
        (self.readable_bytes, self.writable_bytes) = (0, 0);
        while let Some(segment) = walk.next(memory)? {
            let Some(rest) = budget.checked_sub(1) else { return Ok(false) };
            *budget = rest;
            // A walk ends after as many descriptors as the queue has, which is not more than this.
            // So their sizes have a sum below 2^40.
            let Some(place) = self.segments.get_mut(self.count) else {
                return Err(Fault::ChainLength);
            };
            *place = segment;
            self.count = self.count.wrapping_add(1);
            if walk.is_writable() {
                self.writable_bytes = self.writable_bytes.wrapping_add(segment.size.into());
            } else {
                self.readable = self.count;
                self.readable_bytes = self.readable_bytes.wrapping_add(segment.size.into());
            }
        }
        Ok(true)
    }

    /// Returns the index of the first descriptor.
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

    /// Returns the place of the byte at an offset of what the device reads.
    #[inline]
    pub fn reader(&self, offset: u64) -> Cursor<'_> {
        Cursor::new(self.segments.get(..self.readable).unwrap_or_default(), offset)
    }

    /// Returns the place of the byte at an offset of what the device writes.
    pub fn writer(&self, offset: u64) -> Cursor<'_> {
        Cursor::new(self.segments.get(self.readable..self.count).unwrap_or_default(), offset)
    }
}

/// A place in a row of segments.
#[derive(Clone, Copy)]
pub struct Cursor<'a> {
    rest: &'a [Segment],
    at: Ipa,
    left: u32,
}

impl<'a> Cursor<'a> {
    /// Creates the place `offset` bytes from the start of the segments, or their end.
    #[inline(never)]
    fn new(segments: &'a [Segment], mut offset: u64) -> Self {
        let mut cursor = Self { rest: segments, at: Ipa::new(0), left: 0 };
        while cursor.step() && offset >= u64::from(cursor.left) {
            offset -= u64::from(cursor.left);
            cursor.left = 0;
        }
        let skipped = offset.min(u64::from(cursor.left)) as u32;
        cursor.advance(skipped);
        cursor
    }

    /// Goes to the next segment; returns false if there is none.
    #[inline]
    fn step(&mut self) -> bool {
        let Some((first, rest)) = self.rest.split_first() else { return false };
        (self.at, self.left, self.rest) = (first.at, first.size, rest);
        true
    }

    /// Goes on by a number of bytes, at most those that are left in the segment.
    #[inline]
    fn advance(&mut self, bytes: u32) {
        self.at = after(self.at, bytes.into());
        self.left = self.left.wrapping_sub(bytes);
    }

    /// Goes to the next byte that is there; returns false at the end.
    #[inline]
    fn settle(&mut self) -> bool {
        while self.left == 0 {
            if !self.step() {
                return false;
            }
        }
        true
    }

    /// Reads the next `N` bytes, and goes on by them.
    ///
    /// # Errors
    ///
    /// [`Fault::BufferLength`] if there are fewer; [`Fault::Outside`].
    #[inline]
    pub fn read<const N: usize>(&mut self, memory: &impl MemoryAccess) -> Result<[u8; N], Fault> {
        if self.left >= N as u32 {
            let bytes = memory.read(self.at)?;
            self.advance(N as u32);
            return Ok(bytes);
        }
        let mut bytes = [0; N];
        self.read_scattered(memory, &mut bytes)?;
        Ok(bytes)
    }

    /// Does the same where the bytes are in several segments.
    #[cold]
    fn read_scattered(
        &mut self,
        memory: &impl MemoryAccess,
        bytes: &mut [u8],
    ) -> Result<(), Fault> {
        for byte in bytes {
            if !self.settle() {
                return Err(Fault::BufferLength);
            }
            [*byte] = memory.read(self.at)?;
            self.advance(1);
        }
        Ok(())
    }

    /// Writes bytes, and goes on by them.
    ///
    /// # Errors
    ///
    /// [`Fault::BufferLength`] if there is not enough room; [`Fault::Outside`].
    pub fn write(&mut self, memory: &impl MemoryAccess, bytes: &[u8]) -> Result<(), Fault> {
        for byte in bytes {
            if !self.settle() {
                return Err(Fault::BufferLength);
            }
            memory.write(self.at, [*byte])?;
            self.advance(1);
        }
        Ok(())
    }

    /// Copies up to `limit` bytes between these segments and a plain place in another memory, and
    /// goes on by them. Returns their number, which is smaller at the end of the segments.
    ///
    /// # Errors
    ///
    /// [`Fault::Outside`] if a place is not in its memory.
    pub fn transfer<M: MemoryAccess>(
        &mut self,
        memory: &M,
        other: &M,
        mut place: Ipa,
        limit: u32,
        direction: Direction,
    ) -> Result<u32, Fault> {
        let mut left = limit;
        while left > 0 && self.settle() {
            let size = left.min(self.left);
            let copied = match direction {
                Direction::Out => memory.copy_to(self.at, other, place, size),
                Direction::In => other.copy_to(place, memory, self.at, size),
            };
            copied.map_err(|_| Fault::Outside)?;
            self.advance(size);
            place = after(place, size.into());
            left -= size;
        }
        Ok(limit - left)
    }
}

/// The direction of a transfer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// From the segments.
    Out,
    /// Into the segments.
    In,
}

/// The fault of one of two drivers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wrong {
    /// Of the one that sends.
    Sender(Fault),
    /// Of the one that receives.
    Receiver(Fault),
}

impl From<OutsideOf> for Wrong {
    #[inline(always)]
    fn from(side: OutsideOf) -> Self {
        match side {
            OutsideOf::Source => Self::Sender(Fault::Outside),
            OutsideOf::Destination => Self::Receiver(Fault::Outside),
        }
    }
}

/// A receiver's buffer that is filled.
pub struct Buffer {
    walk: Walk,
    at: Ipa,
    left: u32,
    written: u32,
}

impl Buffer {
    /// Takes the next buffer of a queue; `None` if the driver has not made one available.
    ///
    /// # Errors
    ///
    /// A [`Fault`] if the queue is wrong.
    #[inline]
    pub fn take(queue: &mut Queue, memory: &impl MemoryAccess) -> Result<Option<Self>, Fault> {
        if !queue.has_next(memory)? {
            return Ok(None);
        }
        let walk = queue.take(memory)?;
        Ok(Some(Self { walk, at: Ipa::new(0), left: 0, written: 0 }))
    }

    /// Returns the index of the buffer's first descriptor.
    #[inline(always)]
    pub fn head(&self) -> u16 {
        self.walk.head()
    }

    /// Returns the number of bytes that were written to it.
    #[inline(always)]
    pub fn written(&self) -> u32 {
        self.written
    }

    /// Goes on to a byte that can be written; returns false at the end of the buffer.
    #[inline]
    fn settle(&mut self, memory: &impl MemoryAccess, budget: &mut u16) -> Result<bool, Fault> {
        while self.left == 0 {
            let Some(segment) = self.walk.next(memory)? else { return Ok(false) };
            if !self.walk.is_writable() {
                return Err(Fault::Direction);
            }
            *budget = budget.saturating_sub(1);
            (self.at, self.left) = (segment.at, segment.size);
        }
        Ok(true)
    }

    /// Goes on by a number of bytes, at most those that are left in the segment.
    #[inline(always)]
    fn advance(&mut self, bytes: u32) {
        self.at = after(self.at, bytes.into());
        self.left = self.left.wrapping_sub(bytes);
        self.written = self.written.wrapping_add(bytes);
    }

    /// Reserves the first `N` bytes for a header, which must be in one segment, and returns their
    /// address.
    ///
    /// # Errors
    ///
    /// A [`Fault`] if they are not, or the buffer is wrong.
    #[inline]
    pub fn reserve(
        &mut self,
        bytes: u32,
        memory: &impl MemoryAccess,
        budget: &mut u16,
    ) -> Result<Ipa, Fault> {
        if !self.settle(memory, budget)? || self.left < bytes {
            return Err(Fault::BufferLength);
        }
        let at = self.at;
        self.advance(bytes);
        Ok(at)
    }

    /// Copies `size` bytes from a sender's chain. Returns the number of those that did not fit, or
    /// were not there, or for which the budget of descriptors was too small.
    ///
    /// # Errors
    ///
    /// What is wrong with one of the two.
    #[inline]
    pub fn fill<M: MemoryAccess>(
        &mut self,
        source: &mut Cursor<'_>,
        from: &M,
        to: &M,
        mut size: u32,
        budget: &mut u16,
    ) -> Result<u32, Wrong> {
        while size > 0 && source.settle() {
            if *budget == 0 && self.left == 0
                || !self.settle(to, budget).map_err(Wrong::Receiver)?
            {
                break;
            }
            let piece = size.min(source.left).min(self.left);
            from.copy_to(source.at, to, self.at, piece)?;
            source.advance(piece);
            self.advance(piece);
            size = size.wrapping_sub(piece);
        }
        Ok(size)
    }
}
