//! Registers of nodes: `reg`, translated through every bus to physical addresses (Devicetree
//! Specification 0.4, sections 2.3.5 to 2.3.8).

use alloc::vec::Vec;

use super::{Common, Node, NodeError};
use crate::arch::addr::{Pa, Region};

const WRAPS: NodeError = NodeError::Fault("its registers reach past the end of 64 bits");

impl Node<'_, '_> {
    /// Returns its registers or memory: `reg` with the parent's `#address-cells` and `#size-cells`,
    /// translated through the `ranges` of every bus above. Without `reg` there are none.
    ///
    /// # Errors
    ///
    /// If an address is invalid or not in the CPUs' address space.
    #[inline(never)]
    pub fn regions(self) -> Result<Vec<Region<Pa>>, NodeError> {
        let (Some(reg), Some(bus)) = (self.common(Common::Reg), self.parent()) else {
            return Ok(Vec::new());
        };
        let (of_address, of_size) = bus.entry.cells;
        let mut cells =
            entries("its `reg` ends within an entry", reg.value, &[of_address, of_size])?;
        let mut regions =
            Vec::with_capacity(cells.len() / (of_address as usize + of_size as usize));
        while !cells.is_empty() {
            let (address, size) = (take(&mut cells, of_address)?, take(&mut cells, of_size)?);
            let address = bus.translate(address, size)?;
            regions.push(Region::new(Pa::new(address), size).ok_or(WRAPS)?);
        }
        Ok(regions)
    }

    /// Translates the address of `size` bytes on this bus to their physical address.
    pub(super) fn translate(self, address: u64, size: u64) -> Result<u64, NodeError> {
        let Some(parent) = self.parent() else { return Ok(address) };
        let ranges = self.property("ranges").ok_or(NodeError::NotMapped)?;
        if ranges.value.is_empty() {
            return parent.translate(address, size);
        }
        let ((of_child, of_size), (of_parent, _)) = (self.entry.cells, parent.entry.cells);
        let mut cells = entries(
            "the `ranges` of its bus end within an entry",
            ranges.value,
            &[of_child, of_parent, of_size],
        )?;
        while !cells.is_empty() {
            let (from, to) = (take(&mut cells, of_child)?, take(&mut cells, of_parent)?);
            let length = take(&mut cells, of_size)?;
            if let Some(offset) = address.checked_sub(from)
                && offset <= length
                && size <= length - offset
            {
                let address = to.checked_add(offset).ok_or(WRAPS)?;
                return parent.translate(address, size);
            }
        }
        Err(NodeError::Fault("no `ranges` of its bus contain its registers"))
    }
}

/// Returns the cells of a property whose entries are numbers with this many cells each.
///
/// # Errors
///
/// `fault`, if the value is not a whole number of entries.
pub(super) fn entries<'v>(
    fault: &'static str,
    value: &'v [u8],
    lengths: &[u32],
) -> Result<&'v [[u8; 4]], NodeError> {
    let entry = lengths.iter().map(|length| *length as usize).sum();
    match value.as_chunks() {
        (cells, []) if entry > 0 && cells.len().is_multiple_of(entry) => Ok(cells),
        _ => Err(NodeError::Fault(fault)),
    }
}

/// Takes a number of `length` cells off `cells`; a number without cells is 0.
///
/// # Errors
///
/// If the number has more than two cells.
pub(super) fn take(cells: &mut &[[u8; 4]], length: u32) -> Result<u64, NodeError> {
    let number = match (length, *cells) {
        (0, _) => 0,
        (1, [low, ..]) => u64::from(u32::from_be_bytes(*low)),
        (2, [high, low, ..]) => {
            u64::from(u32::from_be_bytes(*high)) << 32 | u64::from(u32::from_be_bytes(*low))
        }
        _ => return Err(NodeError::NotMapped),
    };
    *cells = &cells[length as usize..];
    Ok(number)
}
