//! Finding the parts of the machine among the nodes of its tree.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::{Device, MachineError, memory};
use crate::addr::{Pa, Region};
use crate::fdt::{GICS, Node, NodeError, Tree};

/// What a `compatible` tells about a node.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Gic,
    Timer,
    Psci,
    /// Reads and writes memory by itself, or makes firmware do so.
    BusMaster,
}

const KINDS: [(&[&str], Kind); 4] = [
    (&GICS, Kind::Gic),
    (&["arm,armv8-timer", "arm,armv7-timer"], Kind::Timer),
    (&["arm,psci-1.0", "arm,psci-0.2", "arm,psci"], Kind::Psci),
    (&BUS_MASTERS, Kind::BusMaster),
];

#[rustfmt::skip]
const BUS_MASTERS: [&str; 27] = [
    "virtio,mmio", "qemu,fw-cfg-mmio", "pci-host-cam-generic", "pci-host-ecam-generic",
    "arm,gic-v3-its", "arm,mmu-500", "arm,smmu-v3",
    "arm,pl080", "arm,pl081", "arm,pl110", "arm,pl111", "arm,pl330",
    "generic-ehci", "generic-ohci", "generic-xhci", "snps,dwc2",
    "brcm,bcm2708-usb", "brcm,bcm2835-usb", "brcm,bcm2835-mbox", "brcm,bcm2835-sdhci",
    "brcm,bcm2835-unicam", "brcm,bcm2835-v3d", "brcm,2711-v3d", "brcm,bcm2711-emmc2",
    "brcm,bcm2711-genet-v5", "brcm,bcm2711-hvs", "brcm,bcm2711-pcie",
];

/// Children of the root that describe no devices, with all below them.
const NOT_DEVICES: [&str; 4] = ["aliases", "chosen", "cpus", "reserved-memory"];
/// Properties of what reads and writes memory by itself.
const OF_BUS_MASTERS: [&str; 4] = ["dma-coherent", "dmas", "#dma-cells", "iommus"];

/// What makes up the machine. Of several controllers or timers, the first.
pub(super) struct Parts<'t, 'a> {
    pub gic: Option<Node<'t, 'a>>,
    pub timer: Option<Node<'t, 'a>>,
    pub psci: Option<Node<'t, 'a>>,
    pub memory: Vec<Region<Pa>>,
    pub devices: Vec<Device>,
}

impl<'t, 'a> Parts<'t, 'a> {
    /// Goes over all nodes that firmware has not put out of use.
    pub fn find(tree: &'t Tree<'a>, remarks: &mut Vec<String>) -> Result<Self, MachineError> {
        let (memory, devices) = (Vec::new(), Vec::new());
        let mut parts = Self { gic: None, timer: None, psci: None, memory, devices };
        let mut skipped = None;
        for node in tree.nodes() {
            if skipped.is_some_and(|top| node.is_within(top)) {
                continue;
            }
            let top_level = node.parent().is_some_and(|parent| parent == tree.root());
            if !node.is_available() || top_level && NOT_DEVICES.contains(&node.name()) {
                skipped = Some(node);
                continue;
            }
            match kind(node) {
                Some(Kind::Gic) => {
                    parts.gic.get_or_insert(node);
                    // Frames for message-signalled interrupts and the ITS stand below the GIC.
                    skipped = Some(node);
                }
                Some(Kind::Timer) => _ = parts.timer.get_or_insert(node),
                Some(Kind::Psci) => _ = parts.psci.get_or_insert(node),
                _ if node.string("device_type") == Some("memory") => {
                    memory::add_banks(node, &mut parts.memory)?;
                }
                kind => match device(node, kind == Some(Kind::BusMaster)) {
                    Ok(device) => parts.devices.extend(device),
                    // A bus outside the CPUs' address space is for the device that drives it.
                    Err(NodeError::NotMapped | NodeError::Cells(_)) => {}
                    Err(error) => {
                        remarks.push(format!("{} is passed over: {error}", node.path()));
                    }
                },
            }
        }
        add_aliases(tree, &mut parts.devices);
        Ok(parts)
    }
}

fn kind(node: Node<'_, '_>) -> Option<Kind> {
    node.compatible().find_map(|name| {
        let (_, kind) = KINDS.iter().find(|(names, _)| names.contains(&name))?;
        Some(*kind)
    })
}

/// What can be given of `node`: nothing if it has neither registers nor interrupts.
fn device(node: Node<'_, '_>, is_bus_master: bool) -> Result<Option<Device>, NodeError> {
    let (registers, interrupts) = (node.regions()?, node.interrupts()?);
    if registers.is_empty() && interrupts.is_empty() {
        return Ok(None);
    }
    let dma = is_bus_master
        || node.string("device_type") == Some("pci")
        || OF_BUS_MASTERS.iter().any(|name| node.property(name).is_some());
    Ok(Some(Device { path: node.path(), aliases: Vec::new(), registers, interrupts, dma }))
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
