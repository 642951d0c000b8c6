//! Host bridges with ECAM (binding `pci-host-ecam-generic`).

use alloc::string::String;
use alloc::vec::Vec;

use super::PciFunction;
use crate::arch::addr::{Pa, Region};
use crate::arch::intid::Interrupt;
use crate::boot::fdt::{MappedInterrupt, Node, NodeError, PciRange, Tree};
use crate::pci::Address;

/// The `compatible` of a host bridge that is supported.
const COMPATIBLE: &str = "pci-host-ecam-generic";
/// The value of [`PciRange::space`] for memory of 32 bits.
const MEMORY_32: u32 = 2;
/// One past the last bus address that windows have: the last MiB below 4 GiB is left to the memory of
/// bridges, which nobody uses.
const WINDOWS_END: u64 = (1 << 32) - (1 << 20);
/// The bytes of configuration space of a bus.
const BUS_SIZE: u64 = 1 << 20;

/// A host bridge.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HostBridge {
    /// The path of its node.
    pub path: String,
    /// The configuration space of its buses (ECAM, PCIe 7.2.2), beginning with that of
    /// [`first_bus`](Self::first_bus).
    pub configuration: Region<Pa>,
    /// The number of its first bus.
    pub first_bus: u8,
    /// The number of its last bus.
    pub last_bus: u8,
    /// The addresses of memory that 32 bits of bus address reach, but for the last MiB, and that is
    /// not prefetchable.
    pub windows: Vec<BusWindow>,
    /// Whether the accesses of its functions see the caches (`dma-coherent`).
    pub is_coherent: bool,
    /// The interrupts of its own bus.
    pub(super) interrupts: Vec<MappedInterrupt>,
    /// The bits that count in a look-up of an interrupt.
    pub(super) mask: (u32, u32),
}

/// Addresses on a bus, and where a CPU finds them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BusWindow {
    /// The first address on the bus.
    pub bus: u64,
    /// The physical addresses.
    pub region: Region<Pa>,
}

impl BusWindow {
    /// Returns the part of the window at these physical addresses, which it contains.
    pub fn part(&self, region: Region<Pa>) -> Self {
        let offset = region.start().get().wrapping_sub(self.region.start().get());
        Self { bus: self.bus.wrapping_add(offset), region }
    }
}

impl HostBridge {
    /// Returns the available host bridges of a tree, and the node of each.
    pub(crate) fn nodes<'t, 'a>(tree: &'t Tree<'a>) -> impl Iterator<Item = Node<'t, 'a>> {
        let is_one = |node: &Node<'t, 'a>| node.is_available() && node.is_compatible(COMPATIBLE);
        tree.nodes().filter(is_one)
    }

    /// Reads a host bridge.
    ///
    /// # Errors
    ///
    /// If a property is missing or invalid.
    pub fn read(node: Node<'_, '_>) -> Result<Self, NodeError> {
        let [configuration, ..] = node.regions()?[..] else {
            return Err(NodeError::Property("reg"));
        };
        let (first_bus, last_bus) = buses(node)?;
        // As far as there is configuration space.
        let last = (configuration.size() / BUS_SIZE).checked_sub(1);
        let last = last.ok_or(NodeError::Property("reg"))?;
        let last_bus = u64::from(last_bus).min(last + u64::from(first_bus)) as u8;
        let ranges = node.pci_ranges()?.into_iter();
        let window = |it: PciRange| {
            let size = WINDOWS_END.checked_sub(it.bus)?.min(it.region.size());
            Some(BusWindow { bus: it.bus, region: it.region.part(0, size)? })
        };
        let windows = ranges.filter(|range| range.space == MEMORY_32).filter_map(window);
        Ok(Self {
            path: node.path(),
            configuration,
            first_bus,
            last_bus,
            windows: windows.collect(),
            is_coherent: node.property("dma-coherent").is_some(),
            interrupts: node.mapped_interrupts()?,
            mask: node.interrupt_mask()?,
        })
    }

    /// Returns the interrupt of a function, if it has a pin that is connected. Each bridge passes the
    /// four pins of the device with number N on as its own, rotated by N (PCIe 2.2.8.1).
    pub fn interrupt_of(&self, function: &PciFunction) -> Option<Interrupt> {
        let (mut address, mut pin) = (function.address, function.pin.checked_sub(1)?);
        for port in function.ports.iter().rev() {
            pin = (pin + address.device()) % 4;
            address = *port;
        }
        self.interrupt(address, pin + 1)
    }

    /// Returns the interrupt of a pin, 1 to 4, of a function on the host bridge's own bus.
    pub fn interrupt(&self, function: Address, pin: u8) -> Option<Interrupt> {
        let unit = u32::from(function.requester()) << 8 & self.mask.0;
        let pin = u32::from(pin) & self.mask.1;
        let found = self.interrupts.iter().find(|it| it.unit == unit && it.pin == pin)?;
        Some(found.interrupt)
    }
}

/// Reads the numbers of the first and the last bus; without `bus-range`, 0 and 255.
fn buses(node: Node<'_, '_>) -> Result<(u8, u8), NodeError> {
    let Some(range) = node.property("bus-range") else { return Ok((0, 0xff)) };
    let cells: Vec<u32> = range.cells().into_iter().flatten().collect();
    match cells[..] {
        [first, last] if first <= last && last <= 0xff => Ok((first as u8, last as u8)),
        _ => Err(NodeError::Property("bus-range")),
    }
}
