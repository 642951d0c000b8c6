//! Memory, and what of it is spoken for (Devicetree Specification 0.4, sections 3.4 and 3.5).

use alloc::string::ToString;
use alloc::vec::Vec;

use super::{Fault, MachineError, Reserved};
use crate::addr::{Pa, Region};
use crate::fdt::{Node, Tree};

/// The memory banks of `nodes`, without the empty ones. At least one, and none
/// that overlaps another.
pub(super) fn banks(nodes: &[Node<'_, '_>]) -> Result<Vec<Region<Pa>>, MachineError> {
    let mut banks: Vec<Region<Pa>> = Vec::new();
    for node in nodes {
        for bank in regions(*node)? {
            if banks.iter().any(|other| other.overlaps(&bank)) {
                return Err(Fault::Overlap(bank).of(*node));
            }
            banks.push(bank);
        }
    }
    banks.retain(|bank| !bank.is_empty());
    if banks.is_empty() {
        return Err(MachineError::Missing("memory"));
    }
    Ok(banks)
}

/// The `/memreserve/` entries and the children of `/reserved-memory` that have an address. Those
/// without are for an operating system to place; they are part of no machine yet.
pub(super) fn reserved(tree: &Tree<'_>) -> Result<Vec<Reserved>, MachineError> {
    let entries = tree
        .memory_reservations()
        .map(|region| Reserved { region, owner: "/memreserve/".to_string() });
    let mut reserved: Vec<Reserved> = entries.collect();
    let Some(parent) = tree.node("/reserved-memory") else {
        return Ok(reserved);
    };
    for node in parent.children().filter(|node| node.is_available()) {
        for region in regions(node)? {
            let owner = node.path();
            reserved.push(Reserved { region, owner });
        }
    }
    Ok(reserved)
}

fn regions(node: Node<'_, '_>) -> Result<Vec<Region<Pa>>, MachineError> {
    node.regions().map_err(|error| Fault::from(error).of(node))
}
