//! The memory that a partition must reach according to its Plan, and the memory that none may
//! reach.

use alloc::vec;
use alloc::vec::Vec;

use super::walk::{Run, Wrong};
use super::{Access, Window};
use crate::arch::addr::{PAGE_SIZE, Pa, Region};
use crate::boot::machine::{Gic, Machine, MessageKind};
use crate::boot::plan::{PartitionPlan, PlannedDisk, SharedMemoryPort};
use crate::devices::address_map::{CPU_INTERFACE, MESSAGE_FRAME};
use crate::devices::planned::DeviceKind;

/// Attributes of stage-2 leaves (Arm ARM D8.3.2): MemAttr in bits 5:2, S2AP in 7:6, SH in 9:8, AF
/// in 10, XN\[1\] in 54. Memory is Normal write-back, inner shareable and executable. Disks and
/// shared memory are the same, but not executable, and some disks not writable. Registers are
/// Device-nGnRE and not executable, and those that take messages not readable.
const MEMORY: u64 = 0b1111 << 2 | 0b11 << 6 | 0b11 << 8 | 1 << 10;
const DISK: u64 = MEMORY | 1 << 54;
const READ_ONLY_DISK: u64 = DISK & !(1 << 7);
const REGISTERS: u64 = 0b0001 << 2 | 0b11 << 6 | 1 << 10 | 1 << 54;

const MESSAGES: u64 = REGISTERS & !(1 << 6);

/// Attributes of EL2's leaves (Arm ARM D8.3.2): AttrIndx in bits 4:2, AP\[2\], which forbids
/// writes, in 7 above a bit that is one, SH in 9:8, AF in 10, XN in 54. Both are inner shareable
/// and not executable; MAIR_EL2 has Normal write-back at index 0, and the same with tags at index
/// 2.
const WRITTEN: u64 = 2 << 2 | 1 << 6 | 0b11 << 8 | 1 << 10 | 1 << 54;
const READ: u64 = 0b11 << 6 | 0b11 << 8 | 1 << 10 | 1 << 54;

/// Returns what a partition owns, in runs that do not overlap, by ascending input address.
pub(super) fn owned(machine: &Machine, plan: &PartitionPlan) -> Vec<Run> {
    let registers = plan.passthrough.iter().flat_map(|device| &device.registers);
    let mut owned: Vec<Run> = registers.filter_map(pages).map(|it| identity(&it)).collect();
    owned.sort_by_key(|run| run.input);
    // Devices of one partition may share pages.
    owned.dedup_by(|next, last| {
        let touches = next.input <= last.input + last.size;
        if touches {
            last.size = last.size.max(next.input + next.size - last.input);
        }
        touches
    });
    owned.extend(memory(plan));
    owned.extend(cpu_interface(&machine.gic));
    owned.sort_by_key(|run| run.input);
    owned
}

/// Returns what a partition's devices behind SMMUs reach: its memory, and the page that takes their
/// messages, if they can send some.
pub(super) fn of_devices(machine: &Machine, plan: &PartitionPlan) -> Vec<Run> {
    let mut reached = memory(plan);
    if let Some(messages) = &plan.messages
        && let Some(controller) = machine.message_controllers.get(messages.controller)
    {
        let output = match controller.kind {
            // GITS_TRANSLATER is in the second frame of 64 KiB.
            MessageKind::Its(_) => controller.registers.start().get() + 0x1_0000,
            MessageKind::Frame(_) => controller.registers.start().get(),
        };
        let input = MESSAGE_FRAME.get();
        reached.push(Run { input, output, size: PAGE_SIZE, attributes: MESSAGES });
    }
    reached.sort_by_key(|run| run.input);
    reached
}

/// Returns the memory and the disks that a partition owns, and the memory that it shares.
pub(super) fn memory(plan: &PartitionPlan) -> Vec<Run> {
    let (guest, host) = (plan.memory.guest, plan.memory.host);
    let (input, output) = (guest.start().get(), host.start().get());
    let mut memory = vec![Run { input, output, size: host.size(), attributes: MEMORY }];
    memory.extend(plan.disks.iter().filter_map(disk));
    memory.extend(plan.shared_memory.iter().map(shared_memory));
    memory
}

/// Returns the run that maps a disk; `None` for one by virtio, which no stage 2 maps for its sake.
fn disk(disk: &PlannedDisk) -> Option<Run> {
    let (input, output) = (disk.guest()?.start().get(), disk.host.start().get());
    let attributes = if disk.is_read_only { READ_ONLY_DISK } else { DISK };
    Some(Run { input, output, size: disk.host.size(), attributes })
}

