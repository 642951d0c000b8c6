//! The ITS at boot: has none take messages before anything else is done about devices, and brings the
//! one up that takes messages of partitions' functions (IHI 0069, 5.2 and 5.3).

use alloc::boxed::Box;
use bulkhead::arch::addr::{PAGE_SIZE, Pa, Region};
use bulkhead::arch::intid::Intid;
use bulkhead::boot::machine::{Machine, MessageController, MessageKind};
use bulkhead::boot::msi::Features;
use bulkhead::boot::msi::features::TableRegister;
use bulkhead::boot::msi::layout::QUEUE_SIZE;
use bulkhead::boot::msi::registers::*;
use bulkhead::boot::plan::{ItsPlan, MessagePlan, PartitionPlan, Plan, PlannedSource};
use bulkhead::msi::command::Command;
use bulkhead::msi::frame::{FrameSpis, TYPER as FRAME_TYPER};
use core::slice;
use core::sync::atomic::{AtomicU64, Ordering};

use super::mmu;
use super::refuse::refuse;
use crate::el2::arch::cache;
use crate::el2::arch::sync::{Mutex, SetOnce};
use crate::el2::dma::{Its, ItsQueue, Source};
use crate::el2::drivers::gic::{Gic, LpiTables};
use crate::el2::drivers::mmio::Registers;
use crate::el2::partition::Partition;

/// The number of times that a register is read until it has what an ITS should have put there. An ITS
/// answers at once; this is seconds.
const READS: u32 = 10_000_000;

/// Disables all ITSs, whatever firmware has left enabled, and reads what they and the frames for
/// messages can do.
pub fn close_all(machine: &mut Machine) {
    for MessageController { path, registers, kind, .. } in &mut machine.message_controllers {
        let page = Region::new(registers.start(), PAGE_SIZE).unwrap_or(Region::EMPTY);
        let registers = mmu::map_device(page);
        match kind {
            MessageKind::Its(features) => {
                disable(path, &registers);
                let basers = core::array::from_fn(|n| registers.read_long(BASER + 8 * n as u64));
                *features = Features::read(registers.read_long(TYPER), basers);
            }
            MessageKind::Frame(spis) => {
                *spis = spis.or(FrameSpis::of_typer(registers.read(FRAME_TYPER)));
            }
        }
    }
}

/// Disables an ITS.
fn disable(path: &str, registers: &Registers) {
    registers.write(CTLR, registers.read(CTLR) & !CTLR_ENABLED);
    if !(0..READS).any(|_| registers.read(CTLR) & CTLR_QUIESCENT != 0) {
        refuse(format_args!(
            "{path} does not become quiescent, GITS_CTLR is {:#x}: have firmware leave it disabled, \
             or remove it from the machine's tree",
            registers.read(CTLR)
        ));
    }
}

/// The ITS that takes messages, and what boot needs to bring it up.
pub struct ItsWork {
    /// The ITS.
    pub its: &'static Its,
    plan: ItsPlan,
    registers: Registers,
}

/// Writes the tables of the ITS that takes messages, and of the LPIs. The ITS stays disabled. `None`
/// if there is no such ITS.
pub fn set_up(machine: &Machine, plan: &Plan) -> Option<ItsWork> {
    let its = plan.its.clone()?;
    let ItsPlan { memory, layout, .. } = &its;
    mmu::map_memory(*memory);
    let count = (memory.size() / size_of::<u64>() as u64) as usize;
    // SAFETY: the line above mapped the memory, whole pages that the Plan gives to nothing else, and
    // this is called once. Any bytes are a valid `AtomicU64`, for which pages are aligned.
    let words = unsafe { slice::from_raw_parts(memory.start().get() as *const AtomicU64, count) };
    for word in words {
        word.store(0, Ordering::Relaxed);
    }
    for (number, source) in (0..).zip(&its.sources) {
        for spi in spis(&plan.partitions, source) {
            let offset = layout.configuration_of(spi.lpi(number));
            let byte = u64::from(LPI_ENABLED) << (offset % 8 * 8);
            words[(offset / 8) as usize].fetch_or(byte, Ordering::Relaxed);
        }
    }
    // For an ITS and redistributors that read memory past the caches. Their registers are written
    // later.
    cache::clean_and_invalidate(*memory);
    let MessageController { path, registers, .. } = &machine.message_controllers[its.controller];
    let frame = Region::new(registers.start(), TRANSLATION_FRAME).unwrap_or(Region::EMPTY);
    let registers = mmu::map_device(frame);
    let table = |(offset, size)| (memory.start().get() + offset, size);
    set_table(path, &registers, its.features.devices.number, table(layout.devices));
    if let Some(TableRegister { number, .. }) = its.features.collections {
        set_table(path, &registers, number, table(layout.collections));
    }
    let is_coherent = set_queue(&registers, memory.start());
    let queue = &words[..(QUEUE_SIZE / size_of::<u64>() as u64) as usize];
    let source = |source: &PlannedSource| Source {
        device: source.device,
        partition: source.partition,
        spis: messages(&plan.partitions, source).spis,
    };
    let taking = Its {
        queue: Mutex::tried(ItsQueue::new(registers, queue, is_coherent)),
        sources: its.sources.iter().map(source).collect(),
        collections: SetOnce::new(),
    };
    Some(ItsWork { its: Box::leak(Box::new(taking)), plan: its, registers })
}

