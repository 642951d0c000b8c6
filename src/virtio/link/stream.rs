//! Streams: consoles, and the packets of sockets, which are cut at the end of a receiver's buffer.

use super::call::{Call, judge, open};
use super::deliver::Delivery;
use super::ports::{Budget, Memories, Receiver, SenderState};
use crate::virtio::chain::{Chain, Cursor, Stop};
use crate::virtio::memory::{MemoryAccess, Place};

/// A part of a sender's chain that is moved.
pub(super) struct Stream<'a> {
    /// Its first byte.
    pub bytes: Cursor<'a>,
    /// The number of bytes.
    pub size: u64,
    /// The words that each piece begins with, if any.
    pub header: &'a mut [u32],
}

/// Forwards bytes to the other console, or drops those for which it has no buffer.
///
/// # Errors
///
/// As [`Call::drain`], but never [`Stop::Empty`].
pub(super) fn forward_bytes<M: Memories>(
    call: &mut Call<'_, M>,
    sender: &mut SenderState,
    receivers: &mut [Receiver],
    memory: &M::View,
) -> Result<(), Stop> {
    let Some(receiver) = receivers.first_mut() else { return Ok(()) };
    let Some(to) = open(&mut call.peer, call.memories, receiver.port) else { return Ok(()) };
    let (size, bytes) = (call.sent.readable_bytes(), call.sent.reader());
    let stream = Stream { bytes, size, header: &mut [] };
    let (buffer, budget) = (&mut call.buffer, &mut call.budget);
    stream
        .deliver(&mut sender.done, memory, receiver, to, buffer, budget)
        .or_else(|stop| judge(&mut call.outcome, receiver, stop))
}

impl Stream<'_> {
    /// Copies what is not `done` into a receiver's buffers, one after another. Bytes of a console
    /// for which there is no buffer are dropped.
    ///
    /// # Errors
    ///
    /// [`Stop::Empty`] if there is no buffer for a socket's packet, and the receiver notifies when
    /// it has one; what is wrong with the memory of either; [`Stop::Spent`].
    #[inline(never)]
    pub(super) fn deliver<M: MemoryAccess>(
        self,
        done: &mut u64,
        from: &M,
        receiver: &mut Receiver,
        to: &M,
        buffer: &mut Chain<'_>,
        budget: &mut Budget,
    ) -> Result<(), Stop> {
        let Self { mut bytes, size, header } = self;
        let Some(queue) = &mut receiver.queue else {
            receiver.counters.count_lost();
            return Ok(());
        };
        let header_size = (header.len() as u32).wrapping_mul(4);
        bytes.skip(*done);
        let last_word = Place::START;
        let mut delivery = Delivery { bytes, from, queue, to, buffer, budget, last_word };
        // A packet without bytes is a header.
        let mut is_whole = *done >= size && header_size == 0;
        while !is_whole {
            let Some(left) = delivery.budget.bytes.checked_sub(header_size).filter(|it| *it > 0)
            else {
                return Err(Stop::Spent);
            };
            let limit = size.saturating_sub(*done).min(left.into()) as u32;
            let moved = match delivery.fill(header, limit) {
                // Drivers of consoles wait for each write with interrupts masked. The receiver is
                // not asked for a notification, because nothing would be left to move.
                Err(Stop::Empty) if header_size == 0 => {
                    receiver.counters.count_lost();
                    return Ok(());
                }
                Err(Stop::Empty) => {
                    let came = delivery.queue.await_next(to)?;
                    return Err(if came { Stop::Spent } else { Stop::Empty });
                }
                filled => filled?,
            };
            delivery.queue.publish(to);
            delivery.queue.disarm(to);
            *done = done.wrapping_add(moved.into());
            is_whole = *done >= size;
        }
        Ok(())
    }
}
