//! Builds the partitions' stage-2 tables, and the tables for EL2's windows.

use aarch64_cpu::asm::barrier;
use alloc::vec::Vec;
use bulkhead::arch::addr::{Ipa, PAGE_SIZE, Pa, Region};
use bulkhead::boot::audit::{self, Access, Window};
use bulkhead::boot::plan::{Mapping, PartitionPlan, Plan, PlannedDisk};
use bulkhead::mm::tables::{Attributes, MapError, Table, Tables};
use bulkhead::mm::window::MemoryTables;
use core::mem::take;
use core::slice;

use super::refuse::refuse;
use super::{mmu, refuse_finding};
use crate::el2::arch::cache;
use crate::el2::links::DiskMemory;
use crate::el2::mm::images::Images;
use crate::el2::mm::stage2::Stage2;

/// The memory of a partition's tables.
pub struct TableMemory {
    /// Of its stage 2.
    stage2: &'static mut [Table],
    /// For its devices behind SMMUs: empty, if it has none.
    dma: &'static mut [Table],
    /// For a window onto its memory.
    window: &'static mut [Table],
    /// For a window onto each of its disks by virtio.
    disks: Vec<&'static mut [Table]>,
}

/// Maps the memory that the Plan reserves for tables, and returns each partition's part, and the
/// images with finished tables.
pub fn divide(plan: &mut Plan) -> (Vec<TableMemory>, Images) {
    mmu::map_memory(plan.table_memory);
    let count = (plan.table_memory.size() / PAGE_SIZE) as usize;
    let start = plan.table_memory.start().get() as *mut Table;
    // SAFETY: the lines above mapped the memory, whole pages that the Plan gives to nothing else.
    // This is called once. Any bytes are a valid `Table`.
    let mut rest = unsafe { slice::from_raw_parts_mut(start, count) };
    let mut part = |tables| {
        let part = rest.split_off_mut(..tables);
        part.expect("the Plan adds the parts' sizes")
    };
    let stage2: Vec<_> = plan.partitions.iter().map(|it| part(it.tables)).collect();
    let dma: Vec<_> = plan.partitions.iter().map(|it| part(it.dma_tables)).collect();
    let mut windows = Vec::with_capacity(plan.partitions.len());
    for partition in &plan.partitions {
        let window = part(partition.window_tables);
        let disks = partition.virtio_disks().map(|(_, device)| part(device.window_tables));
        windows.push((window, disks.collect()));
    }
    // The trees determine where the images are, so this is a refusal and not a panic.
    let tables = build_window(&plan.images, Access::Read, part(plan.image_tables))
        .unwrap_or_else(|error| refuse(format_args!("EL2 cannot map all images: {error:?}")));
    let join = |((stage2, dma), (window, disks))| TableMemory { stage2, dma, window, disks };
    (
        stage2.into_iter().zip(dma).zip(windows).map(join).collect(),
        Images::new(take(&mut plan.images), tables),
    )
}

impl TableMemory {
    /// Returns the root of the tables for devices, if there are any.
    pub fn dma_root(&self) -> Option<Pa> {
        (!self.dma.is_empty()).then(|| Pa::new(self.dma.as_ptr() as u64))
    }
}

/// Builds a partition's tables, the roots first: its stage 2, those for its devices behind SMMUs,
/// and the windows onto its memory and onto its disks by virtio.
///
/// # Errors
///
/// If two mappings overlap or `memory` is too small. The Plan excludes both.
pub fn build(
    partition: &PartitionPlan,
    memory: TableMemory,
) -> Result<(Stage2, MemoryTables, Vec<DiskMemory>), MapError> {
    let TableMemory { stage2, dma, window, disks } = memory;
    let end = map_all(&partition.mappings, stage2)?;
    if !dma.is_empty() {
        map_all(&partition.dma_mappings, dma)?;
    }
    let root = stage2.first_mut().ok_or(MapError::OutOfTables)?;
    let window = build_window(&[partition.memory.host], Access::Write, window)?;
    let disk = |((disk, _), tables): ((&PlannedDisk, _), _)| {
        let access = if disk.is_read_only { Access::Read } else { Access::Write };
        Ok(DiskMemory::new(disk.host, build_window(&[disk.host], access, tables)?))
    };
    let disks = partition.virtio_disks().zip(disks).map(disk).collect::<Result<_, _>>()?;
    Ok((Stage2::new(root, end, partition.vmid), window, disks))
}

/// Builds tables with these mappings, and returns the address behind the last one.
fn map_all(mappings: &[Mapping], pool: &mut [Table]) -> Result<Ipa, MapError> {
    let base = Pa::new(pool.as_ptr() as u64);
    let used = Region::new(base, size_of_val(pool) as u64).ok_or(MapError::OutOfRange)?;
    let mut tables = Tables::new(pool, base)?;
    let mut end = Ipa::new(0);
    for mapping in mappings {
        tables.map(mapping.ipa, mapping.pa, mapping.size, mapping.attributes)?;
        end = end.max(Ipa::new(mapping.ipa.get() + mapping.size));
    }
    // For cores and SMMUs whose walks bypass the caches, although VTCR_EL2 makes walks cacheable.
    cache::clean_and_invalidate(used);
    Ok(end)
}

/// Builds the tables for a window onto memory, and refuses to start guests if their audit finds an
/// error. Each partition's first CPU does this, so that the boot CPU does not have to for all.
fn build_window(
    memory: &[Region<Pa>],
    access: Access,
    pool: &'static mut [Table],
) -> Result<MemoryTables, MapError> {
    let base = Pa::new(pool.as_ptr() as u64);
    let attributes = match access {
        Access::Write => Attributes::WINDOW,
        Access::Read => Attributes::READ_ONLY,
    };
    let mut tables = Tables::new(pool, base)?;
    for region in memory {
        tables.map_missing(region.start(), region.start(), region.size(), attributes)?;
    }
    // For the walks of the CPUs that open the window.
    barrier::dsb(barrier::ISHST);
    let (pool, region) = tables.in_use();
    let read = |table: Pa| pool[((table.get() - base.get()) / PAGE_SIZE) as usize].descriptors();
    match audit::window(&Window { memory, table: base, access }, region, &read) {
        Ok(()) => Ok(MemoryTables::new(base)),
        Err(finding) => refuse_finding(&finding),
    }
}
