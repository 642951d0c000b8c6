//! Finding the parts of the machine among the nodes of its tree.

use alloc::vec::Vec;

use super::remarks::Remarks;
use super::{MachineError, Pmu, memory};
use crate::addr::{Pa, Region};
use crate::fdt::{GICS, Node};

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

const KINDS: [(&[&str], Kind); 4] = [
    (&GICS, Kind::Gic),
    (&["arm,armv8-timer", "arm,armv7-timer"], Kind::Timer),
    (&["arm,psci-1.0", "arm,psci-0.2", "arm,psci"], Kind::Psci),
    (&["brcm,bcm2711-pm", "brcm,bcm2835-pm", "brcm,bcm2835-pm-wdt"], Kind::Watchdog),
];

impl Kind {
    fn of(name: &str) -> Option<Self> {
        // As in `arm,cortex-a53-pmu` and `arm,armv8-pmuv3`.
        let is_pmu = || {
            let last = name.strip_prefix("arm,")?.rsplit_once('-')?.1;
            last.starts_with("pmu").then_some(Self::Pmu)
        };
        let known = KINDS.iter().find(|(names, _)| names.contains(&name));
        known.map(|(_, kind)| *kind).or_else(is_pmu)
    }
}

/// Tells the kinds of nodes. It remembers the last `compatible` and what that told: there are many of a
/// kind in a row.
#[derive(Default)]
pub(super) struct Kinds<'a>(&'a [u8], Option<Kind>);

impl<'a> Kinds<'a> {
    /// The kind of `node`, if it is one of them.
    pub fn of(&mut self, node: Node<'_, 'a>) -> Option<Kind> {
        let compatible = node.property("compatible")?;
        if compatible.value != self.0 {
            let kind = compatible.strings().and_then(|mut names| names.find_map(Kind::of));
            *self = Self(compatible.value, kind);
        }
        self.1
    }
}

/// Children of the root that describe no devices, with all below them.
const NOT_DEVICES: [&str; 4] = ["aliases", "chosen", "cpus", "reserved-memory"];

/// The children of `bus` that can be a part of the machine or a device, and that firmware has not put
/// out of use.
pub(super) fn on_bus<'t, 'a>(bus: Node<'t, 'a>) -> impl Iterator<Item = Node<'t, 'a>> {
    let is_root = bus.parent().is_none();
    let describes_none =
        move |node: Node<'_, '_>| is_root && NOT_DEVICES.iter().any(|name| node.is_named(name));
    bus.children().filter(move |node| node.is_available() && !describes_none(*node))
}

/// Whether a node describes memory.
pub(super) fn is_memory(node: Node<'_, '_>) -> bool {
    node.string("device_type") == Some("memory")
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
    /// Goes over all nodes below `bus`.
    pub fn find(&mut self, bus: Node<'t, 'a>) -> Result<(), MachineError> {
        for node in on_bus(bus) {
            match self.kinds.of(node) {
                // Frames for message-signalled interrupts and the ITS, below it, belong to the GIC.
                Some(Kind::Gic) => {
                    self.gic = self.gic.or(Some(node));
                    continue;
                }
                Some(Kind::Timer) => self.timer = self.timer.or(Some(node)),
                Some(Kind::Psci) => self.psci = self.psci.or(Some(node)),
                Some(Kind::Watchdog) => {
                    let registers = || node.regions().ok()?.first().copied();
                    self.watchdog = self.watchdog.or_else(registers);
                }
                Some(Kind::Pmu) => self.pmu = self.pmu.take().or_else(|| pmu(node)),
                None if is_memory(node) => {
                    memory::add_banks(node, &mut self.memory).map_err(MachineError::at(node))?;
                }
                None => {}
            }
            self.find(node)?;
        }
        Ok(())
    }
}

/// The performance monitors of `node`, if their interrupt is each CPU's own.
fn pmu(node: Node<'_, '_>) -> Option<Pmu> {
    let interrupts = node.interrupts().ok()?;
    let interrupt = interrupts.iter().find(|one| one.intid.is_private())?.intid;
    Some(Pmu { compatible: node.property("compatible")?.value.to_vec(), interrupt })
}
