//! `reg`, translated through every bus up to the CPUs' own addresses (Devicetree Specification
//! 0.4, sections 2.3.5 to 2.3.8).

use alloc::vec::Vec;
use core::fmt;

use super::Node;
use crate::addr::{Pa, Region};

/// Why the addresses of a node have no meaning for a CPU. Displayed as a clause about the node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RangesError {
    /// The property with this name, `reg` or `ranges`, ends within an entry.
    Length(&'static str),
    /// An address or a size has this many cells, as on PCI, where two are the most.
    Cells(usize),
    /// A bus on the way has no `ranges`: its devices are not in the CPUs' address space.
    NotMapped,
    /// No entry of a bus's `ranges` holds the whole region of this address and size there.
    Outside(u64, u64),
    /// The region at this address reaches past the end of 64 bits.
    Wraps(u64),
}

impl fmt::Display for RangesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length(property) => write!(f, "its `{property}` ends within an entry"),
            Self::Cells(cells) => write!(f, "its bus has numbers of {cells} cells"),
            Self::NotMapped => f.write_str("its bus has no `ranges`"),
            Self::Outside(at, size) => write!(f, "no `ranges` hold {size:#x} bytes at {at:#x}"),
            Self::Wraps(address) => write!(f, "its region at {address:#x} wraps around"),
        }
    }
}

impl Node<'_, '_> {
    /// Its registers or memory: `reg` by the parent's `#address-cells` and `#size-cells`,
    /// translated through the `ranges` of every bus above. Without `reg`, nothing.
    ///
    /// # Errors
    ///
    /// If an address cannot be read or a CPU cannot reach it.
    pub fn regions(self) -> Result<Vec<Region<Pa>>, RangesError> {
        let (Some(reg), Some(bus)) = (self.property("reg"), self.parent()) else {
            return Ok(Vec::new());
        };
        let cells = bus.entry().cells;
        let entry = cells.address + cells.size;
        let mut regions = Vec::new();
        for reg in entries("reg", reg.value, entry)? {
            let (address, size) = reg.split_at(cells.address);
            let address = translate(bus, number(address)?, number(size)?)?;
            let region = Region::new(Pa::new(address), number(size)?);
            regions.push(region.ok_or(RangesError::Wraps(address))?);
        }
        Ok(regions)
    }
}

/// The address for the CPUs of the `size` bytes at `address` on `bus`.
fn translate(mut bus: Node<'_, '_>, mut address: u64, size: u64) -> Result<u64, RangesError> {
    while let Some(parent) = bus.parent() {
        let ranges = bus.property("ranges").ok_or(RangesError::NotMapped)?;
        if !ranges.value.is_empty() {
            let cells = (bus.entry().cells, parent.entry().cells);
            address = through(ranges.value, cells, address, size)?;
        }
        bus = parent;
    }
    Ok(address)
}

/// `address` on a bus with these `ranges`, as an address on the bus above.
fn through(
    ranges: &[u8],
    (child, parent): (Cells, Cells),
    address: u64,
    size: u64,
) -> Result<u64, RangesError> {
    let entry = child.address + parent.address + child.size;
    for range in entries("ranges", ranges, entry)? {
        let (from, rest) = range.split_at(child.address);
        let (to, length) = rest.split_at(parent.address);
        let (from, to, length) = (number(from)?, number(to)?, number(length)?);
        let Some(offset) = address.checked_sub(from) else {
            continue;
        };
        if offset <= length && size <= length - offset {
            return to.checked_add(offset).ok_or(RangesError::Wraps(address));
        }
    }
    Err(RangesError::Outside(address, size))
}

/// How many bytes the addresses and the sizes of a bus's children have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cells {
    address: usize,
    size: usize,
}

impl Cells {
    /// From `#address-cells` and `#size-cells`, or the defaults of the specification.
    pub(super) fn new(address: Option<u32>, size: Option<u32>) -> Self {
        // More than two are refused with every number; this bound keeps the sums small.
        let bytes = |cells: u32| cells.min(0xffff) as usize * 4;
        Self { address: bytes(address.unwrap_or(2)), size: bytes(size.unwrap_or(1)) }
    }
}

/// The entries, of `entry` bytes each, of the property called `property`.
fn entries<'v>(
    property: &'static str,
    value: &'v [u8],
    entry: usize,
) -> Result<impl Iterator<Item = &'v [u8]>, RangesError> {
    if entry == 0 || !value.len().is_multiple_of(entry) {
        return Err(RangesError::Length(property));
    }
    Ok(value.chunks_exact(entry))
}

/// The number that `cells` hold: none is 0, and more than two are too many.
fn number(bytes: &[u8]) -> Result<u64, RangesError> {
    let (cells, _) = bytes.as_chunks();
    if cells.len() > 2 {
        return Err(RangesError::Cells(cells.len()));
    }
    Ok(cells.iter().fold(0, |number, cell| number << 32 | u64::from(u32::from_be_bytes(*cell))))
}
