//! Finding the parts of the machine among the nodes of its tree.

use alloc::vec::Vec;

use super::remarks::Remarks;
use super::{MachineError, Pmu, memory};
use crate::arch::addr::{Pa, Region};
use crate::boot::fdt::{Common, Node, Tree, is_gic};

/// What a `compatible` tells about a node.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Gic,
    Timer,
    Psci,
    /// Power management with a watchdog.
    Watchdog,
    /// The performance monitors of the CPUs.
    Pmu,
}

impl Kind {
    fn of(name: &str) -> Option<Self> {
        match name {
            "arm,armv8-timer" | "arm,armv7-timer" => Some(Self::Timer),
            "arm,psci-1.0" | "arm,psci-0.2" | "arm,psci" => Some(Self::Psci),
            "brcm,bcm2711-pm" | "brcm,bcm2835-pm" | "brcm,bcm2835-pm-wdt" => Some(Self::Watchdog),
            _ if is_gic(name) => Some(Self::Gic),
            _ if is_pmu(name) => Some(Self::Pmu),
            _ => None,
        }
    }
}

/// As in `arm,cortex-a53-pmu` and `arm,armv8-pmuv3`.
fn is_pmu(name: &str) -> bool {
    let last = name.strip_prefix("arm,").and_then(|name| name.rsplit_once('-'));
    last.is_some_and(|(_, last)| last.starts_with("pmu"))
}

/// Tells the kinds of nodes. It remembers the last `compatible` and what that told: there are many of a
/// kind in a row.
#[derive(Default)]
pub(super) struct Kinds<'a>(&'a [u8], Option<Kind>);

impl<'a> Kinds<'a> {
    /// The kind of `node`, if it is one of them.
    pub fn of(&mut self, node: Node<'_, 'a>) -> Option<Kind> {
        let compatible = node.common(Common::Compatible)?;
        if compatible.value != self.0 {
            let kind = compatible.strings().and_then(|mut names| names.find_map(Kind::of));
            *self = Self(compatible.value, kind);
        }
        self.1
    }
}

/// Children of the root that describe no devices, with all below them.
const NOT_DEVICES: [&str; 4] = ["aliases", "chosen", "cpus", "reserved-memory"];

/// Calls `each` for the nodes that can be parts of the machine or devices, and that firmware has not put
/// out of use, every parent before its children; those below a node for which it returns false are left
/// out.
pub(super) fn each_candidate<'t, 'a>(
    tree: &'t Tree<'a>,
    each: &mut dyn FnMut(Node<'t, 'a>) -> bool,
) {
    tree.walk(&mut |node| {
        let describes_none = node.is_on_root() && NOT_DEVICES.iter().any(|it| node.is_named(it));
        !describes_none && node.is_available() && each(node)
    });
}

/// Whether a node describes memory.
pub(super) fn is_memory(node: Node<'_, '_>) -> bool {
    node.common(Common::DeviceType).is_some_and(|it| it.value == b"memory\0")
}

/// What makes up the machine. Of several controllers or timers, the first.
#[derive(Default)]
pub(super) struct Parts<'t, 'a> {
    pub gic: Option<Node<'t, 'a>>,
    pub timer: Option<Node<'t, 'a>>,
    pub psci: Option<Node<'t, 'a>>,
    pub watchdog: Option<Region<Pa>>,
    pub pmu: Option<Pmu>,
    pub memory: Vec<Region<Pa>>,
    pub remarks: Remarks,
    kinds: Kinds<'a>,
}

impl<'t, 'a> Parts<'t, 'a> {
    /// Finds the parts.
    ///
    /// # Errors
    ///
    /// If a node that describes memory has no meaning.
    pub fn find(&mut self, tree: &'t Tree<'a>) -> Result<(), MachineError> {
        let mut result = Ok(());
        each_candidate(tree, &mut |node| {
            match self.kinds.of(node) {
                // Frames for message-signalled interrupts and the ITS, below it, belong to the GIC.
                Some(Kind::Gic) => {
                    self.gic = self.gic.or(Some(node));
                    return false;
                }
                Some(Kind::Timer) => self.timer = self.timer.or(Some(node)),
                Some(Kind::Psci) => self.psci = self.psci.or(Some(node)),
                Some(Kind::Watchdog) => {
                    let registers = || node.regions().ok()?.first().copied();
                    self.watchdog = self.watchdog.or_else(registers);
                }
                Some(Kind::Pmu) => self.pmu = self.pmu.take().or_else(|| pmu(node)),
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

/// The performance monitors of `node`, if their interrupt is each CPU's own.
fn pmu(node: Node<'_, '_>) -> Option<Pmu> {
    let interrupts = node.interrupts().ok()?;
    let interrupt = interrupts.iter().find(|one| one.intid.is_private())?.intid;
    Some(Pmu { compatible: node.property("compatible")?.value.to_vec(), interrupt })
}
