//! What the CPUs of all partitions know about a port.

use alloc::sync::Arc;
use bulkhead::util::rate_limit::RateLimit;
use bulkhead::virtio::link::PortCounters;
use bulkhead::virtio::registers;
use bulkhead::virtio::signals::Signals;
use core::sync::atomic::AtomicBool;

use crate::el2::arch::sync::{Mutex, SetOnce};
use crate::el2::drivers::gic::PendingBit;
use crate::el2::partition::Partition;

/// A port, as the CPUs of all partitions use it.
pub struct SharedPort {
    /// The partition, once it is built.
    pub partition: SetOnce<&'static Partition>,
    /// The interrupt of its device.
    pub interrupt: PendingBit,
    /// What the device tells its driver.
    pub signals: Signals,
    /// The queues that the driver uses; `None` while it does not work.
    pub queues: Mutex<Option<Queues>>,
    /// Whether the driver has to be told that its connections are gone.
    pub lost_peer: AtomicBool,
    /// What is counted for it.
    pub counters: Arc<PortCounters>,
    /// The limit of lines about mistakes of the driver.
    pub lines: Mutex<RateLimit>,
}

/// The queues of a port's driver, as it has set them up.
pub struct Queues {
    pub setups: registers::Queues,
    /// The features that the driver has accepted.
    pub features: u64,
}

impl SharedPort {
    /// Asserts the interrupt of the device.
    #[inline(always)]
    pub fn interrupt(&self) {
        self.interrupt.set();
    }
}
