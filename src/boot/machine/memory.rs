//! Memory and reserved memory (Devicetree Specification 0.4, sections 3.4 and 3.5).

use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

use super::{CpuStart, MachineCpu, MachineError, Reserved};
use crate::arch::addr::{Pa, Region};
use crate::boot::fdt::{Node, NodeError, Tree};

/// Adds the memory banks of `node` that are not empty to `banks`.
///
/// # Errors
///
/// If a bank has no address or overlaps another one.
pub(super) fn add_banks(node: Node<'_, '_>, banks: &mut Vec<Region<Pa>>) -> Result<(), NodeError> {
    for bank in node.regions()? {
        if banks.iter().any(|other| other.overlaps(&bank)) {
            return Err(NodeError::Fault("its memory overlaps other memory"));
        }
        if !bank.is_empty() {
            banks.push(bank);
        }
    }
    Ok(())
}

/// Returns the reserved memory: the `/memreserve/` entries, the children of `/reserved-memory` that
/// have an address, and the words that CPUs poll until they are started (`cpu-release-addr`). The
/// other children of `/reserved-memory` have no memory until an operating system places them.
pub(super) fn reserved(
    tree: &Tree<'_>,
    cpus: &[MachineCpu],
) -> Result<Vec<Reserved>, MachineError> {
    let mut reserved = Vec::new();
    for region in tree.memory_reservations() {
        reserved.push(Reserved { region: *region, owner: "/memreserve/".to_string() });
    }
    if let Some(parent) = tree.node("/reserved-memory") {
        for node in parent.children().filter(|node| node.is_available()) {
            for region in node.regions().map_err(MachineError::at(node))? {
                reserved.push(Reserved { region, owner: node.path() });
            }
        }
    }
    for cpu in cpus {
        if let CpuStart::SpinTable(place) = cpu.start
            && let Some(region) = Region::new(place, size_of::<u64>() as u64)
        {
            let owner = format!("the spin table of CPU {}", cpu.mpidr);
            reserved.push(Reserved { region, owner });
        }
    }
    Ok(reserved)
}
