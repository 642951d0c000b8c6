//! What the monitor needs of the system that it shows and controls.

use crate::arch::mpidr::Mpidr;
use crate::boot::plan::PartitionPlan;
use crate::partition::lifecycle::{End, Order, Refusal, Stage};
use crate::trap::fault::Fault;
use crate::trap::stats::Counts;

/// What the monitor sees and steers. A partition is told by its index in the Plan.
pub trait System {
    /// How many partitions there are.
    fn partitions(&self) -> usize;
    /// What a partition has.
    fn plan(&self, partition: usize) -> &PartitionPlan;
    /// How it is.
    fn status(&self, partition: usize) -> Status;
    /// How often its vCPUs came to EL2.
    fn counts(&self, partition: usize) -> Counts;
    /// The affinity of a CPU, by its index in the machine's list.
    fn affinity(&self, cpu: usize) -> Mpidr;
    /// Milliseconds since Bulkhead started.
    fn milliseconds(&self) -> u64;
    /// Reads Bulkhead's own log: see [`Log::read`](super::Log::read).
    fn read_log(&self, position: u64, into: &mut [u8]) -> Option<(usize, u64)>;
    /// Has something done to a partition. It may take effect later.
    ///
    /// # Errors
    ///
    /// If the partition is so already.
    fn order(&mut self, partition: usize, order: Order) -> Result<(), Refusal>;
    /// Gives a partition what is typed here, and its output this screen.
    ///
    /// # Errors
    ///
    /// Why that cannot be, in a sentence.
    fn attach(&mut self, partition: usize) -> Result<(), &'static str>;
    /// Switches the machine off.
    fn power_off(&mut self);
}

/// How a partition is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// Where it is in its life.
    pub stage: Stage,
    /// How often it was built again.
    pub restarts: u32,
    /// How long its guest has been running, in milliseconds, if it does.
    pub uptime: Option<u64>,
    /// Why it ended last, if it ever did.
    pub last_end: Option<End>,
    /// What it did last that it must not do.
    pub last_fault: Option<Fault>,
}
