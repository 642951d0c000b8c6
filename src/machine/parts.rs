//! Finding the parts of the machine among the nodes of its tree.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::Display;

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
    // First, as QEMU's machines have many of them.
    (&BUS_MASTERS, Kind::BusMaster),
    (&GICS, Kind::Gic),
    (&["arm,armv8-timer", "arm,armv7-timer"], Kind::Timer),
    (&["arm,psci-1.0", "arm,psci-0.2", "arm,psci"], Kind::Psci),
    (&["brcm,bcm2711-pm", "brcm,bcm2835-pm", "brcm,bcm2835-pm-wdt"], Kind::Watchdog),
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

/// Children of the root that describe no devices, with all below them.
const NOT_DEVICES: [&str; 4] = ["aliases", "chosen", "cpus", "reserved-memory"];
/// Properties of what reads and writes memory by itself.
const OF_BUS_MASTERS: [&str; 4] = ["dma-coherent", "dmas", "#dma-cells", "iommus"];
/// How many of the nodes that are passed over are named: on a bus that is wrong, all are.
const PASSED_OVER_TOLD: u32 = 4;

/// What makes up the machine. Of several controllers or timers, the first.
#[derive(Default)]
pub(super) struct Parts<'t, 'a> {
    pub gic: Option<Node<'t, 'a>>,
    pub timer: Option<Node<'t, 'a>>,
    pub psci: Option<Node<'t, 'a>>,
    pub watchdog: Option<Region<Pa>>,
    pub memory: Vec<Region<Pa>>,
    pub devices: Vec<Device>,
    pub remarks: Vec<String>,
    passed_over: u32,
    /// The last `compatible`, and what it told: there are many of a kind in a row.
    last: (&'a [u8], Option<Kind>),
}

impl<'t, 'a> Parts<'t, 'a> {
    /// Goes over all nodes below `bus` that firmware has not put out of use.
    pub fn find(&mut self, bus: Node<'t, 'a>) -> Result<(), MachineError> {
        let is_root = bus.parent().is_none();
        for node in bus.children() {
            if !node.is_available() || is_root && NOT_DEVICES.iter().any(|name| node.is_named(name))
            {
                continue;
            }
            match self.kind(node) {
                // Frames for message-signalled interrupts and the ITS, below it, belong to the GIC.
                Some(Kind::Gic) => {
                    self.gic = self.gic.or(Some(node));
                    continue;
                }
                Some(Kind::Timer) => self.timer = self.timer.or(Some(node)),
                Some(Kind::Psci) => self.psci = self.psci.or(Some(node)),
                None if node.string("device_type") == Some("memory") => {
                    memory::add_banks(node, &mut self.memory).map_err(MachineError::at(node))?;
                }
                kind => match device(node, kind) {
                    Ok(Some(device)) => {
                        if kind == Some(Kind::Watchdog) {
                            self.watchdog = self.watchdog.or(device.registers.first().copied());
                        }
                        self.devices.push(device);
                    }
                    // A bus outside the CPUs' address space is for the device that drives it.
                    Ok(None) | Err(NodeError::NotMapped) => {}
                    Err(error) => self.pass_over(node, &error),
                },
            }
            self.find(node)?;
        }
        Ok(())
    }

    fn kind(&mut self, node: Node<'t, 'a>) -> Option<Kind> {
        let compatible = node.property("compatible")?;
        if compatible.value != self.last.0 {
            let kind = |name| KINDS.iter().find(|(names, _)| names.contains(&name));
            let kind = compatible.strings().and_then(|mut names| names.find_map(kind));
            self.last = (compatible.value, kind.map(|(_, kind)| *kind));
        }
        self.last.1
    }

    /// Remarks that `node` is not used.
    pub fn pass_over(&mut self, node: Node<'_, '_>, why: &dyn Display) {
        self.passed_over += 1;
        if self.passed_over <= PASSED_OVER_TOLD {
            self.remarks.push(format!("{} is passed over: {why}", node.path()));
        }
    }

    /// Remarks how many nodes more are not used.
    pub fn end_remarks(&mut self) {
        if let more @ 1.. = self.passed_over.saturating_sub(PASSED_OVER_TOLD) {
            self.remarks.push(format!("and so are {more} more nodes"));
        }
    }
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

pub(super) fn add_aliases(tree: &Tree<'_>, devices: &mut [Device]) {
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
