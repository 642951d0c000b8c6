//! Finding the parts of the machine among the nodes of its tree.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::Device;
use super::gic::GicVersion;
use crate::fdt::{Node, Property, RangesError, Tree};

/// What a `compatible` tells about a node.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Gic(GicVersion),
    Timer,
    Psci,
    /// Reads and writes memory by itself, or makes firmware do so.
    BusMaster,
}

const COMPATIBLES: [(&str, Kind); 38] = [
    ("virtio,mmio", Kind::BusMaster),
    ("arm,cortex-a15-gic", Kind::Gic(GicVersion::V2)),
    ("arm,cortex-a9-gic", Kind::Gic(GicVersion::V2)),
    ("arm,cortex-a7-gic", Kind::Gic(GicVersion::V2)),
    ("arm,gic-400", Kind::Gic(GicVersion::V2)),
    ("arm,gic-v3", Kind::Gic(GicVersion::V3)),
    ("arm,armv8-timer", Kind::Timer),
    ("arm,armv7-timer", Kind::Timer),
    ("arm,psci-1.0", Kind::Psci),
    ("arm,psci-0.2", Kind::Psci),
    ("arm,psci", Kind::Psci),
    ("arm,gic-v3-its", Kind::BusMaster),
    ("arm,mmu-500", Kind::BusMaster),
    ("arm,pl080", Kind::BusMaster),
    ("arm,pl081", Kind::BusMaster),
    ("arm,pl110", Kind::BusMaster),
    ("arm,pl111", Kind::BusMaster),
    ("arm,pl330", Kind::BusMaster),
    ("arm,smmu-v3", Kind::BusMaster),
    ("brcm,2711-v3d", Kind::BusMaster),
    ("brcm,bcm2708-usb", Kind::BusMaster),
    ("brcm,bcm2711-emmc2", Kind::BusMaster),
    ("brcm,bcm2711-genet-v5", Kind::BusMaster),
    ("brcm,bcm2711-hvs", Kind::BusMaster),
    ("brcm,bcm2711-pcie", Kind::BusMaster),
    ("brcm,bcm2711-vchiq", Kind::BusMaster),
    ("brcm,bcm2835-mbox", Kind::BusMaster),
    ("brcm,bcm2835-sdhci", Kind::BusMaster),
    ("brcm,bcm2835-unicam", Kind::BusMaster),
    ("brcm,bcm2835-usb", Kind::BusMaster),
    ("brcm,bcm2835-v3d", Kind::BusMaster),
    ("generic-ehci", Kind::BusMaster),
    ("generic-ohci", Kind::BusMaster),
    ("generic-xhci", Kind::BusMaster),
    ("pci-host-cam-generic", Kind::BusMaster),
    ("pci-host-ecam-generic", Kind::BusMaster),
    ("qemu,fw-cfg-mmio", Kind::BusMaster),
    ("snps,dwc2", Kind::BusMaster),
];

/// Children of the root that describe no devices, with all below them.
const NOT_DEVICES: [&str; 4] = ["aliases", "chosen", "cpus", "reserved-memory"];

/// The nodes that make up the machine. Of several controllers or timers, the first.
pub(super) struct Parts<'t, 'a> {
    pub gic: Option<(Node<'t, 'a>, GicVersion)>,
    pub timer: Option<Node<'t, 'a>>,
    pub psci: Option<Node<'t, 'a>>,
    pub memory: Vec<Node<'t, 'a>>,
    /// Nodes with `reg` or interrupts, and whether they master the bus.
    pub devices: Vec<(Node<'t, 'a>, bool)>,
}

