//! Builds the partitions' stage-2 tables.

use alloc::vec::Vec;
use bulkhead::arch::addr::{PAGE_SIZE, Pa, Region};
use bulkhead::boot::plan::{PartitionPlan, Plan};
use bulkhead::mm::tables::{MapError, Table, Tables};
use core::slice;

use super::mmu;
use crate::el2::arch::cache;
use crate::el2::mm::stage2::Stage2;

/// The memory of a partition's stage-2 tables.
pub type TableMemory = &'static mut [Table];

/// Maps the memory that the Plan reserves for stage-2 tables, and returns each partition's part.
pub fn divide(plan: &Plan) -> Vec<TableMemory> {
    mmu::map_memory(plan.table_memory);
    let count = (plan.table_memory.size() / PAGE_SIZE) as usize;
    let start = plan.table_memory.start().get() as *mut Table;
    // SAFETY: the lines above mapped the memory, whole pages that the Plan gives to nothing else.
    // This is called once. Any bytes are a valid `Table`.
    let mut rest = unsafe { slice::from_raw_parts_mut(start, count) };
    let part = |partition: &PartitionPlan| {
        let part = rest.split_off_mut(..partition.tables);
        part.expect("the Plan adds the parts' sizes")
    };
    plan.partitions.iter().map(part).collect()
}

/// Builds a partition's tables, the root first.
///
/// # Errors
///
/// If two mappings overlap or `memory` is too small. The Plan excludes both.
pub fn build(partition: &PartitionPlan, memory: TableMemory) -> Result<Stage2, MapError> {
    let root = Pa::new(memory.as_ptr() as u64);
    let mut tables = Tables::new(memory, root)?;
    for mapping in &partition.mappings {
        tables.map(mapping.ipa, mapping.pa, mapping.size, mapping.attributes)?;
    }
    // For cores whose walks bypass the caches, although VTCR_EL2 makes walks cacheable.
    let used = Region::new(root, size_of_val(memory) as u64).ok_or(MapError::OutOfRange)?;
    cache::clean_and_invalidate(used);
    let root = memory.first_mut().ok_or(MapError::OutOfTables)?;
    Ok(Stage2::new(root, partition.vmid))
}
