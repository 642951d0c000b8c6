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

use super::call::{Call, judge, open};
use super::deliver::Delivery;
use super::ports::{Budget, Memories, Receiver, SenderState};
use crate::virtio::chain::{Chain, Cursor, Stop};
use crate::virtio::memory::{MemoryAccess, Place};
use crate::virtio::personality::{NET_GUEST_CSUM, NET_GUEST_TSO4, NET_GUEST_TSO6, NET_MRG_RXBUF};
use crate::virtio::{BYTES_PER_CALL, DESCRIPTORS_PER_CALL};

/// The size of the header in bytes.
const HEADER: u32 = 12;
/// The size of an Ethernet header in bytes.
const ETHERNET_HEADER: u32 = 14;
/// The flag of a partial checksum, in the first word of the header.
const NEEDS_CSUM: u32 = 1;
/// The offset of the number of buffers in the last word of the header.
const NUM_BUFFERS: u64 = 2;

/// The words of a header.
type Header = [u32; HEADER as usize / 4];

/// A frame on its way.
struct Frame<'a> {
    /// The header as it is sent on, for one buffer.
    header: Header,
    /// The features that a receiver needs.
    needs: u64,
    /// Its bytes after the header.
    bytes: Cursor<'a>,
    size: u32,
}

/// Forwards a frame.
///
/// # Errors
///
/// As [`Call::drain`].
pub(super) fn forward_frame<M: Memories>(
    call: &mut Call<'_, M>,
    sender: &mut SenderState,
    receivers: &mut [Receiver],
    memory: &M::View,
) -> Result<(), Stop> {
    let total = call.sent.readable_bytes();
    let mut bytes = call.sent.reader();
    let mut header = Header::default();
    let has_size = total <= BYTES_PER_CALL.into() && total >= (HEADER + ETHERNET_HEADER).into();
    let has_header = has_size && bytes.read(memory, &mut header);
    let Some(needs) = needed_features(header[0]).filter(|_| has_header) else {
        sender.counters.count_wrong();
        return Ok(());
    };
    let header = [header[0] & !0xfe, header[1], header[2] & 0xffff | 1 << 16];
    let is_pair = receivers.len() == 1;
    let mut meant = 1;
    if !is_pair {
        // A copy, because the look-up may be on the way into the next segment.
        let mut words = [0; 2];
        bytes.clone().read(memory, &mut words);
        let address = u64::from(words[0]) | u64::from(words[1] & 0xffff) << 32;
        meant = find(address, sender, receivers);
        // The look-up in a large network is as much work as some descriptors.
        let work = receivers.len() as u16 / 16;
        call.budget.sent = call.budget.sent.saturating_sub(work);
    }
    let frame = Frame { header, needs, bytes, size: (total as u32).wrapping_sub(HEADER) };
    while meant != 0 {
        let index = meant.trailing_zeros();
        meant &= meant.wrapping_sub(1);
        let Some(receiver) = receivers.get_mut(index as usize) else { break };
        let Some(to) = open(&mut call.peer, call.memories, receiver.port) else { continue };
        let (buffer, budget) = (&mut call.buffer, &mut call.budget);
        let delivered = match deliver(&frame, memory, receiver, to, buffer, budget) {
            Ok(()) => continue,
            // Nobody waits for one of many.
            Err(Stop::Empty) if !is_pair => {
                receiver.counters.count_lost();
                continue;
            }
            Err(Stop::Empty) => await_buffer(receiver, to),
            Err(stop) => stop,
        };
        if delivered == Stop::Spent {
            sender.done = index.into();
        }
        judge(&mut call.outcome, receiver, delivered)?;
    }
    Ok(())
}

/// Returns the receivers of a frame in a network of more than two ports, one bit each by their
/// index, without those that have it already.
#[inline(never)]
fn find(address: u64, sender: &SenderState, receivers: &[Receiver]) -> u64 {
    let is_group = address & 1 != 0;
    let (mut found, mut bit) = (0, 1_u64);
    for receiver in receivers {
        if (is_group || receiver.address == address) && receiver.port != sender.port {
            found |= bit;
        }
        bit = bit.rotate_left(1);
    }
    found & u64::MAX << (sender.done & 63)
}

