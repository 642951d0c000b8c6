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
//! Whoever sends takes the lock and moves the data ("push"). If the receiver has no buffers, the
//! data stay in the sender's queue, and the receiver moves them when it has some ("pull"). A CPU
//! that finds the lock held leaves a [notice](super::notices) and goes on.
//!
//! | the receiver | network of two ports | of more ports | console | socket |
//! |---|---|---|---|---|
//! | has no buffer | waits | drops | waits | waits |
//! | is not there | drops | drops | drops | answers with RST |
//!
//! Each call moves at most [`BYTES_PER_CALL`] and reads at most [`DESCRIPTORS_PER_CALL`] of both
//! sides each, or one packet less than that.

mod network;
mod outcome;
mod socket;
mod stream;

use super::chain::{Chain, Wrong};
use super::memory::MemoryAccess;
use super::personality::{RECEIVE, TRANSMIT};
use super::queue::Queue;
use super::{BYTES_PER_CALL, DESCRIPTORS_PER_CALL, Fault};
use alloc::boxed::Box;
use alloc::vec::Vec;

pub use outcome::{Counters, Outcome};
pub use socket::send_reset_event;

/// The largest number of ports of a link.
pub const MAX_PORTS: u8 = 64;

/// What a link connects.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Network cards.
    Network,
    /// Consoles. There are two.
    Console,
    /// Socket devices.
    Socket,
}

/// The memories of a link's ports.
pub trait Memories {
    /// The memory of one.
    type Memory: MemoryAccess;

    /// Opens the memory of the partition at a port, for as long as the result is kept; `None` if it
    /// may not be touched. At most two are open at a time.
    fn open(&self, port: u8) -> Option<Self::Memory>;
}

/// A port whose transmit queue is in a lane.
struct Sender {
    port: u8,
    queue: Option<Queue>,
    state: SenderState,
}

/// What a lane knows about a sender besides its queue.
struct SenderState {
    /// Its MAC address, the first byte in the lowest bits, or its CID.
    address: u64,
    /// How much of the first chain was moved by earlier calls: a number of bytes of a stream, or of
    /// receivers of a frame.
    done: u64,
    counters: Counters,
}

/// A port whose receive queue is in a lane.
struct Receiver {
    port: u8,
    address: u64,
    /// The features that its driver has accepted.
    features: u64,
    queue: Option<Queue>,
    /// Whether something was put into the queue in this call.
    has_news: bool,
    counters: Counters,
}

impl Receiver {
    /// Counts a packet that was dropped.
    fn count_drop(&mut self) {
        self.counters.drops = self.counters.drops.wrapping_add(1);
    }

    /// Counts a packet of `bytes` that was published.
    #[inline]
    fn count(&mut self, bytes: u32) {
        self.has_news = true;
        self.counters.add(bytes);
    }
}

/// What a call may still do.
struct Budget {
    bytes: u32,
    sent: u16,
    received: u16,
}

impl Budget {
    const WHOLE: Self =
        Self { bytes: BYTES_PER_CALL, sent: DESCRIPTORS_PER_CALL, received: DESCRIPTORS_PER_CALL };
}

/// What became of a chain of a sender.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Verdict {
    /// It was moved or dropped.
    Done,
    /// The receiver has no buffer, and notifies when it has one.
    Wait,
    /// The call may not do more.
    Spent,
}

/// What one lock guards.
pub struct Lane {
    kind: Kind,
    senders: Vec<Sender>,
    receivers: Vec<Receiver>,
    /// The index of the sender that is served first.
    first: usize,
    /// The chain that is moved.
    chain: Box<Chain>,
}

