//! Building the partitions' stage-2 tables.

use alloc::vec::Vec;
use bulkhead::arch::addr::{PAGE_SIZE, Pa, Region};
use bulkhead::boot::plan::{PartitionPlan, Plan};
use bulkhead::mm::tables::{MapError, Table, Tables};

use super::mmu;
use crate::el2::arch::cache;
use crate::el2::mm::stage2::Stage2;

/// Maps the memory that the Plan keeps for stage-2 tables, and returns each partition's part.
pub fn divide(plan: &Plan) -> Vec<Region<Pa>> {
    mmu::map_memory(plan.table_memory);
    let mut offset = 0;
    let part = |partition: &PartitionPlan| {
        let size = partition.tables as u64 * PAGE_SIZE;
        let part = plan.table_memory.part(offset, size).expect("the Plan sums the parts up");
        offset += size;
        part
    };
    plan.partitions.iter().map(part).collect()
}

/// Builds a partition's tables, the root first.
///
/// # Errors
///
/// If two mappings overlap or `memory` is too small: the Plan has checked both.
///
/// # Safety
///
/// `memory` must be the partition's part from [`divide`], and not be in use yet.
pub unsafe fn build(partition: &PartitionPlan, memory: Region<Pa>) -> Result<Stage2, MapError> {
    let root = memory.start();
    let count = (memory.size() / PAGE_SIZE) as usize;
    // SAFETY: the caller vouches for the memory, which the Plan gave to nothing else.
    let pool = unsafe { core::slice::from_raw_parts_mut(root.get() as *mut Table, count) };
    let mut tables = Tables::new(pool, root)?;
    for mapping in &partition.mappings {
        tables.map(mapping.ipa, mapping.pa, mapping.size, mapping.memory)?;
    }
    // Walks go through the caches (VTCR_EL2); this is for cores whose walks bypass them.
    cache::clean_and_invalidate(memory);
    // SAFETY: the tables are finished, `divide` mapped them for good, and `pool` ends here.
    Ok(unsafe { Stage2::new(root, partition.vmid) })
}
