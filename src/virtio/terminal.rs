//! A console whose other end is Bulkhead's own console, not another partition (VIRTIO 1.2, 5.3).
//!
//! What the driver transmits is appended to the partition's output, and the input that is typed for
//! the partition is received. A call moves a bounded number of bytes ([`BUDGET`]) and says whether
//! there is more. If the console has no room, the rest stays in the driver's buffers, unused, until
//! the caller has room again.
//!
//! A driver that writes a line in several buffers is interrupted once, when the line has ended:
//! Linux waits for no interrupt after it has sent, but gets one for each. The caller bounds the time
//! for which a buffer that ends no line waits for its interrupt.

use super::chain::{Chain, Stop, room};
use super::memory::{MemoryAccess, Sink};
use super::queue::{Queue, Segment};
use super::{Fault, TERMINAL_QUEUE_SIZE as QUEUE_SIZE};
use alloc::boxed::Box;

/// What a call may do, in bytes of output. A descriptor takes as long as [`DESCRIPTOR_COST`] bytes.
const BUDGET: u16 = 256;
/// What reading a descriptor takes of the budget, with its part of what a chain takes.
const DESCRIPTOR_COST: u16 = 8;
/// What a chain takes of the budget beside its descriptors.
const CHAIN_COST: u16 = 24;
/// The bytes of a chain that a call moves at least, even if the descriptors take all of the budget.
const LEAST: u16 = 16;
/// The bytes of input that a call moves at most, and the buffers that it uses for them.
const INPUT: u16 = 32;

/// The other end of a terminal, which takes output.
pub trait Line: Sink {
    /// Returns the number of bytes of output for which there is room.
    fn room(&self) -> usize;

    /// Returns whether a line has ended since the call began.
    fn has_ended(&self) -> bool;

    /// Returns whether there is input.
    fn has_input(&self) -> bool;

    /// Takes a byte of input, if there is one.
    fn take(&mut self) -> Option<u8>;
}

/// What the caller has to do after a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TerminalOutcome {
    /// Whether the driver wants an interrupt for used buffers.
    pub signal: bool,
    /// Whether buffers were used for which the driver was not interrupted yet. The next call for
    /// which an interrupt [is due](Terminal::run) must follow soon.
    pub owes_signal: bool,
    /// What the driver did wrong, if the device needs a reset. It uses the queues no more.
    pub fault: Option<Fault>,
    /// Whether there is more to do that this call was not allowed to do.
    pub more: bool,
    /// Whether output waits for room.
    pub is_full: bool,
}

/// Why the transmission has stopped.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pause {
    /// The driver has made nothing else available, and notifies of what follows.
    Idle,
    /// There is no room.
    Full,
    /// The budget is used up.
    Spent,
}

/// The queues of a console, and how far the device has come.
pub struct Terminal {
    /// The receive queue and the transmit queue; `None` while the driver does not work.
    queues: Option<[Queue; 2]>,
    segments: Box<[Segment]>,
    /// The number of bytes of the first chain that earlier calls have sent.
    done: u64,
}

impl Default for Terminal {
    // Inlined into the code of boot.
    #[inline(always)]
    fn default() -> Self {
        Self { queues: None, segments: room(), done: 0 }
    }
}

impl Terminal {
    /// Sets the receive queue and the transmit queue, in this order; `None` if the device was reset.
    ///
    /// # Errors
    ///
    /// [`Fault::Setup`] if one has more descriptors than [`TERMINAL_QUEUE_SIZE`](super::TERMINAL_QUEUE_SIZE).
    pub fn attach(&mut self, queues: Option<[Queue; 2]>) -> Result<(), Fault> {
        (self.queues, self.done) = (None, 0);
        if queues.iter().flatten().any(|queue| queue.size() > QUEUE_SIZE) {
            return Err(Fault::Setup);
        }
        self.queues = queues;
        Ok(())
    }

