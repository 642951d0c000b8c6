//! From the firmware's tree to the [`Machine`].

use alloc::string::ToString;
use alloc::vec::Vec;

use super::parts::{self, Parts};
use super::{
    Conduit, Console, Fault, Interrupt, Machine, MachineError, TimerInterrupts, cpus, gic, memory,
};
use crate::addr::{Pa, Region};
use crate::fdt::{Node, Tree};
use crate::intid::Intid;

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
        let Parts { gic, timer, psci, watchdog, memory, devices } =
            parts::find(tree, &mut remarks)?;
        let psci = psci.map(conduit).transpose()?;
        let root = tree.root();
        let model = root.string("model").or_else(|| root.compatible().next());
        let chosen = tree.node("/chosen");
        let bootargs = chosen.and_then(|chosen| chosen.string("bootargs"));
        Ok(Self {
            model: model.unwrap_or("unnamed").to_string(),
            cpus,
            memory,
            reserved: memory::reserved(tree)?,
            gic: gic::read(gic).map_err(|fault| fault.of(gic))?,
            gic_path: gic.path(),
            timer: interrupts(timer).map_err(|fault| fault.of(timer))?,
            psci,
            watchdog: watchdog.filter(|_| psci != Some(Conduit::Smc)),
            console,
            devices,
            bootargs: bootargs.unwrap_or_default().to_string(),
            initrd: chosen.and_then(initrd),
            remarks,
        })
    }
}

/// `interrupt`, which has to be a PPI, called `name` in messages.
pub(super) fn ppi(interrupt: Option<&Interrupt>, name: &'static str) -> Result<Intid, Fault> {
    match interrupt {
        Some(Interrupt { intid, .. }) if intid.is_private() => Ok(*intid),
        _ => Err(Fault::NoPpi(name)),
    }
}

/// The interrupts of the timer's node.
fn interrupts(node: Node<'_, '_>) -> Result<TimerInterrupts, Fault> {
    let interrupts = node.interrupts()?;
    let names = node.property("interrupt-names");
    let interrupt = |order: usize, name| {
        let index = match names.and_then(|names| names.strings()) {
            Some(mut names) => names.position(|each| each == name),
            None => Some(order),
        };
        ppi(index.and_then(|index| interrupts.get(index)), name)
    };
    // The order is the binding's; the first is the secure timer's.
    Ok(TimerInterrupts {
        physical: interrupt(1, "phys")?,
        virtual_: interrupt(2, "virt")?,
        hypervisor: interrupt(3, "hyp-phys")?,
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
