//! Streams: consoles, and the packets of sockets, which are cut at the end of a receiver's buffer.

use super::{Budget, Memories, Receiver, Step, Verdict};
use crate::virtio::Fault;
use crate::virtio::chain::{Buffer, Chain, Wrong};
use crate::virtio::memory::MemoryAccess;
use crate::virtio::queue::Queue;

/// The size of a socket packet's header in bytes.
pub(super) const PACKET_HEADER: usize = 44;

/// A part of a sender's chain.
pub(super) struct Stream<'a> {
    /// The chain.
    pub chain: &'a Chain,
    /// The header that each piece begins with: its length is set.
    pub header: Option<[u8; PACKET_HEADER]>,
    /// The offset in the chain of what follows the header.
    pub offset: u64,
    /// The size of that in bytes.
    pub size: u64,
}

impl<M: Memories> Step<'_, M> {
    /// Forwards bytes to the other console.
    pub(super) fn forward_bytes(&mut self, memory: &M::Memory) -> Result<Verdict, Fault> {
        let size = self.chain.readable_bytes();
        let Some(receiver) = self.receivers.first_mut() else { return Ok(Verdict::Done) };
        let Some(to) = self.memories.open(receiver.port) else { return Ok(Verdict::Done) };
        let stream = Stream { chain: self.chain, header: None, offset: 0, size };
        let result = stream.deliver(&mut self.sender.done, memory, receiver, &to, self.budget);
        Self::judge(receiver, self.outcome, result)
    }
}

impl Stream<'_> {
    /// Copies what is not `done` into a receiver's buffers, one after another.
    pub(super) fn deliver<M: MemoryAccess>(
        &self,
        done: &mut u64,
        from: &M,
        receiver: &mut Receiver,
        to: &M,
        budget: &mut Budget,
    ) -> Result<Verdict, Wrong> {
        let Some(queue) = &mut receiver.queue else {
            receiver.count_drop();
            return Ok(Verdict::Done);
        };
        let header_size = self.header.map_or(0, |_| PACKET_HEADER as u32);
        let mut source = self.chain.reader(self.offset + *done);
        let mut is_whole = *done >= self.size && self.header.is_none();
        while !is_whole {
            let rest = self.size.saturating_sub(*done);
            if budget.received == 0 || budget.bytes <= header_size {
                return Ok(Verdict::Spent);
            }
            let limit = u64::from(budget.bytes - header_size).min(rest) as u32;
            let before = queue.position();
            let Some(mut buffer) = Buffer::take(queue, to).map_err(Wrong::Receiver)? else {
                let came = queue.arm(to).map_err(Wrong::Receiver)?;
                if came {
                    continue;
                }
                return Ok(Verdict::Wait);
            };
            let place = match self.header {
                Some(_) => buffer.reserve(header_size, to, &mut budget.received).map(Some),
                None => Ok(None),
            };
            let place = place.map_err(Wrong::Receiver)?;
            let filled = buffer.fill(&mut source, from, to, limit, &mut budget.received);
            let left = filled.inspect_err(|_| queue.restore(before))?;
            let copied = limit - left;
            if copied == 0 && limit > 0 && place.is_some() {
                if budget.received == 0 {
                    // The next call takes the same buffer.
                    queue.restore(before);
                    return Ok(Verdict::Spent);
                }
                return Err(Wrong::Receiver(Fault::BufferLength));
            }
            if let (Some(place), Some(mut header)) = (place, self.header) {
                let [a, b, c, d] = copied.to_le_bytes();
                [header[24], header[25], header[26], header[27]] = [a, b, c, d];
                to.write(place, header).map_err(|_| Wrong::Receiver(Fault::Outside))?;
            }
            publish(queue, to, &buffer).map_err(Wrong::Receiver)?;
            receiver.counters.add(copied);
            receiver.has_news = true;
            budget.bytes -= copied + header_size;
            *done += u64::from(copied);
            is_whole = *done >= self.size;
        }
        Ok(Verdict::Done)
    }
}

/// Shows the receiver a buffer that was filled.
fn publish(queue: &mut Queue, to: &impl MemoryAccess, buffer: &Buffer) -> Result<(), Fault> {
    queue.put_used(to, buffer.head(), buffer.written())?;
    queue.publish(to)?;
    queue.disarm(to)
}
