//! Links: what one partition sends is moved into buffers of others.
//!
//! A [`Lane`] is what one lock guards: the transmit queues of some ports, and the receive queues of
//! the ports that they send to.
//!
//! | link | lanes |
//! |---|---|
//! | network of two ports, console | one for each direction |
//! | network of more ports, sockets | one |
//!
//! Whoever sends takes the lock and moves the data ("push"). What waits for the receiver's buffers
//! stays in the sender's queue, and the receiver moves it when it has some ("pull"). A CPU that
//! finds the lock held leaves a [notice](super::notices) and goes on.
//!
//! | the receiver | network of two ports | of more ports | console | socket |
//! |---|---|---|---|---|
//! | has no buffer | waits | drops | drops | waits |
//! | is not there | drops | drops | drops | answers with RST |
//!
//! A console's bytes fill the buffers that the receiver's driver has given, and the rest is dropped:
//! drivers wait for each write until the device has used it, Linux with interrupts masked, so a
//! receiver that takes nothing would otherwise stop its peer.
//!
//! A socket's packets are never dropped for want of a buffer, because the driver at the other end
//! would take that for lost data. So a driver that works but gives no buffers holds up what its
//! peers send to others too, until it gives some, or its device is reset.
//!
//! A network passes checksums and the division of TCP segments on to the receiver. A frame that
//! needs a feature which the receiver's driver has not accepted is dropped: between drivers of
//! which only some have them, the link's offloads must be off.
//!
//! Each call moves at most [`BYTES_PER_CALL`] and reads at most [`DESCRIPTORS_PER_CALL`] of both
//! sides each, or one packet less than that. So it moves at most 64 packets, as each counts for some
//! descriptors.

mod call;
mod counters;
mod deliver;
mod forward;
mod network;
mod outcome;
mod ports;
mod quick;
mod socket;
mod stream;

use super::Fault;
use super::chain::{Chain, room};
use super::memory::MemoryAccess;
use super::personality::{RECEIVE, TRANSMIT};
use super::queue::{Queue, Segment};
use super::registers::Queues;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use call::Call;
pub use call::Forward;
use outcome::bit;
use ports::{Receiver, Sender, SenderState};

pub use counters::{Counters, PortCounters};
pub use outcome::Outcome;
pub use ports::{Budget, Kind, Memories};
pub use socket::send_reset_event;

/// The largest number of ports of a link.
pub const MAX_PORTS: u8 = 64;

/// What one lock guards.
pub struct Lane {
    kind: Kind,
    /// Whether it has one sender and one receiver, which are network cards.
    is_pair_of_cards: bool,
    /// The port of the first sender. That of the next one is one more.
    first_sender: u8,
    senders: Vec<Sender>,
    /// The port of the first receiver.
    first_receiver: u8,
    receivers: Vec<Receiver>,
    /// The port that is served first.
    first: u8,
    /// The chain that is moved.
    sent: Box<[Segment]>,
    /// The buffer that is filled.
    buffer: Box<[Segment]>,
}

impl Lane {
    /// Creates the lanes of a link whose ports have these addresses: MAC addresses, the first byte
    /// in the lowest bits; CIDs; or anything for consoles. The port of an address is its index.
    ///
    /// If there are two lanes, the first is that in which port 0 sends.
    pub fn of_link(kind: Kind, addresses: &[u64]) -> Vec<Self> {
        let port = |(port, address): (u8, &u64)| {
            let counters = Arc::new(PortCounters::default());
            SenderState { port, address: *address, done: 0, counters }
        };
        let ports: Vec<SenderState> = (0..MAX_PORTS).zip(addresses).map(port).collect();
        match &ports[..] {
            [first, second] if kind != Kind::Socket => {
                let [first, second] = [first, second].map(core::slice::from_ref);
                Vec::from([Self::new(kind, first, second), Self::new(kind, second, first)])
            }
            _ => Vec::from([Self::new(kind, &ports, &ports)]),
        }
    }

    /// Creates a lane between ports.
    // Inlined into the code of boot.
    #[inline(always)]
    fn new(kind: Kind, senders: &[SenderState], receivers: &[SenderState]) -> Self {
        let sender = |port: &SenderState| Sender { queue: None, state: port.clone() };
        let receiver = |SenderState { port, address, counters, .. }: &SenderState| Receiver {
            port: *port,
            address: *address,
            features: 0,
            queue: None,
            counters: counters.clone(),
        };
        let first = |ports: &[SenderState]| ports.first().map_or(0, |it| it.port);
        Self {
            kind,
            is_pair_of_cards: kind == Kind::Network && senders.len() == 1 && receivers.len() == 1,
            first_sender: first(senders),
            senders: senders.iter().map(sender).collect(),
            first_receiver: first(receivers),
            receivers: receivers.iter().map(receiver).collect(),
            first: 0,
            sent: room(),
            buffer: room(),
        }
    }

    fn sender(&mut self, port: u8) -> Option<&mut Sender> {
        self.senders.get_mut(usize::from(port.wrapping_sub(self.first_sender)))
    }