/// Returns the memory of a partition's disks by virtio that is no other's, as runs: EL2 accesses it
/// for the partition alone, so that no other may reach it.
pub(super) fn behind_devices(plan: &PartitionPlan) -> impl Iterator<Item = Run> {
    let own = plan.virtio_disks().filter(|(disk, _)| disk.same_as.is_none());
    own.map(|(disk, _)| identity(&disk.host))
}

/// Returns the run that maps memory which partitions share.
fn shared_memory(port: &SharedMemoryPort) -> Run {
    let (input, output) = (port.place.guest.start().get(), port.place.host.start().get());
    Run { input, output, size: port.place.host.size(), attributes: DISK }
}

/// The bytes that a partition reaches and another one counts as its own.
#[derive(Clone, Copy, Default)]
pub(super) struct Taken {
    /// Of read-only disks.
    pub disks: u64,
    /// Of memory that partitions share.
    pub memory: u64,
}

/// Removes from `mapped`, which is what a partition owns, the disks that are the same as another's,
/// and the memory that it shares, but for what port 0 counts as its own, so that what is left must
/// have no other owner. A disk by virtio is not mapped, and has none.
///
/// # Errors
///
/// If a disk that two partitions reach is not read-only for both, or differs from the other, or if
/// not exactly those partitions reach shared memory that have a port of it.
pub(super) fn take_shared(
    plan: &PartitionPlan,
    plans: &[&PartitionPlan],
    mapped: &mut Vec<Run>,
) -> Result<Taken, Wrong> {
    let mut taken = Taken::default();
    // A run may have several disks, so the Plan has to say where one ends.
    mapped.retain(|run| run.attributes != READ_ONLY_DISK && run.attributes != DISK);
    for own in &plan.disks {
        match own.same_as {
            None => mapped.extend(disk(own)),
            Some((partition, index)) => {
                let other = plans.get(partition).and_then(|plan| plan.disks.get(index));
                if !other.is_some_and(|other| is_shared(own, other)) {
                    return Err(("a disk is shared that must not be", own.host.start().get()));
                }
                taken.disks += disk(own).map_or(0, |run| run.size);
            }
        }
    }
    for own in &plan.shared_memory {
        if !has_all_ports(own, plans) {
            let what = "memory is shared by other partitions than those that have a port";
            return Err((what, own.place.host.start().get()));
        }
        match own.own_memory() {
            Some(_) => mapped.push(shared_memory(own)),
            None => taken.memory += own.place.host.size(),
        }
    }
    Ok(taken)
}

/// Returns whether the ports of shared memory are each another partition's, and all of them have
/// the same memory.
fn has_all_ports(own: &SharedMemoryPort, plans: &[&PartitionPlan]) -> bool {
    let (mut found, mut count) = (0_u64, 0);
    for plan in plans {
        let mut ports = plan.shared_memory.iter().filter(|it| it.memory == own.memory);
        let Some(port) = ports.next() else { continue };
        let is_same = (port.place.host, port.ports) == (own.place.host, own.ports);
        if !is_same || port.port >= own.ports || ports.next().is_some() {
            return false;
        }
        found |= 1_u64.checked_shl(port.port.into()).unwrap_or(0);
        count += 1;
    }
    count == u32::from(own.ports) && found.count_ones() == count
}

/// Returns whether two owners may have the copy of a disk that is `other`'s.
fn is_shared(own: &PlannedDisk, other: &PlannedDisk) -> bool {
    let are_only_read = own.is_read_only && other.is_read_only;
    are_only_read && own.host == other.host && other.same_as.is_none()
}

/// Returns what the tables for a window map: pages that overlap or touch are one run.
pub(super) fn window(window: &Window<'_>) -> Vec<Run> {
    let attributes = match window.access {
        Access::Write => WRITTEN,
        Access::Read => READ,
    };
    let run = |memory: &Region<Pa>| Run { attributes, ..identity(memory) };
    match window.memory {
        // No list to merge: the audit is a large part of a boot with many partitions.
        [one] => [run(one)].into(),
        all => merged(all.to_vec()).iter().filter(|it| !it.is_empty()).map(run).collect(),
    }
}

/// Returns the run that maps registers at their physical addresses.
fn identity(region: &Region<Pa>) -> Run {
    let start = region.start().get();
    Run { input: start, output: start, size: region.size(), attributes: REGISTERS }
}

/// Returns the pages that a region has bytes in; `None` if it is empty.
fn pages(region: &Region<Pa>) -> Option<Region<Pa>> {
    region.page_aligned().filter(|pages| !pages.is_empty())
}

