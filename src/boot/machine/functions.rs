//! The PCI Express functions that can be passed through to partitions.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::remarks::Remarks;
use super::{Device, Machine, Reach};
use crate::arch::intid::Interrupt;
use crate::boot::fdt::{Node, Tree};
use crate::boot::pci::{self, HostBridge, PciFunction, Unit};
use crate::pci::{Address, ConfigurationSpace};

/// What the nodes of functions are called, before their unit addresses.
const FUNCTION: &str = "/pci@";

/// Gives access to the configuration space below a host bridge.
pub type Open<'a> = &'a mut dyn FnMut(&HostBridge) -> Box<dyn ConfigurationSpace>;

/// Returns whether a name can be that of a function below the host bridge at this path.
fn is_below(name: &str, bridge: &str) -> bool {
    name.strip_prefix(bridge).is_some_and(|rest| rest.starts_with(FUNCTION))
}

/// Returns whether the name can be that of a function below a host bridge of the tree.
pub(super) fn is_function(tree: &Tree<'_>, name: &str) -> bool {
    HostBridge::nodes(tree).any(|node| is_below(name, &node.path()))
}

impl Machine {
    /// Finds the functions below each host bridge below which one of `names` is, and switches all
    /// of them off. [`devices`](Self::devices) has them once the devices are read.
    ///
    /// An invalid host bridge is ignored, with a line in [`Machine::remarks`].
    pub fn find_functions(&mut self, tree: &Tree<'_>, names: &[&str], open: Open<'_>) {
        let mut remarks = Remarks::default();
        for node in HostBridge::nodes(tree) {
            let path = node.path();
            if !names.iter().any(|name| is_below(name, &path)) {
                continue;
            }
            match HostBridge::read(node) {
                Ok(bridge) => self.add_functions(node, bridge, open),
                Err(error) => remarks.ignore(node, &error),
            }
        }
        self.remarks.extend(remarks.finish());
    }

    /// Adds a host bridge with the functions below it. They reach all memory, but for those with a
    /// stream, which an SMMU restricts to the memory of their partition.
    fn add_functions(&mut self, node: Node<'_, '_>, bridge: HostBridge, open: Open<'_>) {
        let index = self.host_bridges.len();
        let hardware = open(&bridge);
        for (path, mut function) in pci::functions(&bridge, index, &*hardware) {
            let requester = function.address.requester();
            let stream = self.iommu_map(node, requester);
            function.source = self.message_source(node, requester);
            self.functions.push(Device {
                path,
                aliases: Vec::new(),
                registers: Vec::new(),
                interrupts: bridge.interrupt_of(&function).into_iter().collect(),
                reach: stream.map_or(Reach::Memory, |_| Reach::Partition),
                serves: Vec::new(),
                streams: stream.into_iter().collect(),
                function: Some(Box::new(function)),
            });
        }
        self.host_bridges.push(bridge);
    }

    /// Returns a slot of a function's host bridge, as in `pci@5,0`, in which its interrupt would be
    /// one that no device has; `None` if there is none.
    pub(crate) fn free_slot(&self, function: &PciFunction) -> Option<String> {
        let bridge = self.host_bridges.get(function.bridge)?;
        let is_taken = |address: Address| {
            let functions = self.devices.iter().filter_map(|device| device.function.as_deref());
            functions
                .into_iter()
                .any(|it| it.bridge == function.bridge && it.address.is_beside(address))
        };
        let is_raised = |interrupt: Interrupt| {
            let mut raised = self.devices.iter().flat_map(|device| &device.interrupts);
            raised.any(|other| other.intid == interrupt.intid)
        };
        let slots = (0..crate::pci::DEVICES).map(|it| Address::new(bridge.first_bus, it, 0));
        let mut free = slots
            .filter(|slot| !is_taken(*slot))
            .filter(|slot| bridge.interrupt(*slot, function.pin).is_some_and(|it| !is_raised(it)));
        free.next().map(|slot| format!("pci@{}", Unit(slot)))
    }
}