    fn receiver(&mut self, port: u8) -> Option<&mut Receiver> {
        self.receivers.get_mut(usize::from(port.wrapping_sub(self.first_receiver)))
    }

    /// Returns the senders of this lane that a notification of a port's queue concerns, one bit
    /// each; 0 if it concerns another lane, or nothing.
    #[inline]
    pub fn concerned(&self, port: u8, queue: u16) -> u64 {
        let senders = bits(self.first_sender, self.senders.len());
        let receivers = bits(self.first_receiver, self.receivers.len());
        match queue {
            TRANSMIT => senders & bit(port),
            RECEIVE if receivers & bit(port) != 0 => senders & !bit(port),
            _ => 0,
        }
    }

    /// Sets the queues of a port as its driver has set them up in `memory`, and the features that
    /// it has accepted.
    ///
    /// # Errors
    ///
    /// A [`Fault`] if one of the two is wrong, also if it is not used in this lane. The port must
    /// be [detached](Self::detach) then.
    // Not inlined, as a change of a driver's queues is rare.
    #[inline(never)]
    pub fn attach(
        &mut self,
        port: u8,
        [receive, transmit, _]: &Queues,
        features: u64,
        memory: &impl MemoryAccess,
    ) -> Result<(), Fault> {
        let mut unused = None;
        let sent = self.sender(port).map_or(&mut unused, |it| &mut it.queue);
        Queue::set_up(sent, transmit, features, memory)?;
        let received = match self.receiver(port) {
            Some(receiver) => {
                receiver.features = features;
                &mut receiver.queue
            }
            None => &mut unused,
        };
        Queue::set_up(received, receive, features, memory)
    }

    /// Forgets the queues of a port. The lane does not touch its memory until it has new ones.
    ///
    /// Returns the senders to serve, one bit each: they may have waited for its buffers, so that
    /// what they have sent is dropped, and the port itself may have a new queue next.
    // As `attach`.
    #[inline(never)]
    pub fn detach(&mut self, port: u8) -> u64 {
        if let Some(sender) = self.sender(port) {
            (sender.queue, sender.state.done) = (None, 0);
        }
        if let Some(receiver) = self.receiver(port) {
            receiver.queue = None;
        }
        bits(self.first_sender, self.senders.len())
    }

    /// Returns the counters of a port, if it is a sender of this lane.
    // Inlined into the code of boot.
    #[inline(always)]
    pub fn counters(&self, port: u8) -> Option<Arc<PortCounters>> {
        let sender = self.senders.iter().find(|it| it.state.port == port);
        sender.map(|it| it.state.counters.clone())
    }

    /// Moves what some senders, one bit each, have made available.
    pub fn run<M: Memories>(&mut self, senders: u64, memories: &M) -> Outcome {
        let mut budget = Budget::default();
        match self.run_quick(senders, memories, &mut budget) {
            Some(signal) => Outcome { signal, copied: budget.copied(), ..Outcome::default() },
            None => self.run_any(senders, memories, budget, Forward::of(self.kind)),
        }
    }

    /// Moves what some senders, one bit each, have made available, if there is one and all that it
    /// has made available is simple. Returns the ports whose drivers want an interrupt, one bit
    /// each; `None` if there may be anything else, for [`Lane::run_any`].
    #[inline]
    pub fn run_quick<M: Memories>(
        &mut self,
        senders: u64,
        memories: &M,
        budget: &mut Budget,
    ) -> Option<u64> {
        match (&mut *self.senders, &mut *self.receivers) {
            ([sender, ..], [receiver, ..])
                if self.is_pair_of_cards && senders & bit(sender.state.port) != 0 =>
            {
                quick::serve(sender, receiver, memories, budget)
            }
            _ => None,
        }
    }

    /// Moves what some senders, one bit each, have made available, for any chains. `forward` is that
    /// of the link's kind.
    #[inline(never)]
    pub fn run_any<M: Memories>(
        &mut self,
        senders: u64,
        memories: &M,
        budget: Budget,
        forward: Forward<M>,
    ) -> Outcome {
        let mut call = Call {
            memories,
            peer: None,
            sent: Chain::new(&mut self.sent),
            buffer: Chain::new(&mut self.buffer),
            budget,
            outcome: Outcome::default(),
        };
        // The bit of the sender that is served first becomes bit 0.
        let first = self.first & 63;
        let mut rest = senders.rotate_right(first.into());
        while rest != 0 {
            let port = (rest.trailing_zeros() as u8).wrapping_add(first) & 63;
            rest &= rest.wrapping_sub(1);
            let index = usize::from(port.wrapping_sub(self.first_sender));
            if let Some(sender) = self.senders.get_mut(index) {
                let next = call.serve(self.kind, forward, sender, &mut self.receivers);
                self.first = next.unwrap_or(self.first);
            }
        }
        call.outcome.copied = call.budget.copied();
        call.outcome
    }
}

/// Returns the bits of `count` ports from `first` on.
#[inline(always)]
fn bits(first: u8, count: usize) -> u64 {
    (u64::MAX >> (64 - count.clamp(1, 64))) << (first & 63)
}
