//! Builds the partitions' stage-2 tables.

use alloc::vec::Vec;
use bulkhead::arch::addr::{PAGE_SIZE, Pa, Region};
use bulkhead::boot::plan::{PartitionPlan, Plan};
use bulkhead::mm::tables::{MapError, Table, Tables};

use super::mmu;
use crate::el2::arch::cache;
use crate::el2::mm::stage2::Stage2;

/// Maps the memory that the Plan reserves for stage-2 tables, and returns each partition's part.
pub fn divide(plan: &Plan) -> Vec<Region<Pa>> {
    mmu::map_memory(plan.table_memory);
    let mut offset = 0;
    let part = |partition: &PartitionPlan| {
        let size = partition.tables as u64 * PAGE_SIZE;
        let part = plan.table_memory.part(offset, size).expect("the Plan adds the parts' sizes");
        offset += size;
        part
    };
    plan.partitions.iter().map(part).collect()
}

/// Builds a partition's tables, the root first.
///
/// # Errors
///
/// If two mappings overlap or `memory` is too small. The Plan excludes both.
///
/// # Safety
///
/// - `memory` must be the partition's part from [`divide`].
/// - Nothing else may use it.
pub unsafe fn build(partition: &PartitionPlan, memory: Region<Pa>) -> Result<Stage2, MapError> {
    let root = memory.start();
    let count = (memory.size() / PAGE_SIZE) as usize;
    // SAFETY: `divide` mapped the memory, the caller guarantees that nothing else uses it, and any
    // bytes are a valid `Table`.
    let pool = unsafe { core::slice::from_raw_parts_mut(root.get() as *mut Table, count) };
    let mut tables = Tables::new(pool, root)?;
    for mapping in &partition.mappings {
        tables.map(mapping.ipa, mapping.pa, mapping.size, mapping.attributes)?;
    }
    // For cores whose walks bypass the caches, although VTCR_EL2 makes walks cacheable.
    cache::clean_and_invalidate(memory);
    // SAFETY: the tables are finished, `divide` mapped them permanently, and `tables`, which alone
    // could write them, is not used after this.
    Ok(unsafe { Stage2::new(root, partition.vmid) })
}
