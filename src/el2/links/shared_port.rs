//! What the CPUs of all partitions know about a port.

use bulkhead::arch::intid::Intid;
use bulkhead::boot::plan::LinkPort;
use bulkhead::util::rate_limit::RateLimit;
use bulkhead::virtio::queue::Queue;
use bulkhead::virtio::signals::Signals;
use core::sync::atomic::AtomicBool;

use crate::el2::arch::sync::Mutex;
use crate::el2::cpu::timer;
use crate::el2::partition::line_limit;

/// A port, as the CPUs of all partitions use it.
pub struct SharedPort {
    /// The partition, as an index into the Plan's.
    pub partition: usize,
    /// The interrupt of its device.
    pub intid: Intid,
    /// What the device tells its driver.
    pub signals: Signals,
    /// The queues that the driver uses; `None` while it does not work.
    pub queues: Mutex<Option<Queues>>,
    /// Whether the driver has to be told that its connections are gone.
    pub lost_peer: AtomicBool,
    /// The limit of lines about mistakes of the driver.
    lines: Mutex<RateLimit>,
}

/// The queues by which the driver of a port sends and receives.
pub struct Queues {
    pub transmit: Queue,
    pub receive: Queue,
    /// The features that the driver has accepted.
    pub features: u64,
}

impl SharedPort {
    /// Returns a port of the Plan, whose driver does not work yet.
    pub fn new(partition: usize, port: &LinkPort) -> Self {
        let interrupt = port.interrupt.expect("the Plan gives each port an interrupt");
        Self {
            partition,
            intid: interrupt.intid,
            signals: Signals::default(),
            queues: Mutex::new(None),
            lost_peer: AtomicBool::new(false),
            lines: Mutex::new(line_limit()),
        }
    }

    /// Returns whether a further line about the driver may be printed.
    pub fn may_print(&self) -> bool {
        self.lines.try_lock().is_some_and(|mut lines| lines.allow(timer::now()).is_some())
    }
}
