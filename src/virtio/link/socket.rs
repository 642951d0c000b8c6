//! Socket links: packets between context identifiers (VIRTIO 1.2, 5.10.6).
//!
//! | bytes of the header | field |
//! |---|---|
//! | 0-7, 8-15 | CID of the source, and of the destination |
//! | 16-19, 20-23 | port of the source, and of the destination |
//! | 24-27 | number of bytes that follow |
//! | 28-29, 30-31 | type, operation (3: RST) |
//! | 32-43 | flags, buffer size, bytes consumed |
//!
//! A packet from a CID that is not the sender's is dropped. A packet to a CID that no other port
//! has, or whose driver does not work, is answered by RST, unless it is one itself.

use super::stream::{PACKET_HEADER, Stream};
use super::{Memories, Step, Verdict};
use crate::virtio::Fault;
use crate::virtio::chain::Buffer;
use crate::virtio::memory::MemoryAccess;
use crate::virtio::queue::Queue;

/// The operation that ends a connection, or refuses one.
const RST: [u8; 2] = [3, 0];

impl<M: Memories> Step<'_, M> {
    /// Forwards a packet.
    pub(super) fn forward_packet(&mut self, memory: &M::Memory) -> Result<Verdict, Fault> {
        let header: [u8; PACKET_HEADER] = self.chain.reader(0).read(memory)?;
        let word = |at: usize| -> u64 {
            let bytes = header.get(at..at + 8).and_then(|bytes| bytes.try_into().ok());
            u64::from_le_bytes(bytes.unwrap_or_default())
        };
        let size = word(24) & 0xffff_ffff;
        if size > self.chain.readable_bytes() - PACKET_HEADER as u64 {
            return Err(Fault::PacketLength);
        }
        let (source, destination) = (word(0), word(8));
        let own = self.port;
        if source != self.sender.address {
            self.sender.counters.drops = self.sender.counters.drops.wrapping_add(1);
            return Ok(Verdict::Done);
        }
        let offset = PACKET_HEADER as u64;
        let mut stream = Stream { chain: self.chain, header: Some(header), offset, size };
        let meant = self
            .receivers
            .iter_mut()
            .find(|it| it.address == destination && it.port != own && it.queue.is_some());
        if let Some(receiver) = meant
            && let Some(to) = self.memories.open(receiver.port)
        {
            let done = &mut self.sender.done;
            let result = stream.deliver(done, memory, receiver, &to, self.budget);
            return Self::judge(receiver, self.outcome, result);
        }
        let Some(receiver) = self.receivers.iter_mut().find(|it| it.port == own) else {
            return Ok(Verdict::Done);
        };
        if [header[30], header[31]] == RST {
            return Ok(Verdict::Done);
        }
        stream.header = Some(answer(header));
        stream.size = 0;
        let result = stream.deliver(&mut 0, memory, receiver, memory, self.budget);
        let verdict = Self::judge(receiver, self.outcome, result)?;
        // Its own buffers are not what a sender waits for.
        Ok(if verdict == Verdict::Wait { Verdict::Done } else { verdict })
    }
}

/// Returns the header of the packet that refuses another one.
fn answer(header: [u8; PACKET_HEADER]) -> [u8; PACKET_HEADER] {
    let mut answer = [0; PACKET_HEADER];
    answer[..8].copy_from_slice(&header[8..16]);
    answer[8..16].copy_from_slice(&header[..8]);
    answer[16..20].copy_from_slice(&header[20..24]);
    answer[20..24].copy_from_slice(&header[16..20]);
    answer[28..30].copy_from_slice(&header[28..30]);
    [answer[30], answer[31]] = RST;
    answer
}

/// Tells a driver by its queue of events that all of its connections are gone (VIRTIO 1.2,
/// 5.10.6.7). Returns whether it wants an interrupt, and false if it has no buffer for the event.
///
/// # Errors
///
/// A [`Fault`] of the driver.
pub fn send_reset_event(queue: &mut Queue, memory: &impl MemoryAccess) -> Result<bool, Fault> {
    /// VIRTIO_VSOCK_EVENT_TRANSPORT_RESET.
    const TRANSPORT_RESET: [u8; 4] = [0; 4];
    let Some(mut buffer) = Buffer::take(queue, memory)? else { return Ok(false) };
    let at = buffer.reserve(TRANSPORT_RESET.len() as u32, memory, &mut 1)?;
    memory.write(at, TRANSPORT_RESET)?;
    queue.put_used(memory, buffer.head(), buffer.written())?;
    queue.publish(memory)?;
    queue.must_signal(memory)
}
