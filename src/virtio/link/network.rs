//! Network links: frames with the header of VIRTIO 1.2, 5.1.6, which passes through.
//!
//! | bytes | field | |
//! |---|---|---|
//! | 0 | flags | bit 0: the checksum is partial |
//! | 1 | gso_type | 0: none; 1, 4: TCP over IPv4, IPv6 |
//! | 2-9 | hdr_len, gso_size, csum_start, csum_offset | |
//! | 10-11 | num_buffers | set for the receiver |
//!
//! A frame goes to the port with its destination address, or to all others if that is a group's. A
//! network of two ports does not look at addresses.

use super::{Budget, Memories, Receiver, Step, Verdict};
use crate::virtio::chain::{Buffer, Cursor, Wrong};
use crate::virtio::memory::MemoryAccess;
use crate::virtio::personality::{NET_GUEST_CSUM, NET_GUEST_TSO4, NET_GUEST_TSO6, NET_MRG_RXBUF};
use crate::virtio::{BYTES_PER_CALL, DESCRIPTORS_PER_CALL, Fault};

/// The size of the header in bytes.
const HEADER: u32 = 12;
/// The size of an Ethernet header in bytes.
const ETHERNET_HEADER: u32 = 14;
/// The flag of a partial checksum.
const NEEDS_CSUM: u8 = 1;

/// A frame on its way.
#[derive(Clone, Copy)]
struct Frame<'a> {
    header: [u8; HEADER as usize],
    /// The features that a receiver needs.
    needs: u64,
    /// Its bytes after the header.
    bytes: Cursor<'a>,
    size: u32,
}

impl<M: Memories> Step<'_, M> {
    /// Forwards a frame.
    #[inline]
    pub(super) fn forward_frame(&mut self, memory: &M::Memory) -> Result<Verdict, Fault> {
        let total = self.chain.readable_bytes();
        if total > BYTES_PER_CALL.into() || total < (HEADER + ETHERNET_HEADER).into() {
            return Ok(self.drop_frame());
        }
        let mut bytes = self.chain.reader(0);
        let header: [u8; HEADER as usize] = bytes.read(memory)?;
        let Some(needs) = needed_features(header) else { return Ok(self.drop_frame()) };
        let frame = Frame { header, needs, bytes, size: total as u32 - HEADER };
        let (outcome, budget) = (&mut *self.outcome, &mut *self.budget);
        if let [receiver] = &mut *self.receivers {
            let mut verdict = Verdict::Done;
            let Some(to) = self.memories.open(receiver.port) else { return Ok(verdict) };
            // If buffers come while the queue is armed, the second attempt uses them.
            for _ in 0..2 {
                let result = deliver(frame, memory, receiver, &to, budget);
                verdict = Self::judge(receiver, outcome, result)?;
                let Some(queue) = receiver.queue.as_mut().filter(|_| verdict == Verdict::Wait)
                else {
                    return Ok(verdict);
                };
                match queue.arm(&to) {
                    Ok(true) => verdict = Verdict::Spent,
                    Ok(false) => break,
                    Err(fault) => {
                        return Self::judge(receiver, outcome, Err(Wrong::Receiver(fault)));
                    }
                }
            }
            return Ok(verdict);
        }
        // A copy, because the look-up may be on the way into the next segment.
        let destination: [u8; 6] = { bytes }.read(memory)?;
        let is_group = destination[0] & 1 != 0;
        let [a, b, c, d, e, f] = destination;
        let destination = u64::from_le_bytes([a, b, c, d, e, f, 0, 0]);
        let done = self.sender.done;
        for (index, receiver) in (0..).zip(&mut *self.receivers) {
            let is_meant = is_group || receiver.address == destination;
            if index < done || receiver.port == self.sender.port || !is_meant {
                continue;
            }
            let Some(to) = self.memories.open(receiver.port) else { continue };
            let result = deliver(frame, memory, receiver, &to, budget);
            match Self::judge(receiver, outcome, result)? {
                Verdict::Done => {}
                // Nobody waits for one of many.
                Verdict::Wait => {
                    receiver.counters.drops = receiver.counters.drops.wrapping_add(1);
                }
                Verdict::Spent => {
                    self.sender.done = index;
                    return Ok(Verdict::Spent);
                }
            }
        }
        Ok(Verdict::Done)
    }

    /// Drops a frame that no receiver would take.
    fn drop_frame(&mut self) -> Verdict {
        self.sender.counters.drops = self.sender.counters.drops.wrapping_add(1);
        Verdict::Done
    }
}

