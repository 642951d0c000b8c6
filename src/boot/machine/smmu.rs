//! System MMUs (binding `arm,smmu-v3`), and the streams by which they tell devices apart (bindings
//! `iommu` and `pci-iommu`).

use alloc::string::String;
use alloc::vec::Vec;

use super::Machine;
use super::remarks::Remarks;
use crate::arch::addr::{Pa, Region};
use crate::arch::intid::Interrupt;
use crate::boot::fdt::{Node, NodeError};
use crate::boot::smmu::Features;

/// The `compatible` of an SMMUv3.
pub(super) const SMMU_V3: &str = "arm,smmu-v3";

/// The size of the registers that Bulkhead uses, pages 0 and 1 of 64 KiB (IHI 0070, 6.1).
pub const SMMU_REGISTERS: u64 = 0x2_0000;

/// A System MMU of architecture version 3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Smmu {
    /// The path of its node, which cannot be passed through.
    pub path: String,
    /// Its registers, of which it has at least [`SMMU_REGISTERS`].
    pub registers: Region<Pa>,
    /// The interrupt that says that the event queue has entries; `None` if it has no wire.
    pub events: Option<Interrupt>,
    /// The interrupt that says that there is a global error, which may be the same.
    pub errors: Option<Interrupt>,
    /// What it can do, or what it lacks, as a clause. The tree does not say that: boot sets it from
    /// the SMMU's registers.
    pub features: Result<Features, &'static str>,
    /// The phandle by which masters refer to it.
    pub(crate) phandle: Option<u32>,
}

/// A stream: the identity with which a device's accesses to memory reach an SMMU.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Stream {
    /// The SMMU, as an index into [`Machine::smmus`].
    pub smmu: usize,
    /// The StreamID (IHI 0070, 3.3).
    pub id: u32,
}

impl Machine {
    /// Returns the streams of the device that a node describes, by its `iommus`: none, if it lacks
    /// that property, or if not all of it can be read or belongs to SMMUs that Bulkhead drives.
    pub(super) fn streams(&self, node: Node<'_, '_>) -> Vec<Stream> {
        let cells = node.property("iommus").and_then(|iommus| iommus.cells());
        let mut cells = cells.into_iter().flatten();
        let mut streams = Vec::new();
        while let Some(phandle) = cells.next() {
            let (Some(smmu), Some(id)) = (self.smmu(phandle), cells.next()) else {
                return Vec::new();
            };
            let stream = Stream { smmu, id };
            if let Err(place) = streams.binary_search(&stream) {
                streams.insert(place, stream);
            }
        }
        streams
    }

    /// Returns the stream of the function with this Requester ID (bus in bits 15:8, device in 7:3,
    /// function in 2:0) behind the PCI host bridge that a node describes, by its `iommu-map` and
    /// `iommu-map-mask`. `None` if it has none of an SMMU that Bulkhead drives.
    ///
    /// Functions whose requests a bridge below the host bridge merges have its Requester ID.
    pub fn iommu_map(&self, host_bridge: Node<'_, '_>, requester_id: u16) -> Option<Stream> {
        let (phandle, id) =
            host_bridge.map_requester("iommu-map", "iommu-map-mask", requester_id)?;
        Some(Stream { smmu: self.smmu(phandle)?, id })
    }

    /// Returns the index of the SMMU with this phandle.
    fn smmu(&self, phandle: u32) -> Option<usize> {
        self.smmus.iter().position(|smmu| smmu.phandle == Some(phandle))
    }
}

/// Reads the SMMUs. An invalid one is ignored, with a remark: then nothing behind it is protected.
pub(super) fn read(nodes: &[Node<'_, '_>], remarks: &mut Remarks) -> Vec<Smmu> {
    let mut smmus = Vec::new();
    for node in nodes {
        match smmu(*node) {
            Ok(smmu) => smmus.push(smmu),
            Err(error) => remarks.ignore(*node, &error),
        }
    }
    smmus
}

/// Reads one SMMU.
fn smmu(node: Node<'_, '_>) -> Result<Smmu, NodeError> {
    let registers = node.regions()?.first().copied().ok_or(NodeError::Property("reg"))?;
    if registers.size() < SMMU_REGISTERS || !registers.start().is_aligned(0x1_0000) {
        return Err(NodeError::Fault("its registers are not two pages of 64 KiB"));
    }
    // StreamIDs have one cell (binding `arm,smmu-v3`).
    if node.property("#iommu-cells").and_then(|cells| cells.u32()) != Some(1) {
        return Err(NodeError::Property("#iommu-cells"));
    }
    let interrupts = node.interrupts()?;
    let names = node.property("interrupt-names").and_then(|names| names.strings());
    let names: Vec<_> = names.into_iter().flatten().collect();
    // One interrupt without a name, or with this one, stands for all.
    let is_combined = interrupts.len() == 1 && matches!(names[..], [] | ["combined"]);
    let named = |name: &str| {
        let position = names.iter().position(|it| *it == name);
        interrupts.get(if is_combined { 0 } else { position? }).copied()
    };
    Ok(Smmu {
        path: node.path(),
        registers,
        events: named("eventq"),
        errors: named("gerror"),
        features: Ok(Features::ASSUMED),
        phandle: node.phandle(),
    })
}
