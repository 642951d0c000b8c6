//! The ports of a lane: what they are, and how far they have come.

use super::counters::PortCounters;
use crate::virtio::memory::MemoryAccess;
use crate::virtio::queue::Queue;
use crate::virtio::{BYTES_PER_CALL, DESCRIPTORS_PER_CALL};
use alloc::sync::Arc;
use core::ops::Deref;

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

impl Kind {
    /// Returns its name, which is the value of `type` in the description.
    pub fn name(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Console => "console",
            Self::Socket => "vsock",
        }
    }

    /// Returns the size in bytes of the header that a packet begins with (VIRTIO 1.2, 5.1.6 and
    /// 5.10.6).
    #[inline(always)]
    pub(super) fn header_size(self) -> u64 {
        match self {
            Self::Network => 12,
            Self::Console => 0,
            Self::Socket => 44,
        }
    }
}

/// The memories of a link's ports.
pub trait Memories {
    /// An open memory.
    type View: MemoryAccess;
    /// The memory of one port, for as long as this is kept.
    type Memory: Deref<Target = Self::View>;
    /// The memories of two, for as long as this is kept.
    type Pair: Deref<Target = [Self::View; 2]>;

    /// Opens the memory of the partition at a port; `None` if it may not be touched. At most two
    /// are open at a time, and none of them twice.
    fn open(&self, port: u8) -> Option<Self::Memory>;

    /// Opens the memories of the partitions at two ports, with no other one open.
    fn open_pair(&self, ports: [u8; 2]) -> Option<Self::Pair>;
}

/// A port whose transmit queue is in a lane.
pub(super) struct Sender {
    pub queue: Option<Queue>,
    pub state: SenderState,
}

/// What a lane knows about a sender besides its queue.
#[derive(Clone)]
pub(super) struct SenderState {
    pub port: u8,
    /// Its MAC address, the first byte in the lowest bits, or its CID.
    pub address: u64,
    /// How much of the first chain was moved by earlier calls: a number of bytes of a stream, or of
    /// receivers of a frame.
    pub done: u64,
    pub counters: Arc<PortCounters>,
}

/// A port whose receive queue is in a lane.
pub(super) struct Receiver {
    pub port: u8,
    pub address: u64,
    /// The features that its driver has accepted.
    pub features: u64,
    pub queue: Option<Queue>,
    pub counters: Arc<PortCounters>,
}

/// The number of descriptors for which a packet counts besides its own: what is done once for each
/// packet is as much work.
pub(super) const DESCRIPTORS_PER_PACKET: u16 = 3;

/// What a call may still do.
pub struct Budget {
    pub(super) bytes: u32,
    /// The numbers of descriptors that may be read.
    pub(super) sent: u16,
    pub(super) received: u16,
}

impl Default for Budget {
    #[inline]
    fn default() -> Self {
        let (bytes, sent, received) = (BYTES_PER_CALL, DESCRIPTORS_PER_CALL, DESCRIPTORS_PER_CALL);
        Self { bytes, sent, received }
    }
}

impl Budget {
    /// Returns the number of bytes that were moved.
    #[inline(always)]
    pub fn copied(&self) -> u32 {
        BYTES_PER_CALL.wrapping_sub(self.bytes)
    }
}
