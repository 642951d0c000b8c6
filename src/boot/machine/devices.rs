//! The devices that can be passed through to partitions.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::ops::Range;

use super::parts::{self, Kinds, NodeKind};
use super::reach::{self, Reach};
use super::remarks::Remarks;
use super::{Device, Machine};
use crate::arch::addr::{Pa, Region};
use crate::arch::intid::{Interrupt, Intid};
use crate::boot::fdt::{Common, Node, NodeError, Tree};

impl Machine {
    /// Reads the devices from the firmware's tree, and for those that a description names what
    /// their owner can affect. Only a description that passes devices through needs this.
    ///
    /// A node with an invalid property is ignored, with a line in [`Machine::remarks`].
    pub fn read_devices(&mut self, tree: &Tree<'_>, is_named: &dyn Fn(&Device) -> bool) {
        let (devices, remarks) = find_devices(tree, is_named);
        self.devices = devices;
        self.remarks.extend(remarks);
        for index in 0..self.devices.len() {
            if is_named(&self.devices[index])
                && let Some(node) = tree.node(&self.devices[index].path)
            {
                let streams = self.streams(node);
                let device = &mut self.devices[index];
                if !streams.is_empty() && device.reach == Reach::Memory {
                    device.reach = Reach::behind_smmu(node);
                }
                device.streams = streams;
            }
        }
        self.devices.append(&mut self.functions);
    }
}

/// Finds the devices of a tree, with remarks about nodes that are ignored.
/// [`Machine::read_devices`] is this for the machine's tree.
pub fn find_devices(
    tree: &Tree<'_>,
    is_named: &dyn Fn(&Device) -> bool,
) -> (Vec<Device>, Vec<String>) {
    let mut found = Found::default();
    found.find(tree);
    add_aliases(tree, &mut found.devices);
    for device in found.devices.iter_mut().filter(|device| is_named(device)) {
        if let Some(node) = tree.node(&device.path) {
            device.reach = Reach::of(node);
            device.serves = reach::served(tree, node);
        }
    }
    (found.devices, found.remarks.finish())
}

/// Returns the SPIs up to `last` that are above those of all nodes of the tree; there may be none.
pub fn free_interrupts(tree: &Tree<'_>, last: Intid) -> Range<u32> {
    let mut end = Intid::SPI_START;
    for node in tree.nodes() {
        let mut add = |interrupt: Interrupt| end = end.max(interrupt.intid.get() + 1);
        // A node with invalid interrupts cannot be passed through.
        _ = node.each_interrupt(&mut add);
        // Nor can functions below a host bridge with invalid ones.
        let mapped = node.mapped_interrupts().unwrap_or_default();
        mapped.into_iter().for_each(|it| add(it.interrupt));
    }
    end..last.get() + 1
}

/// The devices found so far.
#[derive(Default)]
struct Found<'a> {
    devices: Vec<Device>,
    remarks: Remarks,
    kinds: Kinds<'a>,
}

impl<'a> Found<'a> {
    /// Finds the devices, apart from those that only Bulkhead uses.
    fn find(&mut self, tree: &Tree<'a>) {
        parts::each_candidate(tree, &mut |node| {
            match self.kinds.of(node) {
                Some(NodeKind::Gic) => return false,
                Some(NodeKind::Timer | NodeKind::Psci) => {}
                None if parts::is_memory(node) || is_bus(node) => {}
                _ => match device(node) {
                    Ok(device) => self.devices.extend(device),
                    // Registers outside the CPUs' address space belong to a bus device.
                    Err(NodeError::NotMapped) => {}
                    Err(error) => self.remarks.ignore(node, &error),
                },
            }
            true
        });
    }
}

/// Returns whether a node is a bus whose `reg` is the window of what is on it, as `fsl,aips-bus`,
/// and not registers of its own: those of one of its children are in it.
fn is_bus(node: Node<'_, '_>) -> bool {
    if node.common(Common::Reg).is_none() || !node.is_compatible("simple-bus") {
        return false;
    }
    let window = node.regions().unwrap_or_default();
    let is_in = |registers: &Region<Pa>| window.iter().any(|it| it.covers(registers));
    let mut children = node.children().filter_map(|child| child.regions().ok());
    node.property("ranges").is_some() && children.any(|registers| registers.iter().any(is_in))
}

/// Reads a device; `None` if the node has neither registers nor interrupts.
fn device(node: Node<'_, '_>) -> Result<Option<Device>, NodeError> {
    let (registers, interrupts) = (node.regions()?, node.interrupts()?);
    if registers.is_empty() && interrupts.is_empty() {
        return Ok(None);
    }
    Ok(Some(Device {
        path: node.path(),
        aliases: Vec::new(),
        registers,
        interrupts,
        reach: Reach::Unknown,
        serves: Vec::new(),
        streams: Vec::new(),
        function: None,
    }))
}

/// Adds the names of `/aliases` to the devices that they refer to.
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
