//! What a call of a lane has moved, and what its caller has to do.

use crate::virtio::Fault;

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
    /// The number of bytes that were written into receivers' buffers.
    pub copied: u32,
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
