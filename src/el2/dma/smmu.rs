//! The SMMUs that have streams of partitions.

use alloc::boxed::Box;
use alloc::vec::Vec;
use bulkhead::arch::intid::Intid;
use bulkhead::boot::smmu::registers::{GERROR, GERROR_CMDQ, GERRORN};
use bulkhead::boot::smmu::stream_table::RECORD_FAULTS;
use bulkhead::smmu::StreamState;
use bulkhead::smmu::command::Command;
use bulkhead::smmu::event::Event;
use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering};

use super::commands::{self, CommandQueue};
use super::events::EventQueue;
use super::its::Its;
use crate::el2::arch::sync::{Mutex, SetOnce};
use crate::el2::console::say;
use crate::el2::cpu::timer;
use crate::el2::drivers::gic::Gic;
use crate::el2::drivers::mmio::Registers;
use crate::el2::partition::{Partition, SmmuInterrupts, Streams};

/// The SMMUs that have streams of partitions.
pub struct Smmus {
    /// In the order of the Plan.
    pub smmus: Vec<Smmu>,
    /// The machine's interrupt controller.
    pub gic: &'static Gic,
    /// The ITS that takes messages, if one does.
    pub its: Option<&'static Its>,
    /// The partitions, once they are built.
    pub partitions: SetOnce<&'static [Partition]>,
}

/// An SMMU.
pub struct Smmu {
    /// The path of its node.
    pub path: &'static str,
    /// Its registers, pages 0 and 1.
    pub registers: Registers,
    /// Its interrupts: of the event queue and of global errors.
    pub interrupts: [Option<Intid>; 2],
    /// Whether its accesses are coherent with the caches.
    pub is_coherent: bool,
    /// Its command queue.
    pub commands: Mutex<CommandQueue>,
    /// Its event queue.
    pub events: Mutex<EventQueue>,
    /// The streams of partitions, by ascending StreamID. All others abort.
    pub streams: Vec<OwnedStream>,
}

/// A stream of a partition.
pub struct OwnedStream {
    /// The StreamID.
    pub id: u32,
    /// The number of the partition.
    pub partition: usize,
    /// The partition's VMID.
    pub vmid: u8,
    /// The name of the device in messages.
    pub device: &'static str,
    /// The eight doublewords of its entry, of which only those change that this room writes.
    pub entry: &'static [AtomicU64; 8],
}

/// The streams of one partition.
struct PartitionStreams {
    smmus: &'static Smmus,
    partition: usize,
}

/// Returns the streams of a partition; `None` if it has none.
pub fn streams(smmus: &'static Smmus, partition: usize) -> Option<Box<dyn Streams>> {
    let mut all = smmus.smmus.iter().flat_map(|smmu| &smmu.streams);
    let has_any = all.any(|stream| stream.partition == partition);
    has_any.then(|| Box::new(PartitionStreams { smmus, partition }) as _)
}

impl Streams for PartitionStreams {
    fn set(&self, state: StreamState) -> bool {
        let Smmus { smmus, its, .. } = self.smmus;
        // Messages pass the SMMUs, so none arrives at the ITS once the streams are closed.
        smmus.iter().all(|smmu| smmu.set(self.partition, state))
            && (state == StreamState::Open || its.is_none_or(|its| its.clear(self.partition)))
    }
}

impl Smmu {
    /// Opens or closes a partition's streams. Returns false if another CPU uses the command queue.
    fn set(&self, partition: usize, state: StreamState) -> bool {
        let own = || self.streams.iter().filter(move |stream| stream.partition == partition);
        let Some(OwnedStream { vmid, .. }) = own().next() else { return true };
        let Some(mut commands) = self.commands.attempt() else { return false };
        for OwnedStream { id, entry, .. } in own() {
            let [first, _, third, ..] = entry;
            if state == StreamState::Open {
                // While the entry is that of a closed stream, the SMMU uses nothing else of it.
                third.fetch_or(RECORD_FAULTS, Ordering::Release);
            }
            first.store(state.word(), Ordering::Release);
            commands::make_visible(&entry[..], self.is_coherent);
            commands.add(Command::ForgetStream(*id));
        }
        // A closed stream's accesses are complete when this is: CMD_SYNC waits for those that used
        // what was invalidated.
        commands.add(Command::ForgetTranslations(*vmid));
        commands.finish();
        true
    }

    /// Counts and reports the next event, if there is one: a line takes most of the time of a
    /// visit. Once there are too many lines about a stream, has the SMMU record no more of it,
    /// until its partition starts again.
    fn report_event(&self, events: &mut EventQueue, partitions: &[Partition]) {
        if let Some(Event { stream, what }) = events.next()
            && let Ok(index) = self.streams.binary_search_by_key(&stream, |it| it.id)
            && let (Some(stream), Some(limit)) = (self.streams.get(index), events.limit(index))
            && let Some(partition) = partitions.get(stream.partition)
        {
            partition.dma_faults.fetch_add(1, Ordering::Relaxed);
            match limit.allow(timer::now()) {
                Some(_) => say!("{partition}: DMA of {stream} {what}"),
                None => self.mute(stream),
            }
        }
    }

    /// Has the SMMU record no further faults of a stream, until it is opened again.
    fn mute(&self, stream: &OwnedStream) {
        // If another CPU uses the queue, the next event tries again.
        if let Some(mut commands) = self.commands.attempt() {
            stream.entry[2].fetch_and(!RECORD_FAULTS, Ordering::Release);
            commands::make_visible(&stream.entry[..], self.is_coherent);
            commands.add(Command::ForgetStream(stream.id));
            commands.finish();
        }
    }

    /// Reports and acknowledges global errors (IHI 0070, 7.5).
    fn report_errors(&self) {
        let now = self.registers.read(GERROR);
        let errors = now ^ self.registers.read(GERRORN);
        if errors & GERROR_CMDQ != 0 {
            commands::give_up();
        }
        if errors != 0 {
            say!("{self} has an error, SMMU_GERROR {:#x}", u64::from(errors));
            self.registers.write(GERRORN, now);
        }
    }
}

/// Prints the path of the node.
// Not by `str`'s own `Display`, which only boot may use.
impl fmt::Display for Smmu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.path)
    }
}

/// Prints the name of the device.
impl fmt::Display for OwnedStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.device)
    }
}

impl SmmuInterrupts for Smmus {
    fn raise(&self, intid: Intid) -> bool {
        self.smmus.iter().any(|smmu| smmu.interrupts.contains(&Some(intid)))
    }

    fn handle(&self) {
        let Some(partitions) = self.partitions.get() else { return };
        for smmu in &self.smmus {
            smmu.report_errors();
            // Only one CPU takes the interrupt. An earlier one's visit is not interrupted by it.
            let Some(mut events) = smmu.events.attempt() else { continue };
            smmu.report_event(&mut events, partitions);
            if let [Some(intid), _] = smmu.interrupts
                && events.has_more()
            {
                // The rest is a visit of its own.
                self.gic.pending_bit(intid).set();
            }
        }
    }
}
