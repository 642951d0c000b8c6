//! What a call of a lane has moved, and what its caller has to do.

use crate::virtio::Fault;

/// What was moved to or from a port. The numbers wrap.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Packets, or pieces of a stream.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Packets that were dropped.
    pub drops: u64,
}

impl Counters {
    /// Counts a packet.
    #[inline]
    pub(super) fn add(&mut self, bytes: u64) {
        self.packets = self.packets.wrapping_add(1);
        self.bytes = self.bytes.wrapping_add(bytes);
    }
}

/// What the caller has to do after a call. Ports are bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Outcome {
    /// The ports whose drivers want an interrupt for used buffers.
    pub signal: u64,
    /// The ports whose devices need a reset. The lane uses their queues no more.
    pub broken: u64,
    /// The last mistake that was found.
    pub fault: Option<Fault>,
    /// The senders that have more to send.
    pub more: u64,
}

impl Outcome {
    /// Adds a fault of a port.
    #[inline(never)]
    pub(super) fn add_fault(&mut self, port: u8, fault: Fault) {
        self.broken |= bit(port);
        self.fault = Some(fault);
    }
}

/// Returns the bit of a port.
#[inline(always)]
pub(super) fn bit(port: u8) -> u64 {
    1 << (port & 63)
}