/// Returns the run that maps the page of GICV, where each CPU accesses its own virtual CPU
/// interface: all partitions have it.
pub(super) fn cpu_interface(gic: &Gic) -> Option<Run> {
    let Gic::V2 { virtual_cpu_interface, .. } = gic else { return None };
    let (input, output) = (CPU_INTERFACE.get(), virtual_cpu_interface.start().get());
    Some(Run { input, output, size: PAGE_SIZE, attributes: REGISTERS })
}

/// Checks that `mapped`, which ascends, is exactly what is `owned`.
///
/// # Errors
///
/// The first difference.
pub(super) fn compare(mapped: &[Run], owned: &[Run]) -> Result<(), Wrong> {
    for run in mapped {
        let mut rest = *run;
        while rest.size > 0 {
            let covers = |it: &&Run| rest.input.wrapping_sub(it.input) < it.size;
            let Some(owner) = owned.iter().find(covers) else {
                return Err(("an address is mapped that the Plan does not give", rest.input));
            };
            let offset = rest.input - owner.input;
            if rest.output != owner.output + offset {
                return Err(("an address leads to memory that the Plan does not say", rest.input));
            }
            if rest.attributes != owner.attributes {
                return Err(("an address has attributes that it must not have", rest.input));
            }
            let size = rest.size.min(owner.size - offset);
            rest = Run {
                input: rest.input + size,
                output: rest.output + size,
                size: rest.size - size,
                ..rest
            };
        }
    }
    // All that is mapped is owned. If the sizes are equal, all that is owned is mapped.
    let [is, should] = [mapped, owned].map(|runs| runs.iter().map(|run| run.size).sum::<u64>());
    if is == should {
        Ok(())
    } else {
        Err(("addresses are missing, of bytes", should.abs_diff(is)))
    }
}

/// Checks that nothing is `mapped` where accesses to emulated devices must trap.
///
/// # Errors
///
/// The first address of an emulated device that is mapped.
pub(super) fn check_traps(mapped: &[Run], plan: &PartitionPlan) -> Result<(), Wrong> {
    for device in &plan.devices {
        let (mut start, end) = (device.registers.start().get(), device.registers.end().get());
        // The first page of the CPU interface is the hardware's GICV.
        if device.kind == DeviceKind::CpuInterface {
            start += PAGE_SIZE;
        }
        let overlaps = |run: &&Run| run.input < end && start < run.input + run.size;
        if let Some(run) = mapped.iter().find(overlaps) {
            return Err(("an emulated device's registers are mapped", run.input.max(start)));
        }
    }
    Ok(())
}

/// Returns these regions by ascending address, those that overlap or touch as one.
pub(super) fn merged(mut regions: Vec<Region<Pa>>) -> Vec<Region<Pa>> {
    regions.sort_by_key(|region| region.start());
    regions.dedup_by(|next, last| {
        let touches = next.start() <= last.end();
        if touches && let Some(both) = Region::between(last.start(), last.end().max(next.end())) {
            *last = both;
        }
        touches
    });
    regions
}

/// Returns the first of these [`merged`] regions that overlaps `region`.
pub(super) fn first_overlap<'a>(
    merged: &'a [Region<Pa>],
    region: &Region<Pa>,
) -> Option<&'a Region<Pa>> {
    let index = merged.partition_point(|other| other.end() <= region.start());
    merged.get(index).filter(|other| other.overlaps(region))
}

/// Returns the memory that no partition may reach: reserved memory, the tables, the registers that
/// only Bulkhead may access, and the images of all partitions, [`merged`].
pub(super) fn forbidden(
    machine: &Machine,
    plans: &[&PartitionPlan],
    tables: Region<Pa>,
) -> Vec<Region<Pa>> {
    // Eight are more than Bulkhead's own on most machines; most plans have two images at most.
    let mut all = Vec::with_capacity(8 + machine.reserved.len() + 2 * plans.len());
    all.push(tables);
    all.extend(machine.reserved.iter().map(|reserved| reserved.region));
    all.extend(machine.console.as_ref().map(|console| console.registers));
    all.extend(machine.watchdog);
    all.extend(machine.host_bridges.iter().map(|bridge| bridge.configuration));
    all.extend(machine.smmus.iter().map(|smmu| smmu.registers));
    all.extend(machine.message_controllers.iter().map(|it| it.registers));
    match &machine.gic {
        Gic::V2 { distributor, cpu_interface, hypervisor, virtual_cpu_interface, .. } => {
            all.extend([distributor, cpu_interface, hypervisor, virtual_cpu_interface]);
        }
        Gic::V3 { distributor, redistributors, .. } => {
            all.push(*distributor);
            all.extend(redistributors);
        }
    }
    for plan in plans {
        all.extend(plan.sources());
    }
    merged(all.iter().filter_map(pages).collect())
}
