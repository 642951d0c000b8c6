//! From the firmware's tree to the [`Machine`].

use alloc::string::ToString;
use alloc::vec::Vec;

use super::parts::Parts;
use super::{Conduit, Console, Fault, Machine, MachineError, TimerInterrupts, cpus, gic, memory};
use crate::addr::{Pa, Region};
use crate::fdt::{Node, Tree};
use crate::intid::Intid;

/// The timer's interrupts, in the order that the binding gives them, by their names.
const TIMER_INTERRUPTS: [&str; 4] = ["sec-phys", "phys", "virt", "hyp-phys"];

impl Machine {
    /// Reads the machine from the firmware's tree.
    ///
    /// What Bulkhead does without is passed over with a line in [`Machine::remarks`].
    ///
    /// # Errors
    ///
    /// If the tree lacks a CPU, memory, a GIC that can be virtualized or the generic timer, or
    /// says something about them or about reserved memory that has no meaning.
    pub fn read(tree: &Tree<'_>) -> Result<Self, MachineError> {
        let mut remarks = Vec::new();
        let console = Console::read(tree).unwrap_or_else(|remark| {
            remarks.push(remark);
            None
        });
        let cpus = cpus::read(tree, &mut remarks)?;
        let parts = Parts::find(tree, &mut remarks)?;
        let gic = parts.gic.ok_or(MachineError::Missing("GIC"))?;
        let timer_node = parts.timer.ok_or(MachineError::Missing("timer"))?;
        for (is_missing, what) in [(cpus.is_empty(), "CPU"), (parts.memory.is_empty(), "memory")] {
            if is_missing {
                return Err(MachineError::Missing(what));
            }
        }
        let root = tree.root();
        let model = root.string("model").or_else(|| root.compatible().next());
        let chosen = tree.node("/chosen");
        let bootargs = chosen.and_then(|chosen| chosen.string("bootargs"));
        Ok(Self {
            model: model.unwrap_or("unnamed").to_string(),
            cpus,
            memory: parts.memory,
            reserved: memory::reserved(tree)?,
            gic: gic::read(gic).map_err(|fault| fault.of(gic))?,
            gic_path: gic.path(),
            timer: timer(timer_node).map_err(|fault| fault.of(timer_node))?,
            psci: parts.psci.map(conduit).transpose()?,
            console,
            devices: parts.devices,
            bootargs: bootargs.unwrap_or_default().to_string(),
            initrd: chosen.and_then(initrd),
            remarks,
        })
    }
}

/// The interrupt number `index` of `node`, a PPI, called `name` in messages.
pub(super) fn ppi(node: Node<'_, '_>, index: usize, name: &'static str) -> Result<Intid, Fault> {
    match node.interrupts()?.get(index) {
        Some(interrupt) if interrupt.intid.is_private() => Ok(interrupt.intid),
        _ => Err(Fault::NoPpi(name)),
    }
}

fn timer(node: Node<'_, '_>) -> Result<TimerInterrupts, Fault> {
    let names = node.property("interrupt-names");
    let interrupt = |order: usize| {
        let name = TIMER_INTERRUPTS[order];
        let named = names.and_then(|names| names.strings());
        let index = match named {
            Some(mut names) => names.position(|each| each == name),
            None => Some(order),
        };
        ppi(node, index.ok_or(Fault::NoPpi(name))?, name)
    };
    Ok(TimerInterrupts {
        physical: interrupt(1)?,
        virtual_: interrupt(2)?,
        hypervisor: interrupt(3)?,
    })
}

fn conduit(node: Node<'_, '_>) -> Result<Conduit, MachineError> {
    match node.string("method") {
        Some("smc") => Ok(Conduit::Smc),
        Some("hvc") => Ok(Conduit::Hvc),
        _ => Err(Fault::Property("method").of(node)),
    }
}

fn initrd(chosen: Node<'_, '_>) -> Option<Region<Pa>> {
    let address = |name| chosen.property(name)?.number().map(Pa::new);
    let (start, end) = (address("linux,initrd-start")?, address("linux,initrd-end")?);
    Region::between(start, end).filter(|initrd| !initrd.is_empty())
}