impl Lane {
    /// Creates the lanes of a link whose ports have these addresses: MAC addresses, the first byte
    /// in the lowest bits; CIDs; or anything for consoles. The port of an address is its index.
    ///
    /// If there are two lanes, the first is that in which port 0 sends.
    pub fn of_link(kind: Kind, addresses: &[u64]) -> Vec<Self> {
        let lane = |sends: &dyn Fn(u8) -> bool, receives: &dyn Fn(u8) -> bool| {
            let ports = (0..MAX_PORTS).zip(addresses);
            let senders = ports.clone().filter(|it| sends(it.0)).map(|(port, &address)| {
                let state = SenderState { address, done: 0, counters: Counters::default() };
                Sender { port, queue: None, state }
            });
            let receivers = ports.filter(|it| receives(it.0)).map(|(port, &address)| Receiver {
                port,
                address,
                features: 0,
                queue: None,
                has_news: false,
                counters: Counters::default(),
            });
            let (senders, receivers) = (senders.collect(), receivers.collect());
            Self { kind, senders, receivers, first: 0, chain: Box::default() }
        };
        if kind == Kind::Socket || addresses.len() > 2 {
            return Vec::from([lane(&|_| true, &|_| true)]);
        }
        Vec::from([lane(&|it| it == 0, &|it| it == 1), lane(&|it| it == 1, &|it| it == 0)])
    }

    /// Returns the senders of this lane that a notification of a port's queue concerns, one bit
    /// each; 0 if it concerns another lane, or nothing.
    #[inline]
    pub fn concerned(&self, port: u8, queue: u16) -> u64 {
        let has_sender = self.senders.iter().any(|it| it.port == port);
        match queue {
            TRANSMIT if has_sender => bit(port),
            RECEIVE if self.receivers.iter().any(|it| it.port == port) => {
                let others = self.senders.iter().filter(|it| it.port != port);
                others.fold(0, |bits, it| bits | bit(it.port))
            }
            _ => 0,
        }
    }

    /// Sets the queue from which a port sends, if the port is a sender of this lane.
    // Not inlined, so that the compiler knows that the two do not overlap.
    #[inline(never)]
    pub fn attach_sender(&mut self, port: u8, queue: &Queue) {
        if let Some(sender) = self.senders.iter_mut().find(|it| it.port == port) {
            (sender.queue, sender.state.done) = (Some(*queue), 0);
        }
    }

    /// Sets the queue into which a port receives and its driver's features, if the port is a
    /// receiver of this lane.
    ///
    /// # Errors
    ///
    /// [`Fault::Outside`] if the queue is not in the memory.
    // As `attach_sender`.
    #[inline(never)]
    pub fn attach_receiver(
        &mut self,
        port: u8,
        queue: &Queue,
        features: u64,
        memory: &impl MemoryAccess,
    ) -> Result<(), Fault> {
        if let Some(receiver) = self.receivers.iter_mut().find(|it| it.port == port) {
            let mut queue = *queue;
            queue.disarm(memory)?;
            (receiver.queue, receiver.features) = (Some(queue), features);
        }
        Ok(())
    }

    /// Forgets the queues of a port. The lane does not touch its memory until it has new ones.
    ///
    /// Returns the senders that may have waited for its buffers, one bit each: what they have sent
    /// is dropped when they are next served.
    pub fn detach(&mut self, port: u8) -> u64 {
        if let Some(sender) = self.senders.iter_mut().find(|it| it.port == port) {
            (sender.queue, sender.state.done) = (None, 0);
        }
        if let Some(receiver) = self.receivers.iter_mut().find(|it| it.port == port) {
            receiver.queue = None;
        }
        self.concerned(port, RECEIVE)
    }

    /// Returns what a port has sent in this lane, and what it has received.
    pub fn counters(&self, port: u8) -> (Option<Counters>, Option<Counters>) {
        let sender = self.senders.iter().find(|it| it.port == port);
        let receiver = self.receivers.iter().find(|it| it.port == port);
        (sender.map(|it| it.state.counters), receiver.map(|it| it.counters))
    }

    /// Moves what some senders, one bit each, have made available.
    #[inline]
    pub fn run<M: Memories>(&mut self, senders: u64, memories: &M) -> Outcome {
        let mut outcome = Outcome::default();
        let mut budget = Budget::WHOLE;
        let count = self.senders.len();
        let mut index = self.first;
        for _ in 0..count {
            index = if index < count { index } else { 0 };
            let Some(sender) = self.senders.get(index) else { break };
            if senders & bit(sender.port) != 0 {
                self.serve(index, memories, &mut budget, &mut outcome);
            }
            index = index.wrapping_add(1);
        }
        for receiver in &mut self.receivers {
            if receiver.has_news {
                receiver.has_news = false;
                signal(receiver.port, &mut receiver.queue, memories, &mut outcome);
            }
        }
        outcome
    }

