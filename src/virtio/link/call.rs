//! One call of a lane: serving its senders.

use super::outcome::{Outcome, bit};
use super::ports::{Budget, DESCRIPTORS_PER_PACKET, Kind, Memories, Receiver, Sender, SenderState};
use crate::virtio::Fault;
use crate::virtio::chain::{Chain, Stop};
use crate::virtio::memory::MemoryAccess;
use crate::virtio::queue::Queue;

/// The function that forwards a packet of a link. A pointer, because the code of those kinds of
/// links that a description does not have is unmapped.
pub struct Forward<M: Memories>(pub(super) Function<M>);

/// Forwards the packet that a call has read. Its errors are those of [`Call::drain`].
pub(super) type Function<M> = fn(
    &mut Call<'_, M>,
    &mut SenderState,
    &mut [Receiver],
    &<M as Memories>::View,
) -> Result<(), Stop>;

// Not derived, as that would ask the same of `M`.
impl<M: Memories> Clone for Forward<M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M: Memories> Copy for Forward<M> {}

impl<M: Memories> Forward<M> {
    /// Forwards the packet that a call has read.
    ///
    /// # Errors
    ///
    /// As [`Call::drain`].
    #[inline(always)]
    fn packet(
        self,
        call: &mut Call<'_, M>,
        sender: &mut SenderState,
        receivers: &mut [Receiver],
        memory: &M::View,
    ) -> Result<(), Stop> {
        self.0(call, sender, receivers, memory)
    }
}

/// One call of a lane: what it may use, and what it has done.
pub(super) struct Call<'a, M: Memories> {
    pub memories: &'a M,
    /// The port whose memory is open besides the sender's.
    pub peer: Option<(u8, M::Memory)>,
    /// The chain that is moved.
    pub sent: Chain<'a>,
    /// The receiver's buffer that is filled.
    pub buffer: Chain<'a>,
    pub budget: Budget,
    pub outcome: Outcome,
}

impl<M: Memories> Call<'_, M> {
    /// Serves one sender. Returns the port that is first in the next call, if it shall be another
    /// one.
    #[inline]
    pub fn serve(
        &mut self,
        kind: Kind,
        forward: Forward<M>,
        sender: &mut Sender,
        receivers: &mut [Receiver],
    ) -> Option<u8> {
        let Sender { queue: place, state } = sender;
        let queue = place.as_mut()?;
        let port = state.port;
        let open_memory = self.memories.open(port)?;
        let memory = &*open_memory;
        let before = queue.position();
        let mut next = None;
        if let Err(stop) = self.drain(kind, forward, queue, state, receivers, memory) {
            queue.publish(memory);
            // Arming a queue, which is the last step if nothing stops the call, includes a fence.
            memory.fence();
            if let Stop::Fault(fault) = stop {
                (*place, state.done) = (None, 0);
                self.outcome.add_fault(port, fault);
            } else if stop == Stop::Spent {
                self.outcome.more |= bit(port);
                // Who could not begin is first in the next call.
                let has_progress = queue.position() != before;
                next = Some(if has_progress { port.wrapping_add(1) } else { port });
            }
        }
        signal(&mut self.outcome, port, place, memory);
        // A receiver may be the sender, whose memory must not be open twice.
        drop(open_memory);
        for Receiver { port, queue, .. } in receivers {
            if queue.as_ref().is_some_and(Queue::has_news)
                && let Some(to) = open(&mut self.peer, self.memories, *port)
            {
                signal(&mut self.outcome, *port, queue, to);
            }
        }
        // The next sender may be this port.
        self.peer = None;
        next
    }

    /// Moves a sender's chains until there are no more, and the driver notifies of the next one.
    ///
    /// # Errors
    ///
    /// A [`Fault`] of the sender; [`Stop::Empty`] if a receiver has no buffer, and notifies when it
    /// has one; [`Stop::Spent`].
    #[inline]
    fn drain(
        &mut self,
        kind: Kind,
        forward: Forward<M>,
        queue: &mut Queue,
        sender: &mut SenderState,
        receivers: &mut [Receiver],
        memory: &M::View,
    ) -> Result<(), Stop> {
        queue.look(memory)?;
        loop {
            if !queue.has_seen_next() {
                queue.publish(memory);
                if !queue.await_next(memory)? {
                    return Ok(());
                }
            }
            self.sent.read(queue, memory, &mut self.budget.sent)?;
            if self.sent.writable_bytes() != 0 {
                return Err(Fault::Direction.into());
            }
            forward.packet(self, sender, receivers, memory)?;
            self.budget.sent = self.budget.sent.saturating_sub(DESCRIPTORS_PER_PACKET);
            sender.done = 0;
            let bytes = self.sent.readable_bytes().saturating_sub(kind.header_size());
            sender.counters.count_packet(bytes);
            queue.put_used(memory, self.sent.head(), 0);
        }
    }
}

/// Finds out whether a driver wants an interrupt for what was published before a fence.
fn signal<M: MemoryAccess>(outcome: &mut Outcome, port: u8, place: &mut Option<Queue>, memory: &M) {
    if place.as_mut().is_some_and(|queue| queue.must_signal_after_fence(memory)) {
        outcome.signal |= bit(port);
    }
}

/// Opens the memory of a port unless it is the one that is open in `peer`.
#[inline(never)]
pub(super) fn open<'a, M: Memories>(
    peer: &'a mut Option<(u8, M::Memory)>,
    memories: &M,
    port: u8,
) -> Option<&'a M::View> {
    if peer.as_ref().is_none_or(|it| it.0 != port) {
        // Closed before another one is opened.
        *peer = None;
        *peer = memories.open(port).map(|memory| (port, memory));
    }
    peer.as_ref().map(|it| &*it.1)
}

/// Handles what stopped a delivery to a receiver: its own mistake costs it its queue, and the
/// packet is dropped.
///
/// # Errors
///
/// What is to stop the sender: see [`Call::drain`].
#[inline(never)]
pub(super) fn judge(
    outcome: &mut Outcome,
    receiver: &mut Receiver,
    stop: Stop,
) -> Result<(), Stop> {
    match stop {
        Stop::Fault(fault) => {
            receiver.queue = None;
            outcome.add_fault(receiver.port, fault);
            Ok(())
        }
        Stop::Empty | Stop::Spent => Err(stop),
    }
}
