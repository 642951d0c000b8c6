//! SMMUs at boot: has each abort all accesses before anything else is done about devices, and
//! brings those up that have streams of partitions (IHI 0070, 6.3 and 3.11).

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use bulkhead::arch::addr::{PAGE_SIZE, Pa, Region};
use bulkhead::arch::intid::{Intid, Trigger};
use bulkhead::boot::audit::{self, Descriptors, Finding, StreamSummary, StreamTable};
use bulkhead::boot::machine::{self, Machine};
use bulkhead::boot::plan::{PartitionPlan, Plan, PlannedStream, SmmuPlan};
use bulkhead::boot::smmu::registers::*;
use bulkhead::boot::smmu::{Features, Reached};
use bulkhead::smmu::command::Command;
use core::slice;
use core::sync::atomic::{AtomicU64, Ordering};
use log::info;

use super::refuse::refuse;
use super::{mmu, refuse_finding};
use crate::el2::arch::cache;
use crate::el2::arch::sync::{Mutex, SetOnce};
use crate::el2::dma::{CommandQueue, EventQueue, Its, OwnedStream, Smmu, Smmus};
use crate::el2::drivers::gic::Gic;
use crate::el2::drivers::mmio::Registers;
use crate::el2::partition::line_limit;

/// The number of times that a register is read until it has what an SMMU should have put there. An
/// SMMU answers at once; this is seconds.
const READS: u32 = 10_000_000;

/// Has all SMMUs abort every access, whatever firmware has left enabled, and reads what they can
/// do.
pub fn close_all(machine: &mut Machine) {
    for smmu in &mut machine.smmus {
        let page = Region::new(smmu.registers.start(), PAGE_SIZE).unwrap_or(Region::EMPTY);
        let registers = mmu::map_device(page);
        // First, so that no access passes when translation is switched off.
        await_register(&smmu.path, &registers, GBPA, GBPA_UPDATE, 0);
        registers.write(GBPA, GBPA_UPDATE | GBPA_ABORT);
        await_register(&smmu.path, &registers, GBPA, GBPA_UPDATE | GBPA_ABORT, GBPA_ABORT);
        set_and_await(&smmu.path, &registers, (IRQ_CTRL, IRQ_CTRLACK), 0);
        set_and_await(&smmu.path, &registers, (CR0, CR0ACK), 0);
        let [idr0, idr1, idr5] = [IDR0, IDR1, IDR5].map(|offset| registers.read(offset));
        smmu.features = Features::read(idr0, idr1, idr5);
    }
}

/// Writes a register that has one in which the SMMU acknowledges it.
fn set_and_await(path: &str, registers: &Registers, (register, acknowledged): (u64, u64), to: u32) {
    registers.write(register, to);
    let mask = CR0_SMMUEN | CR0_EVENTQEN | CR0_CMDQEN | to;
    await_register(path, registers, acknowledged, mask, to);
}

/// Waits until the bits of `mask` in a register have this value.
fn await_register(path: &str, registers: &Registers, offset: u64, mask: u32, value: u32) {
    if !(0..READS).any(|_| registers.read(offset) & mask == value) {
        refuse(format_args!(
            "{path} does not answer, its register {offset:#x} is {:#x}: have firmware enable it, \
             or disable it in the machine's tree",
            registers.read(offset)
        ));
    }
}

/// Writes the tables of the SMMUs that have streams of partitions, whose tables for devices have
/// these `roots`, and sets the SMMUs up. All streams are closed, and translation stays off. `its` takes
/// messages of devices, if there is one. `None` if there is no such SMMU.
pub fn set_up(
    machine: &Machine,
    plan: &Plan,
    roots: &[Option<Pa>],
    gic: &'static Gic,
    its: Option<&'static Its>,
) -> Option<&'static Smmus> {
    if plan.smmus.is_empty() {
        return None;
    }
    let one = |it: &SmmuPlan| smmu(&machine.smmus[it.smmu], it, &plan.partitions, roots);
    let smmus = plan.smmus.iter().map(one).collect();
    Some(Box::leak(Box::new(Smmus { smmus, gic, its, partitions: SetOnce::new() })))
}

