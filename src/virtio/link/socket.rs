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

use super::call::{Call, judge, open};
use super::ports::{Memories, Receiver, SenderState};
use super::stream::Stream;
use crate::virtio::Fault;
use crate::virtio::chain::{Chain, Stop};
use crate::virtio::memory::MemoryAccess;
use crate::virtio::queue::{Queue, Segment};

/// The number of words of a header.
const WORDS: usize = 11;
/// The size of a header in bytes.
const HEADER: u64 = 4 * WORDS as u64;
/// The operation that ends a connection, or refuses one, in the word of type and operation.
const RST: u32 = 3 << 16;

/// Forwards a packet.
///
/// # Errors
///
/// As [`Call::drain`].
pub(super) fn forward_packet<M: Memories>(
    call: &mut Call<'_, M>,
    sender: &mut SenderState,
    receivers: &mut [Receiver],
    memory: &M::View,
) -> Result<(), Stop> {
    let mut bytes = call.sent.reader();
    let mut header = [0; WORDS];
    if !bytes.read(memory, &mut header) {
        return Err(Fault::BufferLength.into());
    }
    let [source, source_high, to, to_high, _, _, size, kind, ..] = header;
    let size = size.into();
    if size > call.sent.readable_bytes().wrapping_sub(HEADER) {
        return Err(Fault::PacketLength.into());
    }
    let destination = u64::from(to) | u64::from(to_high) << 32;
    if u64::from(source) | u64::from(source_high) << 32 != sender.address {
        sender.counters.count_wrong();
        return Ok(());
    }
    let own = sender.port;
    let meant = receivers
        .iter()
        .position(|it| it.address == destination && it.port != own && it.queue.is_some());
    let (buffer, budget) = (&mut call.buffer, &mut call.budget);
    // In a socket link, a sender's place is that of its receiver.
    let index = meant.unwrap_or(own.into());
    let Some(receiver) = receivers.get_mut(index) else { return Ok(()) };
    let (to, size, done) = if meant.is_some() {
        let Some(to) = open(&mut call.peer, call.memories, receiver.port) else {
            return Ok(());
        };
        (to, size, &mut sender.done)
    } else {
        if kind & 0xffff_0000 == RST {
            return Ok(());
        }
        refuse(&mut header);
        (memory, 0, &mut 0)
    };
    let stream = Stream { bytes, size, header: &mut header };
    let delivered = stream
        .deliver(done, memory, receiver, to, buffer, budget)
        .or_else(|stop| judge(&mut call.outcome, receiver, stop));
    // Its own buffers are not what a sender waits for.
    if delivered == Err(Stop::Empty) && meant.is_none() { Ok(()) } else { delivered }
}

/// Turns the header of a packet into that of the one that refuses it.
fn refuse(header: &mut [u32; WORDS]) {
    let [a, b, c, d, from, to, _, kind, ..] = *header;
    *header = [c, d, a, b, to, from, 0, kind & 0xffff | RST, 0, 0, 0];
}

/// Tells a driver by its queue of events that all of its connections are gone (VIRTIO 1.2,
/// 5.10.6.7). Returns whether it wants an interrupt, and false if it has no buffer for the event.
///
/// # Errors
///
/// A [`Fault`] of the driver.
pub fn send_reset_event(queue: &mut Queue, memory: &impl MemoryAccess) -> Result<bool, Fault> {
    /// The event, and its size in bytes.
    const TRANSPORT_RESET: (u32, u32) = (0, 4);
    let mut segments = [Segment::EMPTY; 4];
    let mut buffer = Chain::new(&mut segments);
    if !queue.has_next(memory)? {
        return Ok(false);
    }
    match buffer.read(queue, memory, &mut 4) {
        Ok(()) => {}
        Err(Stop::Fault(fault)) => return Err(fault),
        // No event needs as many parts.
        Err(_) => return Err(Fault::ChainLength),
    }
    let (event, size) = TRANSPORT_RESET;
    buffer.writer().write(memory, &[event]).ok_or(Fault::BufferLength)?;
    queue.put_used(memory, buffer.head(), size);
    queue.publish(memory);
    Ok(queue.must_signal(memory))
}
