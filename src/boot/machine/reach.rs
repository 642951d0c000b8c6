//! What the owner of a device can affect. A device is harmless only if it is known to be.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::known::{
    BUS_MASTER_PROPERTIES, BUS_MASTERS, HARMLESS, MACHINE_NAMES, MACHINE_PROPERTIES, SYSCON,
};
use super::parts::is_pmu;
use crate::boot::fdt::{Common, Node, Tree};

/// What the owner of a device can affect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reach {
    /// Only its own partition.
    Partition,
    /// All memory: the device is a bus master, whose accesses no stage 2 restricts.
    Memory,
    /// Transfers of a DMA controller, which the device, otherwise harmless, requests.
    Channels,
    /// The whole machine, in the way that the text says, as in `steers the clocks of other
    /// devices`.
    Machine(&'static str),
    /// Whatever the device may be able to do: nothing is known about it.
    Unknown,
}

impl Reach {
    /// Returns what the owner of the device that a node describes can affect. In this order:
    ///
    /// | the node has | |
    /// |---|---|
    /// | a property or a name that only a bus master has | `Memory` |
    /// | a first name in the list of harmless devices, and `dmas` | `Channels` |
    /// | a first name in that list, or that of a CPU's PMU | `Partition` |
    /// | a name or a property that shows what it steers | `Machine` |
    /// | anything else | `Unknown` |
    pub fn of(node: Node<'_, '_>) -> Self {
        let has = |name: &str| node.property(name).is_some();
        if BUS_MASTER_PROPERTIES.iter().any(|name| has(name))
            || node.string("device_type") == Some("pci")
            || node.compatible().any(|name| BUS_MASTERS.contains(name))
        {
            return Self::Memory;
        }
        let first = node.compatible().next().unwrap_or_default();
        let is_pmu = is_pmu(first) && node.common(Common::Reg).is_none();
        let is_harmless = is_pmu || HARMLESS.contains(first);
        match (is_harmless, machine_wide(node)) {
            (true, _) if has("dmas") => Self::Channels,
            (true, _) => Self::Partition,
            (false, Some(power)) => Self::Machine(power),
            (false, None) => Self::Unknown,
        }
    }
}

impl Reach {
    /// Returns what the owner of a bus master can affect, if SMMUs restrict all of its accesses to
    /// the memory of its partition:
    ///
    /// | the node has | |
    /// |---|---|
    /// | a name or a property that shows what it steers | `Machine` |
    /// | a name that is known as a bus master's, or a first name in the list of harmless devices | `Partition` |
    /// | anything else | `Unknown` |
    pub(super) fn behind_smmu(node: Node<'_, '_>) -> Self {
        let is_known = node.compatible().any(|name| BUS_MASTERS.contains(name))
            || HARMLESS.contains(node.compatible().next().unwrap_or_default());
        match machine_wide(node) {
            Some(power) => Self::Machine(power),
            None if is_known => Self::Partition,
            None => Self::Unknown,
        }
    }
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Partition => "reaches its own partition only",
            Self::Memory => "can write to all memory by DMA",
            Self::Channels => "can request transfers of a DMA controller",
            Self::Machine(power) => power,
            Self::Unknown => "is not known to leave other partitions alone",
        })
    }
}

/// Returns what a device of the whole machine can do, if it is recognised as one.
fn machine_wide(node: Node<'_, '_>) -> Option<&'static str> {
    let of_name = |name: &str| {
        let (_, power) = MACHINE_NAMES.iter().find(|(part, _)| name.contains(part))?;
        Some(*power)
    };
    let of_property = || {
        let mut known = MACHINE_PROPERTIES.iter();
        known.find(|(name, _)| node.property(name).is_some()).map(|(_, power)| *power)
    };
    let (syscon, power) = SYSCON;
    let of_syscon = || node.is_compatible(syscon).then_some(power);
    node.compatible().find_map(of_name).or_else(of_property).or_else(of_syscon)
}

/// Nodes without registers that only make the lines of a device known to a kernel. Whoever owns the
/// device has them too.
pub(crate) const USERS: [&str; 4] = ["gpio-keys", "gpio-keys-polled", "gpio-leds", "pwm-leds"];

/// Returns whether a node is one of [`USERS`].
pub(crate) fn is_user(node: Node<'_, '_>) -> bool {
    node.compatible().any(|name| USERS.contains(&name))
}

/// Returns the paths of the available nodes that refer to `device` or to a node below it, as those
/// do that it serves with clocks, supplies, lines or interrupts. [`USERS`] do not count.
pub(super) fn served(tree: &Tree<'_>, device: Node<'_, '_>) -> Vec<String> {
    let phandles: Vec<u32> = device.subtree().filter_map(|node| node.phandle()).collect();
    let mut served = Vec::new();
    if phandles.is_empty() {
        return served;
    }
    tree.walk(&mut |node| {
        if !node.is_available() || is_user(node) || node.number() == device.number() {
            return false;
        }
        let refers = node.properties().filter(|it| Node::has_cell(it, &phandles)).any(|it| {
            let is_own = |target: Option<Node<'_, '_>>| {
                target.is_none_or(|target| phandles.contains(&target.phandle().unwrap_or_default()))
            };
            node.targets(&it).is_some_and(|targets| targets.into_iter().any(is_own))
        });
        if refers {
            served.push(node.path());
        }
        true
    });
    served
}
