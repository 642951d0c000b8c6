//! Reads the [`Machine`] from the firmware's tree.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::parts::Parts;
use super::{
    BoardWatchdog, Conduit, ConsoleUart, Machine, MachineError, Seeds, cpus, gic, memory, messages,
    pmu, smmu, timer,
};
use crate::arch::addr::{Pa, Region};
use crate::boot::fdt::{Node, NodeError, Tree};
use crate::boot::text::printable;

impl Machine {
    /// Reads the machine from the firmware's tree, without its devices, which
    /// [`read_devices`](Self::read_devices) reads. `console` is the result of
    /// [`ConsoleUart::read`].
    ///
    /// An invalid node that Bulkhead does not need is ignored, with a line in [`Machine::remarks`].
    ///
    /// # Errors
    ///
    /// If the tree lacks a CPU, memory, a GIC that supports virtualization or the generic timer, or
    /// if one of their nodes or of reserved memory is invalid.
    pub fn read(
        tree: &Tree<'_>,
        console: Result<Option<ConsoleUart>, String>,
    ) -> Result<Self, MachineError> {
        let mut parts = Parts::default();
        let console = console.unwrap_or_else(|remark| {
            parts.remarks.add(printable(&remark));
            None
        });
        let cpus = cpus::read(tree, &mut parts)?;
        let root = tree.root();
        parts.find(tree)?;
        if parts.memory.is_empty() {
            return Err(MachineError::Missing("memory"));
        }
        let gic = parts.gic.ok_or(MachineError::Missing("GIC"))?;
        let timer = parts.timer.ok_or(MachineError::Missing("timer"))?;
        let psci = parts.psci.map(conduit).transpose()?;
        let chosen = tree.node("/chosen");
        let model = root.string("model").or_else(|| root.compatible().next());
        let bootargs = chosen.and_then(|chosen| chosen.string("bootargs"));
        let initrd = chosen.and_then(initrd);
        if let (Some(chosen), Some(initrd)) = (chosen, initrd)
            && !parts.memory.iter().any(|bank| bank.covers(&initrd))
        {
            return Err(MachineError::at(chosen)(NodeError::Fault("its initrd is not in memory")));
        }
        let is_memory = |region: &Region<Pa>| parts.memory.iter().any(|bank| bank.overlaps(region));
        let gic_path = gic.path();
        let controller = gic::read(gic).map_err(MachineError::at(gic))?;
        // A loader that does not know where the devices are may have put memory over them.
        let driven = controller.registers().into_iter().map(|registers| (&gic_path, registers));
        let mut driven = driven.chain(console.iter().map(|uart| (&uart.path, uart.registers)));
        if let Some((path, _)) = driven.find(|(_, registers)| is_memory(registers)) {
            let error = NodeError::Fault(
                "its registers are in what the tree has as memory: correct the memory nodes, or \
                 give the machine less memory",
            );
            return Err(MachineError::Node { path: path.clone(), error });
        }
        let watchdogs = parts.watchdogs.iter().filter_map(|node| BoardWatchdog::read(tree, *node));
        let watchdogs = watchdogs.filter(|watchdog| !is_memory(&watchdog.register)).collect();
        let pmus = pmu::read(tree, &parts.pmus, &cpus);
        let smmus = smmu::read(&parts.smmus, &mut parts.remarks);
        let message_controllers = messages::read(gic, &mut parts.remarks);
        Ok(Self {
            model: printable(model.unwrap_or("unnamed")),
            reserved: memory::reserved(tree, &cpus)?,
            cpus,
            memory: parts.memory,
            gic: controller,
            gic_path,
            smmus,
            message_controllers,
            timer: timer::read(timer).map_err(MachineError::at(timer))?,
            psci,
            watchdog: parts.watchdog.filter(|_| psci != Some(Conduit::Smc)),
            watchdogs,
            pmus,
            console,
            devices: Vec::new(),
            host_bridges: Vec::new(),
            functions: Vec::new(),
            not_devices: Vec::new(),
            bootargs: bootargs.unwrap_or_default().to_string(),
            initrd,
            remarks: parts.remarks.finish(),
            free_interrupts: 0..0,
            delivers_directly: false,
            seeds: Seeds::None,
            id_aa64mmfr0: 0,
        })
    }
}

/// The ways to end a machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ends {
    /// [`Machine::psci`].
    pub psci: Option<Conduit>,
    /// [`Machine::watchdog`].
    pub watchdog: Option<Region<Pa>>,
}

impl Ends {
    /// Reads them from a tree that [`Machine::read`] refuses.
    pub fn read(tree: &Tree<'_>) -> Self {
        let mut parts = Parts::default();
        // The walk goes on after an error.
        _ = parts.find(tree);
        let psci = parts.psci.and_then(|node| conduit(node).ok());
        Self { psci, watchdog: parts.watchdog.filter(|_| psci != Some(Conduit::Smc)) }
    }

    /// Returns those of a machine.
    pub fn of(machine: &Machine) -> Self {
        Self { psci: machine.psci, watchdog: machine.watchdog }
    }
}

/// Reads the conduit of a PSCI node.
fn conduit(node: Node<'_, '_>) -> Result<Conduit, MachineError> {
    match node.string("method") {
        Some("smc") => Ok(Conduit::Smc),
        Some("hvc") => Ok(Conduit::Hvc),
        _ => Err(MachineError::at(node)(NodeError::Property("method"))),
    }
}

/// Reads the region of the initrd; `None` if there is none or it is empty.
fn initrd(chosen: Node<'_, '_>) -> Option<Region<Pa>> {
    let address = |name| chosen.property(name)?.number().map(Pa::new);
    let (start, end) = (address("linux,initrd-start")?, address("linux,initrd-end")?);
    Region::between(start, end).filter(|initrd| !initrd.is_empty())
}