/// Has a receiver notify of its next buffer. Returns [`Stop::Empty`], or [`Stop::Spent`] if it has
/// made one available meanwhile.
fn await_buffer(receiver: &mut Receiver, memory: &impl MemoryAccess) -> Stop {
    let Some(queue) = &mut receiver.queue else { return Stop::Empty };
    match queue.await_next(memory) {
        Ok(true) => Stop::Spent,
        Ok(false) => Stop::Empty,
        Err(fault) => fault.into(),
    }
}

/// Returns the features that a receiver needs for a frame whose header has this first word; `None`
/// if there are none that would do.
#[inline]
fn needed_features(header: u32) -> Option<u64> {
    let checksum = if header & NEEDS_CSUM != 0 { NET_GUEST_CSUM } else { 0 };
    match header >> 8 & 0xff {
        0 => Some(checksum),
        1 => Some(checksum | NET_GUEST_TSO4),
        4 => Some(checksum | NET_GUEST_TSO6),
        _ => None,
    }
}

/// Copies a frame into a receiver's buffers, and gives it all of them or none.
///
/// # Errors
///
/// [`Stop::Empty`] if there are not enough buffers; what is wrong with the memory of either;
/// [`Stop::Spent`].
#[inline(never)]
fn deliver<M: MemoryAccess>(
    frame: &Frame<'_>,
    from: &M,
    receiver: &mut Receiver,
    to: &M,
    buffer: &mut Chain<'_>,
    budget: &mut Budget,
) -> Result<(), Stop> {
    if frame.size.wrapping_add(HEADER) > budget.bytes || budget.received == 0 {
        // A frame is not larger than a whole budget, so each is moved some time.
        return Err(Stop::Spent);
    }
    let can_take = frame.needs & !receiver.features == 0;
    let Some(queue) = receiver.queue.as_mut().filter(|_| can_take) else {
        budget.received = budget.received.wrapping_sub(1);
        receiver.counters.count_lost();
        return Ok(());
    };
    let is_mergeable = receiver.features & NET_MRG_RXBUF != 0;
    let is_first = budget.received == DESCRIPTORS_PER_CALL;
    let before = queue.position();
    let (bytes, last_word) = (frame.bytes.clone(), Place::START);
    let mut delivery = Delivery { bytes, from, queue, to, buffer, budget, last_word };
    let mut header = frame.header;
    let (mut words, mut left) = (&mut header[..], frame.size);
    let (mut buffers, mut number_at) = (0_u16, last_word);
    let stop = loop {
        let size = match delivery.fill(words, left) {
            Ok(size) => size,
            Err(stop) => break Some(stop),
        };
        if buffers == 0 {
            number_at = delivery.last_word.after(NUM_BUFFERS);
        }
        buffers = buffers.wrapping_add(1);
        words = &mut [];
        left = left.wrapping_sub(size);
        if is_mergeable {
            let (size, count) = delivery.fill_usual(left);
            (left, buffers) = (left.wrapping_sub(size), buffers.wrapping_add(count));
        }
        if left == 0 {
            if buffers > 1 {
                to.write(number_at, buffers.to_le_bytes());
            }
            delivery.queue.publish(to);
            delivery.queue.disarm(to);
            return Ok(());
        }
        if !is_mergeable {
            break None;
        }
    };
    let was_full = delivery.queue.was_full(before);
    delivery.queue.restore(before);
    // The attempt counts too.
    budget.received = budget.received.saturating_sub(1);
    match stop {
        // It does not fit, though the receiver has all of its buffers in the queue.
        Some(Stop::Empty) if was_full => {}
        // No call may use as many descriptors.
        Some(Stop::Spent) if is_first => {}
        Some(stop) => return Err(stop),
        None => {}
    }
    receiver.counters.count_lost();
    Ok(())
}
