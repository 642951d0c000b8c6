//! `reg`, translated through every bus up to the CPUs' own addresses (Devicetree Specification
//! 0.4, sections 2.3.5 to 2.3.8).

use alloc::vec::Vec;

use super::{Node, NodeError};
use crate::addr::{Pa, Region};

impl Node<'_, '_> {
    /// Its registers or memory: `reg` by the parent's `#address-cells` and `#size-cells`,
    /// translated through the `ranges` of every bus above. Without `reg`, nothing.
    ///
    /// # Errors
    ///
    /// If an address cannot be read or a CPU cannot reach it.
    #[inline(never)]
    pub fn regions(self) -> Result<Vec<Region<Pa>>, NodeError> {
        let mut regions = Vec::new();
        let (Some(reg), Some(bus)) = (self.property("reg"), self.parent()) else {
            return Ok(regions);
        };
        let (address_cells, size_cells) = bus.number_cells();
        let length = address_cells + size_cells;
        for entry in entries("reg", reg.value, length)?.chunks_exact(length) {
            let (address, size) = entry.split_at(address_cells);
            let (address, size) = (number(address)?, number(size)?);
            let address = bus.translate(address, size)?;
            regions.push(Region::new(Pa::new(address), size).ok_or(NodeError::Wraps(address))?);
        }
        Ok(regions)
    }

    /// The address for the CPUs of the `size` bytes at `address` on this bus.
    fn translate(self, mut address: u64, size: u64) -> Result<u64, NodeError> {
        let mut bus = self;
        while let Some(parent) = bus.parent() {
            let ranges = bus.property("ranges").ok_or(NodeError::NotMapped)?;
            if !ranges.value.is_empty() {
                address = bus.through(ranges.value, parent, address, size)?;
            }
            bus = parent;
        }
        Ok(address)
    }

    /// `address` on this bus, which has these `ranges`, as an address on the bus above.
    fn through(
        self,
        ranges: &[u8],
        parent: Self,
        address: u64,
        size: u64,
    ) -> Result<u64, NodeError> {
        let (address_cells, size_cells) = self.number_cells();
        let (parent_cells, _) = parent.number_cells();
        let length = address_cells + parent_cells + size_cells;
        for range in entries("ranges", ranges, length)?.chunks_exact(length) {
            let (from, rest) = range.split_at(address_cells);
            let (to, length) = rest.split_at(parent_cells);
            let (from, to, length) = (number(from)?, number(to)?, number(length)?);
            if let Some(offset) = address.checked_sub(from)
                && offset <= length
                && size <= length - offset
            {
                return to.checked_add(offset).ok_or(NodeError::Wraps(address));
            }
        }
        Err(NodeError::Outside(address, size))
    }

    /// How many cells the addresses and the sizes of its children have, or the defaults of the
    /// specification.
    fn number_cells(self) -> (usize, usize) {
        let cells = |name, default| self.cell(name).unwrap_or(default) as usize;
        (cells("#address-cells", 2), cells("#size-cells", 1))
    }
}

/// The cells of the property called `property`, whose entries have `length` cells each.
fn entries<'v>(
    property: &'static str,
    value: &'v [u8],
    length: usize,
) -> Result<&'v [[u8; 4]], NodeError> {
    match value.as_chunks() {
        (cells, []) if length > 0 && cells.len().is_multiple_of(length) => Ok(cells),
        _ => Err(NodeError::Length(property)),
    }
}

/// The number that `cells` hold: none is 0, and more than two are too many.
#[inline(never)]
fn number(cells: &[[u8; 4]]) -> Result<u64, NodeError> {
    if cells.len() > 2 {
        return Err(NodeError::Cells(cells.len()));
    }
    Ok(cells.iter().fold(0, |number, cell| number << 32 | u64::from(u32::from_be_bytes(*cell))))
}
