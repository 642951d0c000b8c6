//! Memory, and what of it is spoken for (Devicetree Specification 0.4, sections 3.4 and 3.5).

use alloc::string::ToString;
use alloc::vec::Vec;

use super::{Fault, MachineError, Reserved};
use crate::addr::{Pa, Region};
use crate::fdt::{Node, Tree};

/// Adds the memory banks of `node`, without the empty ones, to those of other nodes.
pub(super) fn add_banks(
    node: Node<'_, '_>,
    banks: &mut Vec<Region<Pa>>,
) -> Result<(), MachineError> {
    for bank in node.regions().map_err(|error| Fault::Node(error).of(node))? {
        if banks.iter().any(|other| other.overlaps(&bank)) {
            return Err(Fault::Overlap(bank).of(node));
        }
        if !bank.is_empty() {
            banks.push(bank);
        }
    }
    Ok(())
}

/// The `/memreserve/` entries and the children of `/reserved-memory` that have an address. Those
/// without are for an operating system to place; they are part of no machine yet.
pub(super) fn reserved(tree: &Tree<'_>) -> Result<Vec<Reserved>, MachineError> {
    let mut reserved = Vec::new();
    for region in tree.memory_reservations() {
        reserved.push(Reserved { region: *region, owner: "/memreserve/".to_string() });
    }
    let Some(parent) = tree.node("/reserved-memory") else {
        return Ok(reserved);
    };
    for node in parent.children().filter(|node| node.is_available()) {
        for region in node.regions().map_err(|error| Fault::Node(error).of(node))? {
            reserved.push(Reserved { region, owner: node.path() });
        }
    }
    Ok(reserved)
}
