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
use crate::arch::addr::Ipa;
use crate::virtio::chain::{Buffer, Cursor, Wrong};
use crate::virtio::memory::MemoryAccess;
use crate::virtio::personality::{NET_GUEST_CSUM, NET_GUEST_TSO4, NET_GUEST_TSO6, NET_MRG_RXBUF};
use crate::virtio::queue::Queue;
use crate::virtio::{BYTES_PER_CALL, DESCRIPTORS_PER_CALL, Fault};

/// The size of the header in bytes.
const HEADER: u32 = 12;
/// The size of an Ethernet header in bytes.
const ETHERNET_HEADER: u32 = 14;
/// The flag of a partial checksum.
const NEEDS_CSUM: u8 = 1;

/// A frame on its way.
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
                let result = deliver(&frame, memory, receiver, &to, budget);
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
            if index < done || receiver.port == self.port || !is_meant {
                continue;
            }
            let Some(to) = self.memories.open(receiver.port) else { continue };
            let result = deliver(&frame, memory, receiver, &to, budget);
            match Self::judge(receiver, outcome, result)? {
                Verdict::Done => {}
                // Nobody waits for one of many.
                Verdict::Wait => receiver.count_drop(),
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
    frame: &Frame<'_>,
    from: &M,
    receiver: &mut Receiver,
    to: &M,
    budget: &mut Budget,
) -> Result<Verdict, Wrong> {
    let can_take = frame.needs & !receiver.features == 0;
    let Some(queue) = receiver.queue.as_mut().filter(|_| can_take) else {
        receiver.count_drop();
        return Ok(Verdict::Done);
    };
    // A frame is not larger than a whole budget, so each is moved some time.
    if frame.size + HEADER > budget.bytes || budget.received == 0 {
        return Ok(Verdict::Spent);
    }
    let is_first = budget.received == DESCRIPTORS_PER_CALL;
    let before = queue.position();
    let mut copy =
        Copy { queue, bytes: frame.bytes, left: frame.size, header_at: None, buffers: 0 };
    let mut result = copy.run(from, to, receiver.features & NET_MRG_RXBUF != 0, budget);
    // What was copied counts, also if the receiver does not get it; and so does the attempt.
    budget.bytes -= frame.size - copy.left;
    budget.received = budget.received.saturating_sub(1);
    if let Ok(Copied::Whole) = result {
        budget.bytes -= HEADER;
        copy.finish(frame.header, to).map_err(Wrong::Receiver)?;
        receiver.count(frame.size);
        return Ok(Verdict::Done);
    }
    if let Ok(Copied::NoBuffer) = result
        && copy.queue.was_full(before)
    {
        // It does not fit, though the receiver has all of its buffers in the queue.
        result = Ok(Copied::TooLarge);
    }
    copy.queue.restore(before);
    match result? {
        Copied::NoBuffer => Ok(Verdict::Wait),
        Copied::Spent if !is_first => Ok(Verdict::Spent),
        Copied::Whole | Copied::TooLarge | Copied::Spent => {
            receiver.count_drop();
            Ok(Verdict::Done)
        }
    }
}

/// How much of a frame was copied.
enum Copied {
    /// All of it.
    Whole,
    /// What fitted in the receiver's buffers.
    NoBuffer,
    /// What fitted in the one buffer that the receiver allows.
    TooLarge,
    /// What the call may do.
    Spent,
}

/// A frame that is copied into the buffers of a queue.
struct Copy<'a, 'q> {
    queue: &'q mut Queue,
    bytes: Cursor<'a>,
    /// The number of bytes that are not copied.
    left: u32,
    header_at: Option<Ipa>,
    /// The number of buffers.
    buffers: u16,
}

impl Copy<'_, '_> {
    /// Copies the frame without its header.
    #[inline]
    fn run<M: MemoryAccess>(
        &mut self,
        from: &M,
        to: &M,
        is_mergeable: bool,
        budget: &mut Budget,
    ) -> Result<Copied, Wrong> {
        loop {
            let taken = Buffer::take(self.queue, to).map_err(Wrong::Receiver)?;
            let Some(mut buffer) = taken else { return Ok(Copied::NoBuffer) };
            if self.header_at.is_none() {
                let reserved = buffer.reserve(HEADER, to, &mut budget.received);
                self.header_at = Some(reserved.map_err(Wrong::Receiver)?);
            }
            let bytes = &mut self.bytes;
            self.left = buffer.fill(bytes, from, to, self.left, &mut budget.received)?;
            let used = self.queue.put_used(to, buffer.head(), buffer.written());
            used.map_err(Wrong::Receiver)?;
            self.buffers = self.buffers.wrapping_add(1);
            if self.left == 0 {
                return Ok(Copied::Whole);
            }
            if !is_mergeable {
                return Ok(Copied::TooLarge);
            }
            if budget.received == 0 {
                return Ok(Copied::Spent);
            }
        }
    }

    /// Writes the header, and shows the receiver the frame.
    #[inline]
    fn finish(
        &mut self,
        mut header: [u8; HEADER as usize],
        to: &impl MemoryAccess,
    ) -> Result<(), Fault> {
        [header[10], header[11]] = self.buffers.to_le_bytes();
        header[0] &= NEEDS_CSUM;
        if let Some(at) = self.header_at {
            to.write(at, header)?;
        }
        self.queue.publish(to)?;
        self.queue.disarm(to)
    }
}
