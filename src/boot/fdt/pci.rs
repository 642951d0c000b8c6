//! Properties of PCI host bridges, whose children have addresses of three cells: `phys.hi` with the
//! space in bits 25:24 and the bus, device and function in bits 23:8, then 64 bits of address (IEEE
//! 1275, PCI bus binding, 2.2.1.1; Devicetree Specification 0.4, section 2.4.3).

use alloc::vec::Vec;

use super::interrupts::decode;
use super::ranges::{entries, take};
use super::{Node, NodeError};
use crate::arch::addr::{Pa, Region};
use crate::arch::intid::Interrupt;

/// The number of cells of an address on the bus.
const ADDRESS: usize = 3;
/// The number of cells of an interrupt on the bus: the pin.
const PIN: usize = 1;

const MAP: NodeError = NodeError::Property("interrupt-map");

/// An entry of `ranges`: addresses of the bus, and where a CPU finds them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PciRange {
    /// Bits 25:24 of the first cell: 1 is I/O space, 2 memory of 32 bits, 3 memory of 64 bits.
    pub space: u32,
    /// The first address on the bus.
    pub bus: u64,
    /// The physical addresses.
    pub region: Region<Pa>,
}

/// An entry of `interrupt-map` whose controller is a GIC.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MappedInterrupt {
    /// The first cell of the address of the function, under the mask.
    pub unit: u32,
    /// The pin, 1 (INTA) to 4, under the mask.
    pub pin: u32,
    /// The interrupt.
    pub interrupt: Interrupt,
}

impl Node<'_, '_> {
    /// Returns the `ranges` of a PCI host bridge.
    ///
    /// # Errors
    ///
    /// If they are missing or invalid, or not in the CPUs' address space.
    pub fn pci_ranges(self) -> Result<Vec<PciRange>, NodeError> {
        let invalid = NodeError::Property("ranges");
        let (Some(ranges), Some(bus)) = (self.property("ranges"), self.parent()) else {
            return Err(invalid);
        };
        let ((of_child, of_size), (of_parent, _)) = (self.entry.cells, bus.entry.cells);
        if of_child as usize != ADDRESS {
            return Err(NodeError::Property("#address-cells"));
        }
        let what = "its `ranges` end within an entry";
        let mut cells = entries(what, ranges.value, &[of_child, of_parent, of_size])?;
        let mut found = Vec::new();
        while !cells.is_empty() {
            let space = take(&mut cells, 1)? as u32 >> 24 & 3;
            let address = take(&mut cells, 2)?;
            let (to, size) = (take(&mut cells, of_parent)?, take(&mut cells, of_size)?);
            let to = bus.translate(to, size)?;
            let region = Region::new(Pa::new(to), size).ok_or(invalid)?;
            address.checked_add(size).ok_or(invalid)?;
            found.push(PciRange { space, bus: address, region });
        }
        Ok(found)
    }

    /// Returns the phandle and the number that a map of a PCI host bridge has for a Requester ID:
    /// entries of the first ID, a phandle, the number of the first ID, and how many IDs there are
    /// (bindings `pci-iommu` and `pci-msi`). `None` if it has none, or is invalid. The property
    /// `mask`, if there is one, says which bits of the ID count.
    pub fn map_requester(self, map: &str, mask: &str, requester_id: u16) -> Option<(u32, u32)> {
        let mask = self.property(mask).map_or(Some(u32::MAX), |it| it.u32())?;
        let id = u32::from(requester_id) & mask;
        let mut cells = self.property(map)?.cells()?;
        while let Some(base) = cells.next() {
            let (phandle, first, count) = (cells.next()?, cells.next()?, cells.next()?);
            if let Some(offset) = id.checked_sub(base)
                && offset < count
            {
                return Some((phandle, first.checked_add(offset)?));
            }
        }
        None
    }

    /// Returns the mask of `interrupt-map-mask` for the first cell of an address and for the pin.
    /// Without the property all bits count.
    ///
    /// # Errors
    ///
    /// If the property is invalid.
    pub fn interrupt_mask(self) -> Result<(u32, u32), NodeError> {
        let Some(mask) = self.property("interrupt-map-mask") else {
            return Ok((u32::MAX, u32::MAX));
        };
        let cells: Vec<u32> = mask.cells().into_iter().flatten().collect();
        match cells[..] {
            [unit, _, _, pin] => Ok((unit, pin)),
            _ => Err(NodeError::Property("interrupt-map-mask")),
        }
    }

    /// Returns the entries of `interrupt-map` whose controller is a GIC. Without the property there
    /// are none.
    ///
    /// # Errors
    ///
    /// If the map is invalid or no PCI host bridge's, or a controller does not exist.
    pub fn mapped_interrupts(self) -> Result<Vec<MappedInterrupt>, NodeError> {
        let Some(map) = self.property("interrupt-map") else { return Ok(Vec::new()) };
        if (self.entry.cells.0 as usize, self.entry.interrupt_cells as usize) != (ADDRESS, PIN) {
            return Err(NodeError::Property("#interrupt-cells"));
        }
        let cells: Vec<u32> = map.cells().ok_or(MAP)?.collect();
        let (mask, of_pin) = self.interrupt_mask()?;
        let mut rest = &cells[..];
        let mut found = Vec::new();
        while !rest.is_empty() {
            let (child, parent) = rest.split_at_checked(ADDRESS + PIN).ok_or(MAP)?;
            let (&phandle, parent) = parent.split_first().ok_or(MAP)?;
            let controller = Self::by_phandle(self.index, phandle).ok_or(MAP)?;
            // An interrupt controller without `#address-cells` has none.
            let address = controller.property("#address-cells").and_then(|it| it.u32());
            let (address, specifier) = (address.unwrap_or(0), controller.entry.interrupt_cells);
            let (_, parent) = parent.split_at_checked(address as usize).ok_or(MAP)?;
            let (specifier, next) = parent.split_at_checked(specifier as usize).ok_or(MAP)?;
            rest = next;
            if let (true, [kind, number, flags, ..]) = (controller.entry.is_gic, specifier) {
                let interrupt = decode(*kind, *number, *flags)?;
                found.push(MappedInterrupt {
                    unit: child[0] & mask,
                    pin: child[ADDRESS] & of_pin,
                    interrupt,
                });
            }
        }
        Ok(found)
    }
}
