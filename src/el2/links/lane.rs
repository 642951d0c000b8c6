//! Lanes: the locks under which data are moved.

use bulkhead::virtio::link::Lane;
use bulkhead::virtio::notices::Notices;
use core::sync::atomic::{AtomicU64, Ordering};

use crate::el2::arch::sync::Mutex;

/// A lane that CPUs of several partitions share.
pub struct SharedLane {
    /// What its lock guards.
    pub lane: Mutex<Lane>,
    /// The senders that may have something to send.
    pub notices: Notices,
    /// The ports whose queues have changed since the lane was used, one bit each.
    pub changed: AtomicU64,
}

impl SharedLane {
    /// Returns whether the lane has carried out every change of a port.
    pub fn has_carried_out(&self, port: u8) -> bool {
        self.changed.load(Ordering::Acquire) & bit(port) == 0
    }
}

/// Returns the bit of a port.
#[inline(always)]
pub fn bit(port: u8) -> u64 {
    1 << (port & 63)
}
