//! System MMUs of version 3 while guests run: what Bulkhead writes into their tables and command
//! queues, and what it reads from their event queues (Arm IHI 0070).
//!
//! An SMMU translates the accesses of devices to memory as stage 2 translates those of a guest. It
//! finds what a device may reach by the device's StreamID: the stream table has an
//! entry for each. Here an entry either aborts all accesses or translates by the
//! tables of the partition that owns the device; none lets an access pass untranslated.
//!
//! These are parts of a wing: code that is unmapped unless a description gives a device behind an
//! SMMU.

pub mod command;
pub mod event;
pub mod queue;

/// The first doubleword of a valid stream table entry (IHI 0070, 5.2): V in bit 0, Config in 3:1.
/// Everything else in it is about stage 1, which is not used.
///
/// A stream is opened and closed by one 64-bit store of this word. The others never change while
/// guests run, so an SMMU sees either of the two entries, whenever it reads the entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub enum StreamState {
    /// Config = 0b000: accesses are aborted, and no event is recorded.
    Closed = 1,
    /// Config = 0b110: stage 2 translates, stage 1 is bypassed.
    Open = 1 | 0b110 << 1,
}

impl StreamState {
    /// Returns the doubleword.
    pub const fn word(self) -> u64 {
        self as u64
    }
}
