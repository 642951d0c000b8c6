//! What the devices behind SMMUs reach: the streams of each partition, its tables for them, and the
//! SMMUs' own tables and queues.

use alloc::vec::Vec;

use super::dma_plan::{PlannedStream, SmmuPlan};
use super::memory::FreeMemory;
use super::types::{Mapping, PartitionPlan};
use crate::arch::addr::{PAGE_SIZE, Pa};
use crate::boot::description::{Result, refuse};
use crate::boot::machine::{Machine, Stream};
use crate::boot::smmu::Layout;
use crate::devices::address_map::MESSAGE_FRAME;
use crate::mm::tables::Attributes;

/// Returns what the devices of a partition may reach: what stage 2 maps of its memory, its disks
/// and the memory that it shares, at the same guest addresses. Neither registers nor the page of
/// GICV are among it, nor a disk by virtio, which stage 2 does not map either. `messages` is the page
/// to which they send messages, which is where the guest's CPUs have the frame for them. Empty, if
/// the partition has no stream.
pub(super) fn mappings(
    mappings: &[Mapping],
    has_streams: bool,
    messages: Option<Pa>,
) -> Vec<Mapping> {
    if !has_streams {
        return Vec::new();
    }
    let is_memory = |it: &&Mapping| it.attributes != Attributes::GUEST_DEVICE;
    let mut reached: Vec<_> = mappings.iter().filter(is_memory).copied().collect();
    if let Some(pa) = messages {
        let (ipa, size) = (MESSAGE_FRAME, PAGE_SIZE);
        let index = reached.partition_point(|other| other.ipa < ipa);
        reached.insert(index, Mapping { ipa, pa, size, attributes: Attributes::MESSAGES });
    }
    reached
}

/// Returns the SMMUs that have streams of partitions, and takes memory for their tables and queues.
/// An error about memory begins with the path `node`.
///
/// # Errors
///
/// If an SMMU cannot be used, if it lacks a stream, or if two partitions have the same stream.
pub(super) fn smmus<'a>(
    machine: &'a Machine,
    partitions: &[PartitionPlan],
    memory: &mut FreeMemory<'a>,
    node: &str,
) -> Result<Vec<SmmuPlan>> {
    let mut smmus = Vec::new();
    for index in 0..machine.smmus.len() {
        let streams = streams(index, partitions)?;
        if !streams.is_empty() {
            smmus.push(smmu(machine, index, streams, partitions, memory, node)?);
        }
    }
    Ok(smmus)
}

/// Returns the streams of an SMMU that partitions have, ascending.
fn streams(smmu: usize, partitions: &[PartitionPlan]) -> Result<Vec<PlannedStream>> {
    let mut streams: Vec<PlannedStream> = Vec::new();
    for (partition, plan) in partitions.iter().enumerate() {
        for (device, passed) in plan.passthrough.iter().enumerate() {
            for Stream { id, .. } in passed.streams.iter().filter(|it| it.smmu == smmu) {
                let stream = PlannedStream { id: *id, partition, device };
                match streams.binary_search_by_key(id, |it| it.id) {
                    Err(place) => streams.insert(place, stream),
                    // Devices of one partition may share a stream.
                    Ok(same) if streams[same].partition == partition => {}
                    Ok(same) => {
                        let owner = &partitions[streams[same].partition];
                        let other = &owner.passthrough[streams[same].device].path;
                        refuse!(
                            plan.path,
                            ": devices = \"{}\" has the stream {id:#x} of {other}, which {} owns: \
                             give both to the same partition",
                            passed.path,
                            owner.path
                        );
                    }
                }
            }
        }
    }
    Ok(streams)
}

/// Plans one SMMU with these streams.
fn smmu<'a>(
    machine: &'a Machine,
    index: usize,
    streams: Vec<PlannedStream>,
    partitions: &[PartitionPlan],
    memory: &mut FreeMemory<'a>,
    node: &str,
) -> Result<SmmuPlan> {
    let smmu = &machine.smmus[index];
    let path_of = |stream: &PlannedStream| {
        let owner = &partitions[stream.partition];
        (&owner.path, &owner.passthrough[stream.device].path)
    };
    let (owner, device) = path_of(&streams[0]);
    let features = match (smmu.features, smmu.events) {
        (Ok(features), Some(_)) => features,
        (features, _) => {
            let lacks = features.err().unwrap_or("has no interrupt for its event queue");
            refuse!(
                owner,
                ": devices = \"{device}\" is behind {}, which cannot protect it, because it {lacks}",
                smmu.path
            );
        }
    };
    let ids: Vec<_> = streams.iter().map(|stream| stream.id).collect();
    let layout = match Layout::new(&features, &ids) {
        Ok(layout) => layout,
        Err(id) => {
            let last = streams.iter().find(|stream| stream.id == id).unwrap_or(&streams[0]);
            let (owner, device) = path_of(last);
            refuse!(
                owner,
                ": devices = \"{device}\" has the stream {id:#x}, for which {} has no table: its \
                 StreamIDs have {} bits",
                smmu.path,
                features.stream_bits
            );
        }
    };
    let size = layout.size() + 2 * PAGE_SIZE;
    let memory = memory.take_tables(node, size, layout.align())?;
    Ok(SmmuPlan { smmu: index, features, layout, memory, streams })
}

impl SmmuPlan {
    /// Returns the memory of the command queue and of the event queue, a page each, behind that of
    /// the stream table.
    #[must_use]
    pub fn queues(&self) -> [Pa; 2] {
        let first = self.memory.end().get() - 2 * PAGE_SIZE;
        [first, first + PAGE_SIZE].map(Pa::new)
    }
}
