//! Stage 2: a partition's tables, and making them this CPU's.

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::*;
use alloc::vec::Vec;
use bulkhead::addr::{PAGE_SIZE, Pa, Region};
use bulkhead::machine::Mpidr;
use bulkhead::plan::{PartitionPlan, Plan};
use bulkhead::tables::{MapError, Table, Tables};
use core::arch::asm;

use super::registers::write_register;
use super::vcpu::Vcpu;
use super::{cache, mmu};

/// Builds the tables of every partition in the memory that the Plan keeps for them; the result
/// has each one's root, in the order of the Plan.
pub fn build(plan: &Plan) -> Vec<Pa> {
    mmu::map_memory(plan.table_memory);
    let mut rest = plan.table_memory;
    let mut roots = Vec::with_capacity(plan.partitions.len());
    for partition in &plan.partitions {
        roots.push(rest.start());
        let used = build_one(partition, rest).expect("the Plan has checked what is mapped");
        rest =
            Region::between(used.end(), rest.end()).expect("they are in the memory kept for them");
    }
    roots
}

/// Builds a partition's tables at the start of `memory`; the result is what they take of it.
fn build_one(partition: &PartitionPlan, memory: Region<Pa>) -> Result<Region<Pa>, MapError> {
    let root = memory.start();
    let count = (memory.size() / PAGE_SIZE) as usize;
    // SAFETY: the Plan gave this memory to nobody else, it is mapped, and every partition gets
    // another part of it.
    let pool = unsafe { core::slice::from_raw_parts_mut(root.get() as *mut Table, count) };
    let mut tables = Tables::new(pool, root)?;
    for mapping in &partition.mappings {
        tables.map(mapping.ipa, mapping.pa, mapping.size, mapping.memory)?;
    }
    let size = tables.tables_used() as u64 * PAGE_SIZE;
    let used = Region::new(root, size).ok_or(MapError::OutOfRange)?;
    // Walks go through the caches (VTCR_EL2), so this is for cores that walk past them.
    cache::clean(used);
    Ok(used)
}

/// Makes a partition's stage 2 and numbers those of this CPU.
pub fn activate(vcpu: &Vcpu) {
    let partition = vcpu.partition;
    VTTBR_EL2.set(partition.stage2.get() | u64::from(partition.plan.vmid) << 48);
    write_register!("vpidr_el2", MIDR_EL1.get());
    VMPIDR_EL2.set(Mpidr::of_vcpu(vcpu.index).register());
    barrier::isb(barrier::SY);
    // SAFETY: drops cached translations of this VMID on this CPU; they are looked up again.
    unsafe { asm!("tlbi vmalls12e1", "ic iallu", options(nostack)) };
    barrier::dsb(barrier::NSH);
    barrier::isb(barrier::SY);
}
