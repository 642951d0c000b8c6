//! Virtio devices whose other end is a partition, Bulkhead's console or a disk in memory (VIRTIO 1.2,
//! split virtqueues over MMIO).
//!
//! | module | purpose |
//! |---|---|
//! | [`memory`] | what a device needs of a partition's memory: a trait that EL2 implements |
//! | [`queue`], [`chain`] | the device's side of a split virtqueue, and the buffers in it |
//! | [`registers`], [`personality`] | the registers of a device, and what kinds differ in |
//! | [`signals`] | what a device tells its driver: interrupts, a mistake, the state of the link |
//! | [`link`] | moves what one partition sends into buffers of others: networks, consoles, sockets |
//! | [`terminal`] | a console whose other end is Bulkhead's own |
//! | [`disk`] | a block device over a region of memory |
//! | [`notices`] | work for a lane that another CPU may hold |
//!
//! A driver may write anything into its memory at any time, also while a device reads it. So each
//! descriptor is read once, into a value, and its buffer is checked at once; an address that was
//! checked is of a type of its own; each loop has a bound that no driver can move. A mistake is a
//! [`Fault`] of the one whose memory it was found in: that device needs a reset, and the partition
//! at the other end goes on.

pub mod chain;
pub mod disk;
pub mod link;
pub mod memory;
pub mod notices;
pub mod personality;
pub mod queue;
pub mod registers;
pub mod signals;
pub mod terminal;
#[cfg(test)]
mod tests;

/// The largest size of a queue, in descriptors.
pub const MAX_QUEUE_SIZE: u16 = 256;

/// The largest size of a [`terminal`]'s queue. It bounds the length of a chain.
pub const TERMINAL_QUEUE_SIZE: u16 = 32;

/// The number of bytes that one call moves at most. The largest frame of a network has this size:
/// its header, a VLAN's Ethernet header, and an IP packet.
pub const BYTES_PER_CALL: u32 = 12 + 18 + 0xffff;

/// The number of descriptors that one call reads at most, of senders and of receivers each.
pub const DESCRIPTORS_PER_CALL: u16 = 256;

/// Indirect descriptors are supported (VIRTIO 1.2, 6).
pub const INDIRECT_DESC: u64 = 1 << 28;
/// `used_event` and `avail_event` are supported.
pub const EVENT_IDX: u64 = 1 << 29;
/// The device is not a legacy one.
pub const VERSION_1: u64 = 1 << 32;

/// A mistake of a driver, after which its device needs a reset.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// A ring or a buffer is not in the partition's memory.
    Outside,
    /// The size of a queue is not a power of two from 1 to 256, or a ring is not aligned.
    Setup,
    /// The available index is further than the queue's size from what the device has taken.
    AvailableIndex,
    /// An index of a descriptor is not below the size of its table.
    DescriptorIndex,
    /// A chain has more descriptors than the queue's size.
    ChainLength,
    /// An indirect table was not negotiated, is inside another one, has a size that is not a
    /// multiple of a descriptor's, or is followed by another descriptor.
    Indirect,
    /// A descriptor that the device reads follows one that it writes.
    Order,
    /// A buffer has the wrong direction for its queue.
    Direction,
    /// A buffer is too short for what it must begin with.
    BufferLength,
    /// A packet's own length is more than its buffer's.
    PacketLength,
}

impl Fault {
    /// Returns what the driver did, as the rest of a sentence that begins with the
    /// device, with the blank before it.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Outside => " needs a reset: a ring or a buffer is outside its memory",
            Self::Setup => " needs a reset: a queue's size or alignment is wrong",
            Self::AvailableIndex => " needs a reset: an available index is too far ahead",
            Self::DescriptorIndex => " needs a reset: a descriptor's index is too large",
            Self::ChainLength => " needs a reset: a chain is longer than its queue",
            Self::Indirect => " needs a reset: an indirect table is not allowed there",
            Self::Order => " needs a reset: a readable buffer follows a writable one",
            Self::Direction => " needs a reset: a buffer has the wrong direction",
            Self::BufferLength => " needs a reset: a buffer is too short",
            Self::PacketLength => " needs a reset: a packet is longer than its buffer",
        }
    }
}
