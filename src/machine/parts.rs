//! Finding the parts of the machine among the nodes of its tree.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::{Device, MachineError, Reach, memory};
use crate::addr::{Pa, Region};
use crate::fdt::{GICS, Node, NodeError, Tree};

/// What a `compatible` tells about a node.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Gic,
    Timer,
    Psci,
    /// Power management with a watchdog.
    Watchdog,
    /// Reads and writes memory by itself, or makes firmware do so.
    BusMaster,
    /// Serves the devices of all partitions.
    Shared,
}

const KINDS: [(&[&str], Kind); 6] = [
    (&GICS, Kind::Gic),
    (&["arm,armv8-timer", "arm,armv7-timer"], Kind::Timer),
    (&["arm,psci-1.0", "arm,psci-0.2", "arm,psci"], Kind::Psci),
    (&["brcm,bcm2711-pm", "brcm,bcm2835-pm", "brcm,bcm2835-pm-wdt"], Kind::Watchdog),
    (&BUS_MASTERS, Kind::BusMaster),
    (&SHARED, Kind::Shared),
];

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

#[rustfmt::skip]
const SHARED: [&str; 8] = [
    "brcm,bcm2711-cprman", "brcm,bcm2835-cprman", "brcm,brcm2711-dvp", "brcm,bcm2711-avs-monitor",
    "brcm,bcm2711-gpio", "brcm,bcm2835-gpio", "brcm,bcm2836-l1-intc", "brcm,bcm2836-armctrl-ic",
];

/// Properties of what reads and writes memory by itself.
const OF_BUS_MASTERS: [&str; 4] = ["dma-coherent", "dmas", "#dma-cells", "iommus"];

/// How many of the nodes that are passed over are named: on a bus that is wrong, all are.
const PASSED_OVER_TOLD: u32 = 4;

/// What makes up the machine. Of several controllers or timers, the first.
pub(super) struct Parts<'t, 'a> {
    pub gic: Node<'t, 'a>,
    pub timer: Node<'t, 'a>,
    pub psci: Option<Node<'t, 'a>>,
    pub watchdog: Option<Region<Pa>>,
    pub memory: Vec<Region<Pa>>,
    pub devices: Vec<Device>,
}

/// Goes over all nodes that firmware has not put out of use.
pub(super) fn find<'t, 'a>(
    tree: &'t Tree<'a>,
    remarks: &mut Vec<String>,
) -> Result<Parts<'t, 'a>, MachineError> {
    let (mut gic, mut timer, mut psci, mut skipped) = (None, None, None, None);
    let (mut memory, mut devices) = (Vec::new(), Vec::new());
    let (mut watchdog, mut passed_over) = (None, 0);
    for node in tree.nodes() {
        if skipped.is_some_and(|top| node.is_within(top)) {
            continue;
        }
        if !node.is_available() || describes_no_devices(node) {
            skipped = Some(node);
            continue;
        }
        match kind(node) {
            Some(Kind::Gic) => {
                gic = gic.or(Some(node));
                // Frames for message-signalled interrupts and the ITS stand below the GIC.
                skipped = Some(node);
            }
            Some(Kind::Timer) => timer = timer.or(Some(node)),
            Some(Kind::Psci) => psci = psci.or(Some(node)),
            None if node.string("device_type") == Some("memory") => {
                memory::add_banks(node, &mut memory)?;
            }
            kind => match device(node, kind) {
                Ok(Some(device)) => {
                    if kind == Some(Kind::Watchdog) {
                        watchdog = watchdog.or(device.registers.first().copied());
                    }
                    devices.push(device);
                }
                // A bus outside the CPUs' address space is for the device that drives it.
                Ok(None) | Err(NodeError::NotMapped | NodeError::Cells(_)) => {}
                Err(error) => {
                    passed_over += 1;
                    if passed_over <= PASSED_OVER_TOLD {
                        remarks.push(format!("{} is passed over: {error}", node.path()));
                    }
                }
            },
        }
    }
    if let more @ 1.. = passed_over.saturating_sub(PASSED_OVER_TOLD) {
        remarks.push(format!("and so are {more} more nodes"));
    }
    add_aliases(tree, &mut devices);
    if memory.is_empty() {
        return Err(MachineError::Missing("memory"));
    }
    let gic = gic.ok_or(MachineError::Missing("GIC"))?;
    let timer = timer.ok_or(MachineError::Missing("timer"))?;
    Ok(Parts { gic, timer, psci, watchdog, memory, devices })
}

/// Whether `node` is one of the root's children that have no devices below them.
fn describes_no_devices(node: Node<'_, '_>) -> bool {
    matches!(node.name(), "aliases" | "chosen" | "cpus" | "reserved-memory")
        && node.parent().is_some_and(|parent| parent.parent().is_none())
}

fn kind(node: Node<'_, '_>) -> Option<Kind> {
    node.compatible().find_map(|name| {
        let (_, kind) = KINDS.iter().find(|(names, _)| names.contains(&name))?;
        Some(*kind)
    })
}

/// What can be given of `node`: nothing if it has neither registers nor interrupts.
fn device(node: Node<'_, '_>, kind: Option<Kind>) -> Result<Option<Device>, NodeError> {
    let (registers, interrupts) = (node.regions()?, node.interrupts()?);
    if registers.is_empty() && interrupts.is_empty() {
        return Ok(None);
    }
    let is_bus_master = || {
        node.string("device_type") == Some("pci")
            || OF_BUS_MASTERS.iter().any(|name| node.property(name).is_some())
    };
    let reach = match kind {
        Some(Kind::BusMaster) => Reach::Memory,
        Some(Kind::Watchdog | Kind::Shared) => Reach::Machine,
        _ if is_bus_master() => Reach::Memory,
        _ => Reach::Partition,
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