/// Returns the features that a receiver needs for a frame with this header; `None` if there are
/// none that would do.
#[inline]
fn needed_features(header: [u8; HEADER as usize]) -> Option<u64> {
    let checksum = if header[0] & NEEDS_CSUM != 0 { NET_GUEST_CSUM } else { 0 };
    match header[1] {
        0 => Some(checksum),
        1 => Some(checksum | NET_GUEST_TSO4),
        4 => Some(checksum | NET_GUEST_TSO6),
        _ => None,
    }
}

/// Copies a frame into a receiver's buffers, and gives it all of them or none.
fn deliver<M: MemoryAccess>(
    frame: Frame<'_>,
    from: &M,
    receiver: &mut Receiver,
    to: &M,
    budget: &mut Budget,
) -> Result<Verdict, Wrong> {
    let Frame { mut header, needs, mut bytes, size } = frame;
    let Some(before) = receiver.queue.filter(|_| needs & !receiver.features == 0) else {
        receiver.counters.drops = receiver.counters.drops.wrapping_add(1);
        return Ok(Verdict::Done);
    };
    // A frame is not larger than a whole budget, so each is moved some time.
    if size + HEADER > budget.bytes {
        return Ok(Verdict::Spent);
    }
    let is_first = budget.received == DESCRIPTORS_PER_CALL;
    let mut queue = before;
    let mut left = size;
    let mut header_at = None;
    let mut buffers = 0_u16;
    loop {
        let Some(mut buffer) = Buffer::take(&mut queue, to).map_err(Wrong::Receiver)? else {
            if queue.was_full(&before) {
                // It never fits.
                break;
            }
            if let Some(kept) = &mut receiver.queue {
                kept.note_seen(&queue);
            }
            return Ok(Verdict::Wait);
        };
        if header_at.is_none() {
            let reserved = buffer.reserve(HEADER, to, &mut budget.received);
            header_at = Some(reserved.map_err(Wrong::Receiver)?);
        }
        left = buffer.fill(&mut bytes, from, to, left, &mut budget.received)?;
        queue.put_used(to, buffer.head(), buffer.written()).map_err(Wrong::Receiver)?;
        buffers = buffers.wrapping_add(1);
        if left == 0 {
            let [low, high] = buffers.to_le_bytes();
            [header[10], header[11]] = [low, high];
            header[0] &= NEEDS_CSUM;
            budget.bytes -= size + HEADER;
            return finish(header, header_at, receiver, queue, to, size).map_err(Wrong::Receiver);
        }
        if receiver.features & NET_MRG_RXBUF == 0 {
            break;
        }
        if budget.received == 0 {
            if is_first {
                break;
            }
            return Ok(Verdict::Spent);
        }
    }
    receiver.counters.drops = receiver.counters.drops.wrapping_add(1);
    Ok(Verdict::Done)
}

/// Writes the header, and shows the receiver the frame.
#[inline]
fn finish(
    header: [u8; HEADER as usize],
    header_at: Option<crate::arch::addr::Ipa>,
    receiver: &mut Receiver,
    mut queue: crate::virtio::queue::Queue,
    to: &impl MemoryAccess,
    size: u32,
) -> Result<Verdict, Fault> {
    if let Some(at) = header_at {
        to.write(at, header)?;
    }
    queue.publish(to)?;
    queue.disarm(to)?;
    receiver.keep(queue, size);
    Ok(Verdict::Done)
}