impl<'t, 'a> Parts<'t, 'a> {
    pub(super) fn find(tree: &'t Tree<'a>) -> Self {
        let mut parts = Self {
            gic: None,
            timer: None,
            psci: None,
            memory: Vec::new(),
            devices: Vec::with_capacity(tree.nodes().count()),
        };
        let mut skipped = None;
        for node in tree.nodes() {
            if skipped.is_some_and(|top| node.is_within(top)) {
                continue;
            }
            let top_level = node.parent().is_some_and(|parent| parent.parent().is_none());
            let traits = Traits::of(node);
            let no_device = top_level && NOT_DEVICES.contains(&node.name());
            if no_device || traits.unavailable || parts.take(node, &traits) {
                skipped = Some(node);
            }
        }
        parts
    }

    /// Files `node` where it belongs; says whether the nodes below belong to it.
    fn take(&mut self, node: Node<'t, 'a>, traits: &Traits) -> bool {
        match traits.kind {
            // Frames for message-signalled interrupts and the ITS stand below the GIC.
            Some(Kind::Gic(version)) => {
                self.gic.get_or_insert((node, version));
                return true;
            }
            Some(Kind::Timer) => _ = self.timer.get_or_insert(node),
            Some(Kind::Psci) => _ = self.psci.get_or_insert(node),
            _ if traits.memory => self.memory.push(node),
            _ if traits.resources => self.devices.push((node, traits.masters_bus)),
            _ => {}
        }
        false
    }
}

/// What one look at all properties of a node tells.
#[derive(Default)]
struct Traits {
    kind: Option<Kind>,
    unavailable: bool,
    memory: bool,
    resources: bool,
    masters_bus: bool,
}

impl Traits {
    fn of(node: Node<'_, '_>) -> Self {
        let mut traits = Self::default();
        for property in node.properties() {
            match property.name {
                "compatible" => traits.kind = kind(property),
                "reg" | "interrupts" | "interrupts-extended" => traits.resources = true,
                "dma-coherent" | "dmas" | "#dma-cells" | "iommus" => traits.masters_bus = true,
                "status" => traits.unavailable = !node.is_available(),
                "device_type" => match property.as_str() {
                    Some("memory") => traits.memory = true,
                    Some("pci") => traits.masters_bus = true,
                    _ => {}
                },
                _ => {}
            }
        }
        traits.masters_bus |= traits.kind == Some(Kind::BusMaster);
        traits
    }
}

fn kind(compatible: Property<'_>) -> Option<Kind> {
    compatible.strings()?.find_map(|name| {
        let known = COMPATIBLES.iter().find(|(known, _)| *known == name)?;
        Some(known.1)
    })
}

/// The devices of `nodes`. Those on buses outside the CPUs' address space are left to the device
/// that drives the bus; those with an error are left out with a remark.
pub(super) fn read(
    tree: &Tree<'_>,
    nodes: &[(Node<'_, '_>, bool)],
    remarks: &mut Vec<String>,
) -> Vec<Device> {
    let mut devices = Vec::with_capacity(nodes.len());
    for (node, dma) in nodes {
        let mut pass_over = |error: &dyn core::fmt::Display| {
            remarks.push(format!("{} is passed over: {error}", node.path()));
        };
        let registers = match node.regions() {
            Ok(registers) => registers,
            Err(RangesError::NotMapped | RangesError::Cells(_)) => continue,
            Err(error) => {
                pass_over(&error);
                continue;
            }
        };
        let interrupts = match node.interrupts() {
            Ok(interrupts) => interrupts,
            Err(error) => {
                pass_over(&error);
                continue;
            }
        };
        if !registers.is_empty() || !interrupts.is_empty() {
            devices.push(Device {
                path: node.path(),
                aliases: Vec::new(),
                registers,
                interrupts,
                dma: *dma,
            });
        }
    }
    add_aliases(tree, &mut devices);
    devices
}

fn add_aliases(tree: &Tree<'_>, devices: &mut [Device]) {
    let Some(aliases) = tree.node("/aliases") else {
        return;
    };
    for alias in aliases.properties() {
        let named = |device: &&mut Device| Some(device.path.as_str()) == alias.as_str();
        if let Some(device) = devices.iter_mut().find(named) {
            device.aliases.push(alias.name.to_string());
        }
    }
}
