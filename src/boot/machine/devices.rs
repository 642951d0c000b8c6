//! The devices that can be passed through to partitions.

use alloc::string::ToString;
use alloc::vec::Vec;
use core::ops::Range;

use super::parts::{self, Kinds, NodeKind};
use super::remarks::Remarks;
use super::{Device, Machine, Reach};
use crate::arch::intid::Intid;
use crate::boot::fdt::{Node, NodeError, Tree};

/// Devices that access memory themselves, or make firmware do so.
#[rustfmt::skip]
const BUS_MASTERS: [&str; 29] = [
    "virtio,mmio", "qemu,fw-cfg-mmio", "pci-host-cam-generic", "pci-host-ecam-generic",
    "arm,gic-v3-its", "arm,mmu-500", "arm,smmu-v3",
    "arm,pl080", "arm,pl081", "arm,pl110", "arm,pl111", "arm,pl330",
    "generic-ehci", "generic-ohci", "generic-xhci", "snps,dwc2",
    "brcm,bcm2708-usb", "brcm,bcm2835-usb", "brcm,bcm2835-mbox", "brcm,bcm2835-sdhci",
    "brcm,bcm2835-txp", "brcm,bcm2835-unicam", "brcm,bcm2835-v3d", "brcm,bcm2835-vchiq",
    "brcm,2711-v3d", "brcm,bcm2711-emmc2",
    "brcm,bcm2711-genet-v5", "brcm,bcm2711-hvs", "brcm,bcm2711-pcie",
];
/// Properties that only such devices have.
const BUS_MASTER_PROPERTIES: [&str; 4] = ["dma-coherent", "dmas", "#dma-cells", "iommus"];

/// Devices that serve the devices of all partitions.
#[rustfmt::skip]
const SHARED: [&str; 8] = [
    "brcm,bcm2711-cprman", "brcm,bcm2835-cprman", "brcm,brcm2711-dvp", "brcm,bcm2711-avs-monitor",
    "brcm,bcm2711-gpio", "brcm,bcm2835-gpio", "brcm,bcm2836-l1-intc", "brcm,bcm2836-armctrl-ic",
];

impl Machine {
    /// Reads the devices from the firmware's tree. Only a description that passes devices through
    /// needs this.
    ///
    /// A node with an invalid property is ignored, with a line in [`Machine::remarks`].
    pub fn read_devices(&mut self, tree: &Tree<'_>) {
        let mut found = Found::default();
        found.find(tree);
        add_aliases(tree, &mut found.devices);
        self.devices = found.devices;
        self.remarks.extend(found.remarks.finish());
    }
}

/// Returns the SPIs up to `last` that are above those of all nodes of the tree; there may be none.
pub fn free_interrupts(tree: &Tree<'_>, last: Intid) -> Range<u32> {
    let mut end = Intid::SPI_START;
    for node in tree.nodes() {
        // A node with invalid interrupts cannot be passed through.
        _ = node.each_interrupt(&mut |interrupt| end = end.max(interrupt.intid.get() + 1));
    }
    end..last.get() + 1
}

/// The devices found so far.
#[derive(Default)]
struct Found<'a> {
    devices: Vec<Device>,
    remarks: Remarks,
    kinds: Kinds<'a>,
}

impl<'a> Found<'a> {
    /// Finds the devices, apart from those that only Bulkhead uses.
    fn find(&mut self, tree: &Tree<'a>) {
        parts::each_candidate(tree, &mut |node| {
            match self.kinds.of(node) {
                Some(NodeKind::Gic) => return false,
                Some(NodeKind::Timer | NodeKind::Psci) => {}
                None if parts::is_memory(node) => {}
                kind => match device(node, kind) {
                    Ok(device) => self.devices.extend(device),
                    // Registers outside the CPUs' address space belong to a bus device.
                    Err(NodeError::NotMapped) => {}
                    Err(error) => self.remarks.ignore(node, &error),
                },
            }
            true
        });
    }
}

/// Reads a device; `None` if the node has neither registers nor interrupts.
fn device(node: Node<'_, '_>, kind: Option<NodeKind>) -> Result<Option<Device>, NodeError> {
    let (registers, interrupts) = (node.regions()?, node.interrupts()?);
    if registers.is_empty() && interrupts.is_empty() {
        return Ok(None);
    }
    let is_one_of = |names: &[&str]| node.compatible().any(|name| names.contains(&name));
    let reach = if kind == Some(NodeKind::Watchdog) || is_one_of(&SHARED) {
        Reach::Machine
    } else if is_one_of(&BUS_MASTERS)
        || node.string("device_type") == Some("pci")
        || BUS_MASTER_PROPERTIES.iter().any(|name| node.property(name).is_some())
    {
        Reach::Memory
    } else {
        Reach::Partition
    };
    Ok(Some(Device { path: node.path(), aliases: Vec::new(), registers, interrupts, reach }))
}

/// Adds the names of `/aliases` to the devices that they refer to.
fn add_aliases(tree: &Tree<'_>, devices: &mut [Device]) {
    let Some(aliases) = tree.node("/aliases") else {
        return;
    };
    for alias in aliases.properties() {
        let path = alias.as_str().unwrap_or_default();
        if let Some(device) = devices.iter_mut().find(|device| device.path == path) {
            device.aliases.push(alias.name.to_string());
        }
    }
}
