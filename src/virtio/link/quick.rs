//! The short way of most frames: at most two segments that fit in one, without a division into TCP
//! segments.
//!
//! A frame that is anything else, or wrong, takes the long way (`network.rs`), which reads
//! everything again and finds out what is wrong. Until then nothing was used or shown to a driver.

use super::outcome::{Outcome, bit};
use super::ports::{Budget, Memories, Receiver, Sender};
use crate::virtio::memory::MemoryAccess;
use crate::virtio::personality::NET_GUEST_CSUM;
use crate::virtio::queue::{INDIRECT, NEXT, Queue, Segment, Table, WRITE};

/// The size of the header in bytes.
const HEADER: u32 = 12;
/// The size of the header and of an Ethernet header in bytes.
const LEAST: u32 = HEADER + 14;
/// The bits of the first word of the header that are sent on: that the checksum is partial, and all
/// after gso_type, which is 0.
const PASSED: u64 = !0xfffe;
/// The bits of gso_type in the first word of the header.
const GSO_TYPE: u64 = 0xff00;

/// Moves a sender's simple frames to the only receiver. Returns false if there is anything else.
#[inline]
pub(super) fn serve<M: Memories>(
    sender: &mut Sender,
    receiver: &mut Receiver,
    memories: &M,
    budget: &mut Budget,
    outcome: &mut Outcome,
) -> bool {
    let (Some(queue), Some(buffers)) = (&mut sender.queue, &mut receiver.queue) else {
        return false;
    };
    let Some(from) = memories.open(sender.state.port) else { return false };
    let Some(to) = memories.open(receiver.port) else { return false };
    if queue.look(&from).is_err() {
        return false;
    }
    loop {
        if !queue.has_seen_next() {
            queue.publish(&from);
            match queue.arm(&from) {
                Ok(true) => {}
                Ok(false) => break,
                Err(_) => return false,
            }
        }
        let Some(size) = forward(queue, &from, buffers, receiver.features, &to, budget) else {
            return false;
        };
        sender.state.counters.add(size.into());
        receiver.counters.add((size - HEADER).into());
    }
    // What was published to both comes before the fence of arming.
    if queue.must_signal_after_fence(&from) {
        outcome.signal |= bit(sender.state.port);
    }
    if buffers.must_signal_after_fence(&to) {
        outcome.signal |= bit(receiver.port);
    }
    true
}

/// Forwards the next frame of a queue if it is a simple one, and returns its size with the header.
#[inline(always)]
fn forward<M: MemoryAccess>(
    queue: &mut Queue,
    from: &M,
    buffers: &mut Queue,
    features: u64,
    to: &M,
    budget: &mut Budget,
) -> Option<u32> {
    let head = queue.head(from);
    let mut table = queue.table();
    let mut first = table.read(head, from).ok()?;
    if first.flags == INDIRECT && queue.has_indirect() {
        table = Table::indirect(&first, from).ok()?;
        first = table.read(0, from).ok()?;
    }
    let mut second = Segment::EMPTY;
    let mut flags = first.flags;
    if flags == NEXT {
        let last = table.read(first.next, from).ok()?;
        (second, flags) = (last.segment(from)?, last.flags);
    }
    let first_size = first.size.checked_sub(HEADER)?;
    let size = first.size.checked_add(second.size)?;
    if flags != 0 || size < LEAST {
        return None;
    }
    let left = Budget {
        bytes: budget.bytes.checked_sub(size)?,
        sent: budget.sent.checked_sub(2)?,
        received: budget.received.checked_sub(1)?,
    };
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
    let [a, b, c, d, e, f, g, h] = (word & PASSED).to_le_bytes();
    to.write(target, [a, b, c, d, e, f, g, h, i, j, 1, 0]);
    if first_size > 0 {
        let bytes = HEADER.into();
        from.copy_to(source.after(bytes), to, target.after(bytes), first_size);
    }
    if second.size > 0 {
        from.copy_to(second.at, to, target.after(first.size.into()), second.size);
    }
    buffers.put_used(to, buffer, size);
    buffers.publish(to);
    buffers.disarm(to);
    queue.put_used(from, head, 0);
    *budget = left;
    Some(size)
}
