//! Lanes: the locks under which data are moved.

use alloc::vec::Vec;
use bulkhead::virtio::link::{Kind, Lane};
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
    /// For each port, the senders that a notification of its receive queue and of its transmit queue
    /// concerns.
    pub concerned: Vec<[u64; 2]>,
}

impl SharedLane {
    /// Returns the lanes of a link whose ports have these addresses.
    pub fn of_link(kind: Kind, addresses: &[u64]) -> Vec<Self> {
        let shared = |lane: Lane| {
            let concerned = |port| [0, 1].map(|queue| lane.concerned(port, queue));
            Self {
                notices: Notices::default(),
                changed: AtomicU64::new(0),
                concerned: (0..addresses.len() as u8).map(concerned).collect(),
                lane: Mutex::tried(lane),
            }
        };
        Lane::of_link(kind, addresses).into_iter().map(shared).collect()
    }

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
