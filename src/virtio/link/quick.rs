//! The short way of most frames: at most two segments that fit in one, without a division into TCP
//! segments.
//!
//! A frame that is anything else, or wrong, takes the long way (`network.rs`), which reads
//! everything again and finds out what is wrong. Until then nothing was used or shown to a driver.

use super::outcome::bit;
use super::ports::{Budget, DESCRIPTORS_PER_PACKET, Memories, Receiver, Sender};
use crate::virtio::memory::MemoryAccess;
use crate::virtio::personality::NET_GUEST_CSUM;
use crate::virtio::queue::{INDIRECT, NEXT, Queue, Segment, Table, WRITE};
use core::num::NonZeroU32;

/// The size of the header in bytes.
const HEADER: u32 = 12;
/// The size of the header and of an Ethernet header in bytes.
const LEAST: u64 = HEADER as u64 + 14;
/// The bits of the first word of the header that are sent on: that the checksum is partial, and all
/// after gso_type, which is 0.
const PASSED: u64 = !0xfffe;
/// The bits of gso_type in the first word of the header.
const GSO_TYPE: u64 = 0xff00;

/// Moves a sender's simple frames to the only receiver. Returns the ports whose drivers want an
/// interrupt, one bit each; `None` if there is anything else.
#[inline]
pub(super) fn serve<M: Memories>(
    sender: &mut Sender,
    receiver: &mut Receiver,
    memories: &M,
    budget: &mut Budget,
) -> Option<u64> {
    let Some(queue) = &mut sender.queue else { return None };
    let Some(buffers) = &mut receiver.queue else { return None };
    let pair = memories.open_pair([sender.state.port, receiver.port])?;
    let [from, to] = &*pair;
    queue.look(from).ok()?;
    loop {
        if !queue.has_seen_next() {
            queue.publish(from);
            if !queue.arm(from).ok()? {
                break;
            }
        }
        let left = Budget {
            bytes: budget.bytes,
            sent: budget.sent.checked_sub(1 + DESCRIPTORS_PER_PACKET)?,
            received: budget.received.checked_sub(1)?,
        };
        let size = forward(queue, from, buffers, receiver.features, to, left.bytes)?.get();
        *budget = Budget { bytes: left.bytes.wrapping_sub(size), ..left };
        sender.state.counters.count_packet(size.wrapping_sub(HEADER).into());
    }
    // What was published to both comes before the fence of arming.
    let mut signal = 0;
    if queue.must_signal_after_fence(from) {
        signal |= bit(sender.state.port);
    }
    if buffers.must_signal_after_fence(to) {
        signal |= bit(receiver.port);
    }
    Some(signal)
}

/// Forwards the next frame of a queue if it is a simple one of at most `limit` bytes with the header,
/// and returns its size. It is of at most two descriptors, and fills one.
// Not inlined: most calls move one frame, and in a loop the compiler would prepare for many.
#[inline(never)]
fn forward<M: MemoryAccess>(
    queue: &mut Queue,
    from: &M,
    buffers: &mut Queue,
    features: u64,
    to: &M,
    limit: u32,
) -> Option<NonZeroU32> {
    let head = queue.head(from);
    let mut table = queue.table();
    let mut first = table.read(head, from).ok()?;
    if first.flags == INDIRECT && queue.has_indirect() {
        table = Table::indirect(&first, from).ok()?;
        first = table.read(0, from).ok()?;
    }
    let second = match first.flags {
        0 => Segment::EMPTY,
        NEXT => {
            let last = table.read(first.next, from).ok().filter(|it| it.flags == 0)?;
            last.segment(from)?
        }
        _ => return None,
    };
    let first_size = first.size.checked_sub(HEADER)?;
    let size = u64::from(first.size).wrapping_add(second.size.into());
    if size < LEAST || size > limit.into() {
        return None;
    }
    let size = size as u32;
    if !buffers.has_next(to).ok()? {
        return None;
    }
    let buffer = buffers.head(to);
    let target = buffers.table().read(buffer, to).ok()?;
    if target.flags != WRITE || target.size < size {
        return None;
    }
    let (source, target) = (first.segment(from)?.at, target.segment(to)?.at);
    let header: [u8; HEADER as usize] = from.read(source);
    let [a, b, c, d, e, f, g, h, i, j, _, _] = header;
    let word = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
    if word & GSO_TYPE != 0 || word & 1 != 0 && features & NET_GUEST_CSUM == 0 {
        return None;
    }
    // The drivers do not see the used elements yet. What is left to do after the copies is little.
    queue.put_used(from, head, 0);
    buffers.put_used(to, buffer, size);
    buffers.disarm(to);
    let [a, b, c, d, e, f, g, h] = (word & PASSED).to_le_bytes();
    to.write(target, [a, b, c, d, e, f, g, h, i, j, 1, 0]);
    if second.size > 0 {
        from.copy_to(second.at, to, target.after(first.size.into()), second.size);
    }
    if first_size > 0 {
        let bytes = HEADER.into();
        from.copy_to(source.after(bytes), to, target.after(bytes), first_size);
    }
    buffers.publish(to);
    NonZeroU32::new(size)
}
