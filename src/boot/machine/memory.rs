//! Memory, and what of it is spoken for (Devicetree Specification 0.4, sections 3.4 and 3.5).

use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

use super::{CpuStart, MachineCpu, MachineError, Reserved};
use crate::arch::addr::{Pa, Region};
use crate::boot::fdt::{Node, NodeError, Tree};

/// Adds the memory banks of `node`, without the empty ones, to those of other nodes.
pub(super) fn add_banks(node: Node<'_, '_>, banks: &mut Vec<Region<Pa>>) -> Result<(), NodeError> {
    for bank in node.regions()? {
        if banks.iter().any(|other| other.overlaps(&bank)) {
            return Err(NodeError::Fault("its memory is there twice"));
        }
        if !bank.is_empty() {
            banks.push(bank);
        }
    }
    Ok(())
}

/// The `/memreserve/` entries, the children of `/reserved-memory` that have an address, and what
/// CPUs poll until they are started. The other children are for an operating system to place; they
/// are part of no machine yet.
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
