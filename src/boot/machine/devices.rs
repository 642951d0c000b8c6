//! The devices that can be given to partitions.

use alloc::string::ToString;
use alloc::vec::Vec;
use core::ops::Range;

use super::parts::{self, Kind, Kinds};
use super::remarks::Remarks;
use super::{Device, Machine, Reach};
use crate::arch::intid::Intid;
use crate::boot::fdt::{Node, NodeError, Tree};

/// What reads and writes memory by itself, or makes firmware do so.
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
/// Properties of such nodes.
const OF_BUS_MASTERS: [&str; 4] = ["dma-coherent", "dmas", "#dma-cells", "iommus"];

/// What serves the devices of all partitions.
#[rustfmt::skip]
const SHARED: [&str; 8] = [
    "brcm,bcm2711-cprman", "brcm,bcm2835-cprman", "brcm,brcm2711-dvp", "brcm,bcm2711-avs-monitor",
    "brcm,bcm2711-gpio", "brcm,bcm2835-gpio", "brcm,bcm2836-l1-intc", "brcm,bcm2836-armctrl-ic",
];

impl Machine {
    /// Reads the devices from the firmware's tree. Without, there are none to be given away, which is
    /// enough for most partitions.
    ///
    /// Nodes that have no meaning are passed over with a line in [`Machine::remarks`].
    pub fn read_devices(&mut self, tree: &Tree<'_>) {
        let mut found = Found::default();
        found.find(tree);
        add_aliases(tree, &mut found.devices);
        self.devices = found.devices;
        self.remarks.extend(found.remarks.finish());
    }
}

/// The SPIs up to `last` above those that any node of the tree raises; there may be none.
pub fn free_interrupts(tree: &Tree<'_>, last: Intid) -> Range<u32> {
    let mut end = Intid::SPI_START;
    for node in tree.nodes() {
        // One that cannot be read raises none that anybody could name.
        _ = node.each_interrupt(&mut |interrupt| end = end.max(interrupt.intid.get() + 1));
    }
    end..last.get() + 1
}

#[derive(Default)]
struct Found<'a> {
    devices: Vec<Device>,
    remarks: Remarks,
    kinds: Kinds<'a>,
}

impl<'a> Found<'a> {
    /// Finds the devices, with the exception of what is Bulkhead's own.
    fn find(&mut self, tree: &Tree<'a>) {
        parts::each_candidate(tree, &mut |node| {
            match self.kinds.of(node) {
                Some(Kind::Gic) => return false,
                Some(Kind::Timer | Kind::Psci) => {}
                None if parts::is_memory(node) => {}
                kind => match device(node, kind) {
                    Ok(device) => self.devices.extend(device),
                    // A bus outside the CPUs' address space is for the device that drives it.
                    Err(NodeError::NotMapped) => {}
                    Err(error) => self.remarks.pass_over(node, &error),
                },
            }
            true
        });
    }
}

/// What can be given of `node`: nothing if it has neither registers nor interrupts.
fn device(node: Node<'_, '_>, kind: Option<Kind>) -> Result<Option<Device>, NodeError> {
    let (registers, interrupts) = (node.regions()?, node.interrupts()?);
    if registers.is_empty() && interrupts.is_empty() {
        return Ok(None);
    }
    let is_one_of = |names: &[&str]| node.compatible().any(|name| names.contains(&name));
    let reach = if kind == Some(Kind::Watchdog) || is_one_of(&SHARED) {
        Reach::Machine
    } else if is_one_of(&BUS_MASTERS)
        || node.string("device_type") == Some("pci")
        || OF_BUS_MASTERS.iter().any(|name| node.property(name).is_some())
    {
        Reach::Memory
    } else {
        Reach::Partition
    };
    Ok(Some(Device { path: node.path(), aliases: Vec::new(), registers, interrupts, reach }))
}

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
