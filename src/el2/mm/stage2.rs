//! Stage 2: a partition's tables, and making them this CPU's.

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::*;
use alloc::vec::Vec;
use bulkhead::arch::addr::{PAGE_SIZE, Pa, Region};
use bulkhead::arch::mpidr::Mpidr;
use bulkhead::boot::plan::{PartitionPlan, Plan};
use bulkhead::mm::tables::{MapError, Table, Tables};
use core::arch::asm;
use core::sync::atomic::{AtomicU64, Ordering};

use super::mmu;
use crate::el2::arch::cache;
use crate::el2::arch::registers::write_register;
use crate::el2::partition::Partition;
use crate::el2::vcpu::Vcpu;

/// Divides the memory that the Plan keeps for the tables, and makes it accessible.
pub fn divide(plan: &Plan) -> Vec<Region<Pa>> {
    mmu::map_memory(plan.table_memory);
    let mut offset = 0;
    let part = |partition: &PartitionPlan| {
        let size = partition.tables as u64 * PAGE_SIZE;
        let part = plan.table_memory.part(offset, size).expect("the Plan has summed them up");
        offset += size;
        part
    };
    plan.partitions.iter().map(part).collect()
}

/// Builds a partition's tables, the root first.
///
/// # Errors
///
/// If something is mapped twice, or `memory` is too small: the Plan has checked that.
///
/// # Safety
///
/// `memory` must be this partition's part of what [`divide`] returned, and not be in use yet.
pub unsafe fn build(partition: &PartitionPlan, memory: Region<Pa>) -> Result<(), MapError> {
    let root = memory.start();
    let count = (memory.size() / PAGE_SIZE) as usize;
    // SAFETY: the caller vouches for this memory, which the Plan gave to nobody else.
    let pool = unsafe { core::slice::from_raw_parts_mut(root.get() as *mut Table, count) };
    let mut tables = Tables::new(pool, root)?;
    for mapping in &partition.mappings {
        tables.map(mapping.ipa, mapping.pa, mapping.size, mapping.memory)?;
    }
    // Walks go through the caches (VTCR_EL2), so this is for cores that walk past them.
    cache::clean_and_invalidate(memory);
    Ok(())
}

/// Takes everything from a partition's guest, until [`restore`]: whatever its vCPUs do next, they come to
/// EL2. Those with direct interrupts may not hear a doorbell, since a guest can make any priority active
/// at the CPU interface (ICC_AP1R<n>_EL1), which nothing traps.
pub fn cut(partition: &Partition) {
    set_valid(partition, false);
    let own = VTTBR_EL2.get();
    VTTBR_EL2.set(vttbr(partition));
    barrier::isb(barrier::SY);
    // SAFETY: drops translations that are not valid any more, of this VMID, on all CPUs.
    unsafe { asm!("tlbi vmalls12e1is", options(nostack)) };
    barrier::dsb(barrier::ISH);
    VTTBR_EL2.set(own);
    barrier::isb(barrier::SY);
}

/// Gives a partition back what [`cut`] took, before a vCPU of it runs again.
pub fn restore(partition: &Partition) {
    set_valid(partition, true);
}

/// Makes the entries of a partition's root that there are valid or invalid.
fn set_valid(partition: &Partition, is_valid: bool) {
    const VALID: u64 = 1;
    let root = partition.stage2.get() as *const [AtomicU64; PAGE_SIZE as usize / 8];
    // SAFETY: `build` made this page a table, which is mapped for good, and nothing but atomic accesses
    // has written it since the first guest ran.
    for entry in unsafe { &*root } {
        if entry.load(Ordering::Relaxed) != 0 {
            if is_valid {
                entry.fetch_or(VALID, Ordering::Relaxed);
            } else {
                entry.fetch_and(!VALID, Ordering::Relaxed);
            }
        }
    }
    let Some(page) = Region::new(partition.stage2, PAGE_SIZE) else {
        panic!("a table does not wrap");
    };
    // For walks that do not look into the caches, and before whoever is told of it (Arm ARM D8.17.1).
    cache::clean_and_invalidate(page);
    barrier::dsb(barrier::ISH);
}

/// VTTBR_EL2 for a partition.
fn vttbr(partition: &Partition) -> u64 {
    partition.stage2.get() | u64::from(partition.plan.vmid) << 48
}

/// Makes a partition's stage 2 and numbers those of this CPU.
pub fn activate(vcpu: &Vcpu) {
    let partition = vcpu.partition;
    VTTBR_EL2.set(vttbr(partition));
    write_register!("vpidr_el2", MIDR_EL1.get());
    VMPIDR_EL2.set(Mpidr::of_vcpu(vcpu.index).register());
    barrier::isb(barrier::SY);
    // SAFETY: drops cached translations of this VMID on this CPU; they are looked up again.
    unsafe { asm!("tlbi vmalls12e1", "ic iallu", options(nostack)) };
    barrier::dsb(barrier::NSH);
    barrier::isb(barrier::SY);
}