/// Returns the plan of the messages of a source's partition.
fn messages(partitions: &[PartitionPlan], source: &PlannedSource) -> MessagePlan {
    partitions[source.partition].messages.expect("a partition with sources has messages")
}

/// Returns the SPIs for which messages of a source stand.
fn spis(partitions: &[PartitionPlan], source: &PlannedSource) -> impl Iterator<Item = Intid> {
    messages(partitions, source).interrupts().map(|interrupt| interrupt.intid)
}

/// Sets the table of GITS_BASER<`number`>, of zeros, in pages of 64 KiB if the ITS has them.
fn set_table(path: &str, registers: &Registers, number: usize, (start, size): (u64, u64)) {
    let offset = BASER + 8 * number as u64;
    let set = |page, access| {
        registers.write_long(offset, base(start, size, page_size(page), access | page));
        registers.read_long(offset)
    };
    let mut value = set(PAGE_64K, ITS_ACCESS);
    if value & PAGE_FIELD != PAGE_64K {
        value = set(value & PAGE_FIELD, ITS_ACCESS);
    }
    if value & SHAREABILITY == 0 {
        value = set(value & PAGE_FIELD, ITS_ACCESS_NOT_COHERENT);
    }
    if value & BASE_ADDRESS != start || value & VALID == 0 {
        refuse(format_args!(
            "{path} does not take a table at {start:#x}, GITS_BASER{number} is {value:#x}: remove it \
             from the machine's tree"
        ));
    }
}

/// Sets the command queue, which is empty. Returns whether the ITS's accesses are coherent.
fn set_queue(registers: &Registers, start: Pa) -> bool {
    let set =
        |access| registers.write_long(CBASER, base(start.get(), QUEUE_SIZE, PAGE_SIZE, access));
    set(ITS_ACCESS);
    let is_coherent = registers.read_long(CBASER) & SHAREABILITY != 0;
    if !is_coherent {
        set(ITS_ACCESS_NOT_COHERENT);
    }
    registers.write_long(CWRITER, 0);
    is_coherent
}

impl ItsWork {
    /// Returns the tables for the LPIs of the CPU with this index, if it takes some.
    pub fn tables(&self, cpu: usize) -> Option<LpiTables> {
        let ItsPlan { memory, layout, cpus, .. } = &self.plan;
        let index = cpus.iter().position(|it| *it == cpu)?;
        let at = |offset| Pa::new(memory.start().get() + offset);
        let (configuration, pending) = (at(layout.configuration.0), at(layout.pending(index)));
        Some(LpiTables { configuration, pending, bits: layout.lpi_bits })
    }

    /// Enables the ITS, with the translations of all sources: each SPI of the guest's frame is an
    /// event, whose LPI goes to the CPU of vCPU 0, and there are no others. All CPUs that take LPIs
    /// must have enabled them.
    pub fn go_live(&self, gic: &Gic, partitions: &[Partition]) {
        let ItsPlan { features, layout, memory, sources, cpus, .. } = &self.plan;
        self.registers.write(CTLR, self.registers.read(CTLR) | CTLR_ENABLED);
        let target = |cpu: &usize| (*cpu, gic.redistributor_target(*cpu, features.has_addresses));
        let collections = self.its.collections.set(cpus.iter().map(target).collect());
        let mut queue = self.its.queue.lock();
        for (collection, (_, target)) in (0..).zip(collections) {
            queue.add(Command::MapCollection { collection, target: *target });
        }
        for (number, PlannedSource { device, partition }) in (0..).zip(sources) {
            let (device, plan) = (*device, &partitions[*partition].plan);
            let table = memory.start().get() + layout.translations(number as usize);
            queue.add(Command::MapDevice { device, table, bits: layout.event_bits });
            let first = cpus.iter().position(|cpu| *cpu == plan.cpus[0]);
            let collection = first.expect("the CPUs of partitions with sources take LPIs") as u16;
            for interrupt in plan.messages.iter().flat_map(MessagePlan::interrupts) {
                let (event, lpi) = (interrupt.intid.get(), interrupt.intid.lpi(number));
                queue.add(Command::MapInterrupt { device, event, lpi, collection });
            }
        }
        for (collection, (_, target)) in (0..).zip(collections) {
            queue.add(Command::Reload(collection));
            queue.add(Command::Synchronize(*target));
        }
        queue.finish();
    }
}
