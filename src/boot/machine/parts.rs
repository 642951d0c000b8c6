//! The nodes of the machine's tree that describe the parts of the machine.

use alloc::vec::Vec;

use super::remarks::Remarks;
use super::smmu::SMMU_V3;
use super::{BoardWatchdog, MachineError, memory};
use crate::arch::addr::{Pa, Region};
use crate::boot::fdt::{Common, Node, Property, Tree, is_gic};

/// The kinds of nodes that `compatible` identifies.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum NodeKind {
    Gic,
    Timer,
    Psci,
    /// A power management block with a watchdog, which can end the machine.
    PowerManagement,
    /// Another watchdog.
    Watchdog,
    /// The PMU of the CPUs.
    Pmu,
    /// An SMMU of version 3.
    Smmu,
}

impl NodeKind {
    /// Returns the kind that a `compatible` stands for.
    fn of(name: &str) -> Option<Self> {
        match name {
            "arm,armv8-timer" | "arm,armv7-timer" => Some(Self::Timer),
            "arm,psci-1.0" | "arm,psci-0.2" | "arm,psci" => Some(Self::Psci),
            "brcm,bcm2711-pm" | "brcm,bcm2835-pm" | "brcm,bcm2835-pm-wdt" => {
                Some(Self::PowerManagement)
            }
            SMMU_V3 => Some(Self::Smmu),
            _ if BoardWatchdog::is_model(name) => Some(Self::Watchdog),
            _ if is_gic(name) => Some(Self::Gic),
            _ if is_pmu(name) => Some(Self::Pmu),
            _ => None,
        }
    }
}

/// Returns whether a `compatible` is that of a PMU, as `arm,cortex-a53-pmu` and `arm,armv8-pmuv3`.
pub(super) fn is_pmu(name: &str) -> bool {
    let last = name.strip_prefix("arm,").and_then(|name| name.rsplit_once('-'));
    last.is_some_and(|(_, last)| last.starts_with("pmu"))
}

/// Identifies the kinds of nodes. It caches the last `compatible`, since nodes of one kind often
/// follow each other.
#[derive(Default)]
pub(super) struct Kinds<'a>(&'a [u8], Option<NodeKind>);

impl<'a> Kinds<'a> {
    /// Returns the kind of `node`, if `compatible` identifies it.
    #[inline(always)]
    pub fn of(&mut self, node: Node<'_, 'a>) -> Option<NodeKind> {
        let compatible = node.common(Common::Compatible)?;
        if compatible.value != self.0 {
            self.identify(compatible);
        }
        self.1
    }

    /// Caches the kind of a `compatible`.
    #[inline(never)]
    fn identify(&mut self, compatible: Property<'a>) {
        let kind = compatible.strings().and_then(|mut names| names.find_map(NodeKind::of));
        *self = Self(compatible.value, kind);
    }
}

/// Returns whether a child of the root has this name that describes no device, nor do the nodes below
/// it.
fn describes_none(name: &[u8]) -> bool {
    matches!(name, b"aliases" | b"chosen" | b"cpus" | b"reserved-memory")
}

/// Calls `each` for the available nodes that can be parts of the machine or devices, every parent
/// before its children. The nodes below a node for which it returns false are skipped.
pub(super) fn each_candidate<'t, 'a>(
    tree: &'t Tree<'a>,
    each: &mut dyn FnMut(Node<'t, 'a>) -> bool,
) {
    tree.walk(&mut |node| {
        !(node.is_on_root() && describes_none(node.name_bytes()))
            && node.is_available()
            && each(node)
    });
}

/// Returns whether a node describes memory.
pub(super) fn is_memory(node: Node<'_, '_>) -> bool {
    node.common(Common::DeviceType).is_some_and(|it| it.value == b"memory\0")
}

/// The parts of the machine. If there are several of one kind, the first, apart from PMUs,
/// SMMUs and watchdogs.
#[derive(Default)]
pub(super) struct Parts<'t, 'a> {
    pub gic: Option<Node<'t, 'a>>,
    pub timer: Option<Node<'t, 'a>>,
    pub psci: Option<Node<'t, 'a>>,
    pub watchdog: Option<Region<Pa>>,
    /// All of them, with power management blocks.
    pub watchdogs: Vec<Node<'t, 'a>>,
    /// All of them.
    pub pmus: Vec<Node<'t, 'a>>,
    /// All of them.
    pub smmus: Vec<Node<'t, 'a>>,
    pub memory: Vec<Region<Pa>>,
    pub remarks: Remarks,
    kinds: Kinds<'a>,
}

impl<'t, 'a> Parts<'t, 'a> {
    /// Finds the parts of the machine.
    ///
    /// # Errors
    ///
    /// If a memory node is invalid.
    pub fn find(&mut self, tree: &'t Tree<'a>) -> Result<(), MachineError> {
        let mut result = Ok(());
        each_candidate(tree, &mut |node| {
            match self.kinds.of(node) {
                // The nodes below it, MSI frames and the ITS, belong to the GIC.
                Some(NodeKind::Gic) => {
                    self.gic = self.gic.or(Some(node));
                    return false;
                }
                Some(NodeKind::Timer) => self.timer = self.timer.or(Some(node)),
                Some(NodeKind::Psci) => self.psci = self.psci.or(Some(node)),
                Some(NodeKind::Watchdog) => self.watchdogs.push(node),
                Some(NodeKind::PowerManagement) => {
                    self.watchdogs.push(node);
                    let registers = || node.regions().ok()?.first().copied();
                    self.watchdog = self.watchdog.or_else(registers);
                }
                Some(NodeKind::Pmu) => self.pmus.push(node),
                Some(NodeKind::Smmu) => self.smmus.push(node),
                None if is_memory(node) && result.is_ok() => {
                    let added = memory::add_banks(node, &mut self.memory);
                    result = added.map_err(MachineError::at(node));
                }
                None => {}
            }
            true
        });
        result
    }
}
