//! The SMMUs and their streams in the Plan, as plain data.

use alloc::vec::Vec;

use crate::arch::addr::{Pa, Region};
use crate::boot::smmu::{Features, Layout};

/// An SMMU that has streams of partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmmuPlan {
    /// The SMMU, as an index into [`Machine::smmus`](crate::boot::machine::Machine::smmus).
    pub smmu: usize,
    /// What it can do.
    pub features: Features,
    /// The layout of its stream table.
    pub layout: Layout,
    /// The memory of the stream table, at a multiple of its alignment, and behind it a page for the
    /// command queue and one for the event queue.
    pub memory: Region<Pa>,
    /// The streams that partitions have, by ascending StreamID, each once. All others abort.
    pub streams: Vec<PlannedStream>,
}

/// A stream of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedStream {
    /// The StreamID.
    pub id: u32,
    /// The partition, as an index into [`Plan::partitions`](super::Plan::partitions).
    pub partition: usize,
    /// The device, as an index into
    /// [`PartitionPlan::passthrough`](super::PartitionPlan::passthrough); the first one if several
    /// share the stream.
    pub device: usize,
}
