//! A partition's watchdog with what EL2 keeps beside it.

use bulkhead::boot::plan::PartitionPlan;
use bulkhead::devices::watchdog::Watchdog;

use crate::el2::cpu::timer;

/// A watchdog of a partition that runs.
pub struct ArmedWatchdog {
    /// The device.
    pub watchdog: Watchdog,
    /// The level of its interrupt line that the vGIC was last notified of.
    pub line: bool,
    /// The vCPU that refreshed it last, on whose CPU EL2's timer waits for the deadline. A deadline
    /// that another CPU's timer still waits for is dropped when it comes.
    pub timer: usize,
}

impl ArmedWatchdog {
    /// Returns the watchdog of a partition that starts, if it has one. It counts by the guest's virtual
    /// counter, with which a driver compares it and which starts with the partition.
    pub fn new(plan: &PartitionPlan) -> Option<Self> {
        let ticks = timer::milliseconds(plan.watchdog?.milliseconds.into());
        Some(Self { watchdog: Watchdog::new(0, ticks), line: false, timer: 0 })
    }
}
