//! What a partition's CPUs need of the monitor.

use bulkhead::arch::intid::Intid;

use super::{Partition, PartitionState};

/// The monitor as a partition's own CPUs use it. A trait object, because the monitor's code is
/// unmapped unless the description has `monitor;`.
pub trait Supervisor: Sync {
    /// Publishes the part of the state that the monitor shows.
    fn publish(&self, partition: &Partition, state: &PartitionState);

    /// Carries out the monitor's order, if there is one.
    fn carry_out_order(&self, partition: &Partition);
}

/// A partition's PL011 that is connected to the monitor. A trait object, because the monitor's code
/// is unmapped unless the description has `monitor;`.
pub trait MonitorDevice: Send + Sync {
    /// Carries out a store of `stored`, or a load if it is `None`, and returns the value loaded.
    /// Calls `notify` with its INTID and the level of its interrupt line if the vGIC must be
    /// notified.
    fn access(&self, offset: u64, stored: Option<u64>, notify: &mut dyn FnMut(Intid, bool)) -> u64;

    /// Continues with the monitor's work for this partition, and calls `notify` as `access` does.
    fn poll(&self, notify: &mut dyn FnMut(Intid, bool));

    /// Returns whether there is work that [`poll`](Self::poll) can do.
    fn has_work(&self) -> bool;

    /// Resets the device and the monitor's state.
    fn reset(&self);
}
