//! Messages through memory that partitions share, with doorbells (`bulkhead,doorbell`).
//!
//! Each pair of a sender and a receiver has a page, that of the pair (from, to) with the number
//! `from * ports + to`. It is a ring of 32 messages:
//!
//! | offset | who writes it | what |
//! |--:|---|---|
//! | 0x00 | sender | the number of messages sent |
//! | 0x04 | sender | the number of its starts |
//! | 0x40 | receiver | the number of messages taken |
//! | 0x80 | sender | the messages, 64 bytes each: the number, a checksum, 14 words |
//!
//! The memory keeps its contents when a partition restarts. So each side goes on from the numbers
//! that it finds, and no message is lost or comes twice, at whatever moment one of them restarts. The
//! receiver believes nothing: the other side can write everything at any time.

use core::sync::atomic::{AtomicU32, Ordering, fence};

use crate::mmio;
use crate::tree::SharedMemory;

/// The number of messages in a ring.
pub const RING: u32 = 32;
/// The number of words of a message's content.
pub const WORDS: usize = 14;
/// The size of the ring's page.
const PAGE: u64 = 0x1000;

// Offsets in a page.
const SENT: u64 = 0x00;
const STARTS: u64 = 0x04;
const TAKEN: u64 = 0x40;
const MESSAGES: u64 = 0x80;
const MESSAGE_SIZE: u64 = 64;

// Offsets of the doorbell's registers.
const ENABLE: u64 = 0x08;
const RING_REGISTER: u64 = 0x0c;
const READY: u64 = 0x10;

/// A message's content.
pub type Message = [u32; WORDS];

/// Why a message cannot be right: the peer has written something else, or a third has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wrong {
    /// More messages are said to be sent than the ring has.
    Count,
    /// It has another number than the next one.
    Number,
    /// The checksum is another one.
    Checksum,
}

/// Memory through which messages are sent.
#[derive(Clone, Copy)]
pub struct Mailbox {
    shared: SharedMemory,
}

impl Mailbox {
    /// Opens the mailbox of shared memory; `None` if the memory is too small.
    pub fn open(shared: SharedMemory) -> Option<Self> {
        let pages = u64::from(shared.ports) * u64::from(shared.ports);
        (pages > 0 && shared.memory.size >= pages * PAGE).then_some(Self { shared })
    }

    /// Returns the number of the guest's port.
    pub fn port(&self) -> u32 {
        self.shared.port
    }

    /// Returns the ports of the others.
    pub fn others(&self) -> impl Iterator<Item = u32> + use<> {
        let own = self.shared.port;
        (0..self.shared.ports).filter(move |port| *port != own)
    }

    /// Sets whether the others ring this port.
    pub fn enable(&self, is_on: bool) {
        self.write(ENABLE, is_on.into());
    }

    /// Returns whether a port, below 32, is rung: whether its driver works.
    pub fn is_ready(&self, port: u32) -> bool {
        // SAFETY: a register of the doorbell, which the tree names; reading it has no effect.
        unsafe { mmio::read32(self.shared.registers + READY) >> (port & 31) & 1 != 0 }
    }

    /// Rings a port, or all others if it is `u32::MAX`.
    pub fn ring(&self, port: u32) {
        // What is in the memory before what says so: the doorbell is another observer.
        // SAFETY: a barrier changes no data.
        unsafe { core::arch::asm!("dmb oshst", options(nostack, preserves_flags)) };
        self.write(RING_REGISTER, port);
    }

    /// Counts a start of this guest, for all others, and returns the number.
    pub fn count_start(&self) -> u32 {
        let mut starts = 0;
        for other in self.others() {
            let word = self.word(self.shared.port, other, STARTS);
            starts = word.load(Ordering::Relaxed).wrapping_add(1);
            word.store(starts, Ordering::Release);
        }
        starts
    }

    /// Returns the number of starts of another guest.
    pub fn starts(&self, port: u32) -> u32 {
        self.word(port, self.shared.port, STARTS).load(Ordering::Acquire)
    }

    /// Returns the number of messages that were sent to a port, over all starts.
    pub fn sent(&self, to: u32) -> u32 {
        self.word(self.shared.port, to, SENT).load(Ordering::Relaxed)
    }

    /// Returns the number of messages that were sent from a port to this guest, over all starts, and
    /// of those that it has taken.
    pub fn received(&self, from: u32) -> (u32, u32) {
        let own = self.shared.port;
        let [sent, taken] = [SENT, TAKEN].map(|it| self.word(from, own, it));
        (sent.load(Ordering::Acquire), taken.load(Ordering::Relaxed))
    }

    /// Puts a message into the ring to a port. Returns false if that is full.
    pub fn send(&self, to: u32, message: &Message) -> bool {
        let own = self.shared.port;
        let sent = self.word(own, to, SENT);
        let number = sent.load(Ordering::Relaxed);
        let taken = self.word(own, to, TAKEN).load(Ordering::Acquire);
        if number.wrapping_sub(taken) >= RING {
            return false;
        }
        let place = MESSAGES + u64::from(number % RING) * MESSAGE_SIZE;
        let head = [number, checksum(number, message)];
        for (offset, word) in (place..).step_by(4).zip(head.iter().chain(message)) {
            self.word(own, to, offset).store(*word, Ordering::Relaxed);
        }
        sent.store(number.wrapping_add(1), Ordering::Release);
        true
    }

    /// Takes the next message from a port; `None` if there is none.
    ///
    /// # Errors
    ///
    /// If what is in the memory is no message. It stays there.
    pub fn take(&self, from: u32) -> Result<Option<Message>, Wrong> {
        let own = self.shared.port;
        let taken = self.word(from, own, TAKEN);
        let next = taken.load(Ordering::Relaxed);
        match self.word(from, own, SENT).load(Ordering::Acquire).wrapping_sub(next) {
            0 => return Ok(None),
            1..=RING => {}
            _ => return Err(Wrong::Count),
        }
        let place = MESSAGES + u64::from(next % RING) * MESSAGE_SIZE;
        let load = |index: u64| self.word(from, own, place + 4 * index).load(Ordering::Relaxed);
        // Each word is read once: it can change between two loads.
        let (number, sum) = (load(0), load(1));
        let message: Message = core::array::from_fn(|index| load(2 + index as u64));
        if number != next {
            return Err(Wrong::Number);
        }
        if sum != checksum(number, &message) {
            return Err(Wrong::Checksum);
        }
        fence(Ordering::Release);
        taken.store(next.wrapping_add(1), Ordering::Release);
        Ok(Some(message))
    }

    /// Returns a word of the page for a pair.
    fn word(&self, from: u32, to: u32, offset: u64) -> &'static AtomicU32 {
        let page = u64::from(from % self.shared.ports) * u64::from(self.shared.ports)
            + u64::from(to % self.shared.ports);
        let address = self.shared.memory.base + page * PAGE + (offset & (PAGE - 1) & !3);
        // SAFETY: `open` has checked that the page is in the memory, which is mapped as the tree
        // names it, stays so, and is only accessed by such atomics.
        unsafe { &*(address as *const AtomicU32) }
    }

    fn write(&self, register: u64, value: u32) {
        // SAFETY: a register of the doorbell, which the tree names; this guest is its only user.
        unsafe { mmio::write32(self.shared.registers + register, value) };
    }
}

/// Returns the checksum of a message.
fn checksum(number: u32, message: &Message) -> u32 {
    message.iter().fold(number ^ 0x9e37_79b9, |sum, word| {
        (sum.rotate_left(5) ^ word).wrapping_mul(0x0100_0193)
    })
}