    /// Moves output and input between the driver's buffers in `memory` and a line. `is_due` says
    /// that the driver must not wait any longer for an interrupt.
    pub fn run<M: MemoryAccess>(
        &mut self,
        memory: &M,
        line: &mut impl Line,
        is_due: bool,
    ) -> TerminalOutcome {
        let mut outcome = TerminalOutcome::default();
        let Self { queues: place, segments, done } = self;
        let Some(queues) = place else { return outcome };
        let [receiving, transmitting] = queues;
        let moved = transmit(transmitting, segments, done, memory, line).and_then(|pause| {
            let has_input = line.has_input();
            let has_more = has_input && receive(receiving, segments, memory, line)?;
            Ok((pause, has_more))
        });
        match moved {
            Ok((pause, has_more)) => {
                outcome.more = has_more || pause == Pause::Spent;
                outcome.is_full = pause == Pause::Full;
            }
            Err(fault) => outcome.fault = Some(fault),
        }
        // Published before the fence.
        memory.fence();
        outcome.signal = receiving.must_signal_after_fence(memory);
        if is_due || outcome.signal || line.has_ended() || outcome.fault.is_some() {
            outcome.signal |= transmitting.must_signal_after_fence(memory);
        }
        outcome.owes_signal = transmitting.has_news();
        if outcome.fault.is_some() {
            *place = None;
        }
        outcome
    }
}

/// Appends what the driver transmits to the output. `done` is the number of bytes of the first chain
/// that were sent before.
///
/// # Errors
///
/// A [`Fault`] of the driver.
fn transmit<M: MemoryAccess>(
    queue: &mut Queue,
    segments: &mut [Segment],
    done: &mut u64,
    memory: &M,
    line: &mut impl Line,
) -> Result<Pause, Fault> {
    let mut chain = Chain::new(segments);
    let mut budget = BUDGET;
    queue.look(memory)?;
    let pause = loop {
        if !queue.has_seen_next() {
            queue.publish(memory);
            if !queue.await_next(memory)? {
                return Ok(Pause::Idle);
            }
        }
        if budget == 0 {
            break Pause::Spent;
        }
        let descriptors = read(&mut chain, queue, memory)?;
        if chain.writable_bytes() != 0 {
            return Err(Fault::Direction);
        }
        budget = budget
            .saturating_sub(DESCRIPTOR_COST.wrapping_mul(descriptors).wrapping_add(CHAIN_COST));
        // The driver may have made the chain shorter since an earlier call.
        let left = chain.readable_bytes().saturating_sub(*done);
        let room = line.room();
        let most = u64::from(budget.max(LEAST)).min(room as u64);
        let size = left.min(most) as u16;
        let mut bytes = chain.reader();
        bytes.skip(*done);
        bytes.pass(memory, size, line);
        budget = budget.saturating_sub(size);
        if u64::from(size) < left {
            *done = done.wrapping_add(u64::from(size));
            break if usize::from(size) == room { Pause::Full } else { Pause::Spent };
        }
        *done = 0;
        queue.put_used(memory, chain.head(), 0);
    };
    queue.publish(memory);
    Ok(pause)
}

/// Fills the driver's buffers with input. Returns whether there is more, for which there is a
/// buffer.
///
/// # Errors
///
/// A [`Fault`] of the driver.
#[inline(never)]
fn receive<M: MemoryAccess>(
    queue: &mut Queue,
    segments: &mut [Segment],
    memory: &M,
    line: &mut impl Line,
) -> Result<bool, Fault> {
    let mut chain = Chain::new(segments);
    let mut left = INPUT;
    while line.has_input() && left > 0 {
        if !queue.has_next(memory)? && !queue.await_next(memory)? {
            return Ok(false);
        }
        let descriptors = read(&mut chain, queue, memory)?;
        if chain.readable_bytes() != 0 {
            return Err(Fault::Direction);
        }
        let size = u64::from(left).min(chain.writable_bytes()) as u16;
        if size == 0 {
            return Err(Fault::BufferLength);
        }
        let (mut place, mut written) = (chain.writer(), 0_u16);
        while written < size
            && let Some(byte) = line.take()
        {
            place.write_byte(memory, byte);
            written = written.wrapping_add(1);
        }
        left = left.saturating_sub(written.max(descriptors));
        queue.put_used(memory, chain.head(), written.into());
        queue.publish(memory);
        queue.disarm(memory);
    }
    Ok(line.has_input())
}

/// Reads the next chain, and returns the number of its descriptors.
///
/// # Errors
///
/// A [`Fault`] of the driver.
#[inline(never)]
fn read(chain: &mut Chain<'_>, queue: &Queue, memory: &impl MemoryAccess) -> Result<u16, Fault> {
    let mut rest = QUEUE_SIZE;
    match chain.read(queue, memory, &mut rest) {
        Ok(()) => Ok(QUEUE_SIZE.wrapping_sub(rest)),
        Err(Stop::Fault(fault)) => Err(fault),
        // No queue has more descriptors.
        Err(Stop::Empty | Stop::Spent) => Err(Fault::ChainLength),
    }
}