    /// Serves one sender.
    fn serve<M: Memories>(
        &mut self,
        index: usize,
        memories: &M,
        budget: &mut Budget,
        outcome: &mut Outcome,
    ) {
        let Self { kind, senders, receivers, first, chain } = self;
        let Some(sender) = senders.get_mut(index) else { return };
        let Some(queue) = &mut sender.queue else { return };
        let port = sender.port;
        let Some(memory) = memories.open(sender.port) else { return };
        let mut has_progress = false;
        let served = loop {
            let (kind, state) = (*kind, &mut sender.state);
            let step =
                Step { kind, port, sender: state, receivers, chain, memories, budget, outcome };
            match step.run(queue, &memory) {
                Ok(Some(Verdict::Done)) => has_progress = true,
                Ok(Some(Verdict::Spent)) => {
                    outcome.more |= bit(sender.port);
                    // Who could not begin is first in the next call.
                    *first = if has_progress { index.wrapping_add(1) } else { index };
                    break Ok(());
                }
                Ok(Some(Verdict::Wait) | None) => break Ok(()),
                Err(fault) => break Err(fault),
            }
        };
        let served = served.and_then(|()| queue.must_signal(&memory));
        match served {
            Ok(must_signal) => outcome.signal |= u64::from(must_signal) << (port & 63),
            Err(fault) => {
                (sender.queue, sender.state.done) = (None, 0);
                outcome.add_fault(port, fault);
            }
        }
    }
}

/// Finds out whether a driver wants an interrupt.
fn signal<M: Memories>(port: u8, place: &mut Option<Queue>, memories: &M, outcome: &mut Outcome) {
    let (Some(queue), Some(memory)) = (place.as_mut(), memories.open(port)) else { return };
    match queue.must_signal(&memory) {
        Ok(must_signal) => outcome.signal |= u64::from(must_signal) << (port & 63),
        Err(fault) => {
            *place = None;
            outcome.add_fault(port, fault);
        }
    }
}

/// One chain of a sender, and all that is needed to move it.
struct Step<'a, M> {
    kind: Kind,
    port: u8,
    sender: &'a mut SenderState,
    receivers: &'a mut [Receiver],
    chain: &'a mut Chain,
    memories: &'a M,
    budget: &'a mut Budget,
    outcome: &'a mut Outcome,
}

impl<M: Memories> Step<'_, M> {
    /// Moves the next chain; `None` if there is none, and the driver notifies of the next one.
    #[inline]
    fn run(mut self, queue: &mut Queue, memory: &M::Memory) -> Result<Option<Verdict>, Fault> {
        if !queue.has_next_or_arm(memory)? {
            return Ok(None);
        }
        let before = queue.position();
        if !self.chain.read(queue, memory, &mut self.budget.sent)? {
            queue.restore(before);
            return Ok(Some(Verdict::Spent));
        }
        if self.chain.writable_bytes() != 0 {
            return Err(Fault::Direction);
        }
        let verdict = match self.kind {
            Kind::Network => self.forward_frame(memory)?,
            Kind::Console => self.forward_bytes(memory)?,
            Kind::Socket => self.forward_packet(memory)?,
        };
        if verdict == Verdict::Done {
            self.sender.done = 0;
            let counters = &mut self.sender.counters;
            counters.packets = counters.packets.wrapping_add(1);
            counters.bytes = counters.bytes.wrapping_add(self.chain.readable_bytes());
            queue.put_used(memory, self.chain.head(), 0)?;
            queue.publish(memory)?;
        } else {
            queue.restore(before);
        }
        Ok(Some(verdict))
    }

    /// Tells the mistake of a sender from that of a receiver, for which the packet is dropped.
    #[inline]
    fn judge(
        receiver: &mut Receiver,
        outcome: &mut Outcome,
        result: Result<Verdict, Wrong>,
    ) -> Result<Verdict, Fault> {
        match result {
            Ok(verdict) => Ok(verdict),
            Err(Wrong::Sender(fault)) => Err(fault),
            Err(Wrong::Receiver(fault)) => {
                receiver.queue = None;
                outcome.add_fault(receiver.port, fault);
                Ok(Verdict::Done)
            }
        }
    }
}

/// Returns the bit of a port.
#[inline(always)]
fn bit(port: u8) -> u64 {
    1 << (port & 63)
}
