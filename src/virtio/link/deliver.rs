//! Filling a receiver's buffers.

use super::ports::Budget;
use crate::virtio::Fault;
use crate::virtio::chain::{Chain, Cursor, Stop, copy};
use crate::virtio::memory::{MemoryAccess, Place};
use crate::virtio::queue::{Queue, WRITE};

/// The word of a header that has the number of bytes that follow, if the header is as long: only
/// that of a socket's packet is.
const LENGTH: usize = 6;

/// Bytes of a sender on their way into a receiver's buffers.
pub(super) struct Delivery<'a, 'b, M> {
    /// The next byte.
    pub bytes: Cursor<'a>,
    pub from: &'a M,
    pub queue: &'a mut Queue,
    pub to: &'a M,
    /// The buffer that is filled.
    pub buffer: &'a mut Chain<'b>,
    pub budget: &'a mut Budget,
    /// Where the last word of the header was written last.
    pub last_word: Place,
}

impl<M: MemoryAccess> Delivery<'_, '_, M> {
    /// Fills the next buffer of the receiver: with a header, which the budget must allow, and up to
    /// `limit` bytes. It is not published.
    ///
    /// Returns the number of bytes after the header.
    ///
    /// # Errors
    ///
    /// [`Stop::Empty`] if there is no buffer; a [`Fault`] of the receiver, also if there is no room
    /// for the header or, after that of a socket's packet, for a byte; [`Stop::Spent`].
    #[inline(never)]
    pub fn fill(&mut self, header: &mut [u32], limit: u32) -> Result<u32, Stop> {
        let Self { bytes, from, queue, to, buffer, budget, last_word } = self;
        if !queue.has_next(*to)? {
            return Err(Stop::Empty);
        }
        if budget.received == 0 {
            return Err(Stop::Spent);
        }
        buffer.read(queue, *to, &mut budget.received)?;
        if buffer.readable_bytes() != 0 {
            return Err(Fault::Direction.into());
        }
        let header_size = (header.len() as u32).wrapping_mul(4);
        let room = buffer.writable_bytes().checked_sub(header_size.into());
        let size = room.ok_or(Fault::BufferLength)?.min(limit.into()) as u32;
        if let Some(length) = header.get_mut(LENGTH) {
            if size == 0 && limit > 0 {
                return Err(Fault::BufferLength.into());
            }
            *length = size;
        }
        let mut target = buffer.writer();
        *last_word = target.write(*to, header).ok_or(Fault::BufferLength)?;
        copy(bytes, *from, &mut target, *to, size);
        let written = size.wrapping_add(header_size);
        budget.bytes = budget.bytes.wrapping_sub(written);
        queue.put_used(*to, buffer.head(), written);
        Ok(size)
    }
    /// Fills usual buffers with up to `size` bytes, without headers, as long as the next one is
    /// known to be there. They are not published. Returns the number of bytes, and of buffers.
    ///
    /// Anything else, also what is wrong, is left to [`Delivery::fill`], which reads it anew.
    #[inline(never)]
    pub fn fill_usual(&mut self, size: u32) -> (u32, u16) {
        let Self { bytes, from, queue, to, budget, .. } = self;
        let (from, to) = (*from, *to);
        // Copies, which stay in registers.
        let (mut source, mut buffers) = (bytes.clone(), queue.taker());
        let (mut left, mut count) = (size, budget.received);
        while left > 0 && count > 0 && buffers.has_seen_next() {
            let head = buffers.head(to);
            let Ok(descriptor) = buffers.table().read(head, to) else { break };
            let Some(segment) = descriptor.segment(to).filter(|_| descriptor.flags == WRITE) else {
                break;
            };
            let piece = segment.size.min(left);
            source.send(from, to, segment.at, piece);
            buffers.put_used(to, head, piece);
            left = left.wrapping_sub(piece);
            count = count.wrapping_sub(1);
        }
        *bytes = source;
        queue.restore(buffers.position());
        let (moved, used) = (size.wrapping_sub(left), budget.received.wrapping_sub(count));
        budget.bytes = budget.bytes.wrapping_sub(moved);
        budget.received = count;
        (moved, used)
    }
}
