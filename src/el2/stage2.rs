//! Stage 2: a partition's tables, and making them this CPU's.

use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::*;
use bulkhead::addr::{PAGE_SIZE, Pa, Region};
use bulkhead::machine::Mpidr;
use bulkhead::plan::{PartitionPlan, Plan};
use bulkhead::tables::{self, MapError, Table, Tables};
use core::arch::asm;

use super::registers::write_register;
use super::vcpu::Vcpu;
use super::{cache, mmu};

/// Builds the tables of every partition in the memory that the Plan keeps for them; the result
/// has each one's root, in the order of the Plan.
pub fn build(plan: &Plan) -> impl Iterator<Item = Pa> {
    mmu::map_memory(plan.table_memory);
    let mut rest = plan.table_memory.start();
    plan.partitions.iter().map(move |partition| {
        let root = rest;
        let used = build_one(partition, root).expect("the Plan has checked what is mapped");
        rest = used.end();
        root
    })
}

fn build_one(partition: &PartitionPlan, root: Pa) -> Result<Region<Pa>, MapError> {
    let mappings = partition.mappings();
    let list = mappings.iter().map(|mapping| (mapping.input, mapping.output, mapping.size));
    let count = tables::tables_needed(list);
    // SAFETY: the Plan gave this memory to nobody else, it is mapped, it is large enough for the
    // tables of all partitions, and every partition gets another part of it.
    let pool = unsafe { core::slice::from_raw_parts_mut(root.get() as *mut Table, count) };
    let mut tables = Tables::new(pool, root)?;
    for mapping in &mappings {
        tables.map(mapping)?;
    }
    let size = count as u64 * PAGE_SIZE;
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
