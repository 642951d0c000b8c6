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
    /// Returns whether the system has links.
    fn has_links(&self) -> bool;
    /// Returns the state of a port of a link, both by their numbers from 0 on; `None` if there is no
    /// such link or port.
    fn port(&self, link: usize, port: usize) -> Option<PortStatus<'_>>;
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
    /// The accesses of its devices that an SMMU has refused and recorded.
    pub dma_faults: u64,
}

/// The state of a partition's end of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortStatus<'a> {
    /// The name of the link.
    pub link: &'a str,
    /// The link's type, in the words of the description.
    pub kind: &'static str,
    /// The name of the partition.
    pub partition: &'a str,
    /// The state of its device.
    pub state: PortState,
    /// How many packets it has sent.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How many packets were dropped: those for it that its driver did not take, and wrong ones that
    /// it has sent.
    pub drops: u64,
    /// Whether it is the link's last port.
    pub is_last: bool,
}

/// The state of the device at an end of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortState {
    /// Its driver works, and so does one at another end.
    Up,
    /// Its driver works, and none at another end does.
    Down,
    /// No driver works.
    Absent,
    /// It needs a reset, because of a mistake of its driver.
    Faulty,
}

impl PortState {
    /// Returns the word by which the monitor shows it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Absent => "absent",
            Self::Faulty => "faulty",
        }
    }
}
