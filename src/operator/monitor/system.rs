//! The monitor's access to the partitions.

use crate::arch::mpidr::Mpidr;
use crate::boot::plan::PartitionPlan;
use crate::partition::lifecycle::{End, Order, Refusal, Stage};
use crate::trap::fault::Fault;
use crate::trap::stats::Counts;

/// The operations that the monitor needs. Partitions are identified by their index in the Plan.
pub trait System {
    /// Returns the number of partitions.
    fn partitions(&self) -> usize;
    /// Returns the resources of a partition.
    fn plan(&self, partition: usize) -> &PartitionPlan;
    /// Returns the state of a partition.
    fn status(&self, partition: usize) -> Status;
    /// Returns how often the partition's vCPUs took exceptions to EL2, by cause.
    fn counts(&self, partition: usize) -> Counts;
    /// Returns the affinity of a CPU, given its index in the machine's list of CPUs.
    fn affinity(&self, cpu: usize) -> Mpidr;
    /// Returns the milliseconds since Bulkhead started.
    fn milliseconds(&self) -> u64;
    /// Reads a line of Bulkhead's own log as [`Log::read`](crate::operator::console::Log::read)
    /// does.
    fn read_log(&self, position: u64, into: &mut [u8]) -> Option<(usize, u64)>;
    /// Orders a partition to start, stop or restart. The order may take effect later.
    ///
    /// # Errors
    ///
    /// If the partition is in that state already.
    fn order(&mut self, partition: usize, order: Order) -> Result<(), Refusal>;
    /// Gives a partition the console's input and the focused view.
    ///
    /// # Errors
    ///
    /// A message that says why this is not possible.
    fn attach(&mut self, partition: usize) -> Result<(), &'static str>;
    /// Powers the machine off.
    fn power_off(&mut self);
}

/// The state of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// The stage of its lifecycle.
    pub stage: Stage,
    /// How often it was restarted.
    pub restarts: u32,
    /// How long its guest has been running, in milliseconds; `None` if it is not running.
    pub uptime: Option<u64>,
    /// Why it last ended, if it ever did.
    pub last_end: Option<End>,
    /// Its last access or instruction that Bulkhead did not allow.
    pub last_fault: Option<Fault>,
}
