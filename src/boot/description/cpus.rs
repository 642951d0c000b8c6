//! Reads which CPUs a partition requests.

use alloc::vec::Vec;

use super::{Result, refuse};
use crate::arch::mpidr::Mpidr;
use crate::boot::fdt::Node;

/// The CPUs that a partition requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CpuRequest {
    /// This many, at least one.
    Count(u32),
    /// Those with these affinities, at least one.
    Ids(Vec<Mpidr>),
}

/// Returns the CPU that a cell names by its affinity fields Aff2 to Aff0; `None` if the cell has
/// other bits.
pub(super) fn affinity(cell: u32) -> Option<Mpidr> {
    (cell >> 24 == 0).then_some(Mpidr::new(u64::from(cell)))
}

/// Reads `cpus` or `cpu-ids`.
pub(super) fn cpus(node: Node<'_, '_>) -> Result<CpuRequest> {
    let like = "one cell for each CPU, Aff2 to Aff0, as in <0x0 0x1>";
    let ids = node.read("cpu-ids", like, |ids| {
        let mut list = Vec::new();
        for id in ids.cells()? {
            list.push(affinity(id)?);
        }
        Some(list)
    })?;
    let why = match (node.cell("cpus")?, ids) {
        (None, Some(ids)) if !ids.is_empty() => return Ok(CpuRequest::Ids(ids)),
        (Some(count @ 1..), None) => return Ok(CpuRequest::Count(count)),
        (Some(0), None) => "cpus = <0> is empty: give at least one",
        (None, Some(_)) => "cpu-ids is empty: give at least one",
        (Some(_), Some(_)) => "cpus and cpu-ids are both present: give only one of them",
        (None, None) => "cpus is missing: give how many, as in <1>, or cpu-ids, as in <0x0 0x1>",
    };
    refuse!(node.path(), ": {why}")
}