/// Sets one SMMU up.
fn smmu(
    machine: &machine::Smmu,
    plan: &SmmuPlan,
    partitions: &[PartitionPlan],
    roots: &[Option<Pa>],
) -> Smmu {
    let SmmuPlan { features, layout, memory: place, .. } = plan;
    mmu::map_memory(*place);
    let count = (place.size() / size_of::<u64>() as u64) as usize;
    // SAFETY: the line above mapped the memory, whole pages that the Plan gives to nothing else,
    // and this is called once for it. Any bytes are a valid `AtomicU64`, for which pages are
    // aligned.
    let words = unsafe { slice::from_raw_parts(place.start().get() as *const AtomicU64, count) };
    for word in words {
        word.store(0, Ordering::Relaxed);
    }
    let store = |offset: u64, word| words[(offset / 8) as usize].store(word, Ordering::Relaxed);
    layout.write_closed(place.start(), &mut |offset, word| store(offset, word));
    let stream = |stream: &PlannedStream| {
        let partition = &partitions[stream.partition];
        let offset = layout.offset(stream.id).expect("the layout has all streams of the Plan");
        let root = roots[stream.partition].expect("a partition with streams has tables for them");
        let entry = Reached { vmid: partition.vmid, root }.entry(features);
        for (number, word) in (0..).zip(entry) {
            store(offset + number * 8, word);
        }
        let (entry, _) = words[(offset / 8) as usize..].split_first_chunk().expect("it is inside");
        let path = &partition.passthrough[stream.device].path;
        OwnedStream {
            id: stream.id,
            partition: stream.partition,
            vmid: partition.vmid,
            device: String::from(path.rsplit('/').next().unwrap_or(path)).leak(),
            entry,
        }
    };
    let streams: Vec<_> = plan.streams.iter().map(stream).collect();
    // For an SMMU that reads memory past the caches. The registers are written later.
    cache::clean_and_invalidate(*place);
    let registers = mmu::map_device(machine.registers);
    let is_coherent = features.is_coherent;
    let [commands, events] = plan.queues();
    let entries = |start: Pa| &words[((start.get() - place.start().get()) / 8) as usize..];
    // Errors of firmware's time, one of which would keep the command queue from working.
    registers.write(GERRORN, registers.read(GERROR));
    registers.write(CR1, cr1(is_coherent));
    registers.write(CR2, CR2_VALUE);
    registers.write_long(STRTAB_BASE, ALLOCATE | place.start().get());
    registers.write(STRTAB_BASE_CFG, layout.base_cfg());
    let base = |start: Pa, log2: u32| ALLOCATE | start.get() | u64::from(log2);
    registers.write_long(CMDQ_BASE, base(commands, features.commands.log2()));
    registers.write(CMDQ_PROD, 0);
    registers.write(CMDQ_CONS, 0);
    registers.write_long(EVENTQ_BASE, base(events, features.events.log2()));
    registers.write(EVENTQ_PROD, 0);
    registers.write(EVENTQ_CONS, 0);
    let limits = streams.iter().map(|_| line_limit()).collect();
    let interrupts = [machine.events, machine.errors].map(|it| it.map(|it| it.intid));
    let commands = CommandQueue::new(registers, entries(commands), features.commands, is_coherent);
    let events = EventQueue::new(registers, entries(events), features.events, is_coherent, limits);
    Smmu {
        path: machine.path.clone().leak(),
        registers,
        interrupts,
        is_coherent,
        commands: Mutex::tried(commands),
        events: Mutex::tried(events),
        streams,
    }
}

/// Walks the stream tables where the SMMUs' registers say that they are, and the tables to which
/// they lead, and refuses to start guests if a device reaches more than its partition's memory, or
/// anything yet. `tables` is the memory of the partitions' tables.
pub fn audit(
    machine: &Machine,
    smmus: &Smmus,
    plan: &[SmmuPlan],
    roots: &[(&PartitionPlan, Option<Pa>)],
    tables: Region<Pa>,
) {
    match find_errors(machine, smmus, plan, roots, tables) {
        Ok(summary) => info!("audit       {summary}"),
        Err(finding) => refuse_finding(&finding),
    }
}

fn find_errors(
    machine: &Machine,
    smmus: &Smmus,
    plan: &[SmmuPlan],
    roots: &[(&PartitionPlan, Option<Pa>)],
    tables: Region<Pa>,
) -> Result<StreamSummary, Finding> {
    let read = |table: Pa| {
        // SAFETY: the audit calls this only for pages of `tables`, which `stage2::divide` mapped
        // and which nothing writes until a guest runs.
        unsafe { &*(table.get() as *const Descriptors) }
    };
    let with_tables: Vec<_> =
        roots.iter().filter_map(|(plan, root)| Some((*plan, (*root)?))).collect();
    let pages = audit::devices(machine, &with_tables, tables, &read)?;
    let mut streams = 0;
    for (smmu, plan) in smmus.smmus.iter().zip(plan) {
        let read = |at: Pa| {
            // SAFETY: the audit calls this only for multiples of 8 in the Plan's memory for the
            // SMMU, which `smmu` mapped.
            unsafe { &*(at.get() as *const AtomicU64) }.load(Ordering::Relaxed)
        };
        let base = smmu.registers.read_long(STRTAB_BASE);
        let base_cfg = smmu.registers.read(STRTAB_BASE_CFG);
        streams += audit::streams(&StreamTable { plan, base, base_cfg, read: &read }, roots)?;
    }
    Ok(StreamSummary { streams, pages })
}

/// Enables translation, with all streams closed, and the SMMUs' interrupts. `cpu` returns the CPU
/// that takes an interrupt of an SMMU, the first of whose streams this partition has.
pub fn go_live(machine: &Machine, smmus: &Smmus, cpu: impl Fn(Intid, usize) -> usize) {
    for smmu in &smmus.smmus {
        let registers = &smmu.registers;
        let machine = machine.smmus.iter().find(|it| it.path == smmu.path);
        let has_ats = machine.is_some_and(|it| it.features.is_ok_and(|it| it.has_ats));
        let checked = if has_ats { CR0_ATSCHK } else { 0 };
        let enable = |what| set_and_await(smmu.path, registers, (CR0, CR0ACK), what | checked);
        enable(CR0_CMDQEN);
        let mut commands = smmu.commands.lock();
        commands.add(Command::ForgetStreams);
        commands.add(Command::ForgetAllTranslations);
        commands.finish();
        enable(CR0_CMDQEN | CR0_EVENTQEN);
        enable(CR0_CMDQEN | CR0_EVENTQEN | CR0_SMMUEN);
        set_and_await(smmu.path, registers, (IRQ_CTRL, IRQ_CTRLACK), IRQ_CTRL_VALUE);
        let first = smmu.streams.first().map_or(0, |stream| stream.partition);
        let interrupts = machine.into_iter().flat_map(|it| [it.events, it.errors]).flatten();
        for interrupt in interrupts {
            smmus.gic.set_trigger(interrupt.intid, interrupt.trigger == Trigger::Edge);
            smmus.gic.enable_own(interrupt.intid, cpu(interrupt.intid, first));
        }
    }
}
