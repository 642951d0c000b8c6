//! The nodes of the memory that a partition shares, and of its doorbells.

use super::emulated::{binding, entries};
use super::{Builder, at, flags, reg};
use crate::devices::facts::Binding;
use crate::devices::planned::PlannedDevice;

impl Builder<'_> {
    /// Writes `/reserved-memory`, if the partition shares memory (Devicetree Specification, 3.5).
    /// The nodes are named as the links, and no other node describes that memory: no kernel takes it
    /// for its own.
    pub(super) fn shared_memory(&mut self) {
        if self.partition.shared_memory.is_empty() {
            return;
        }
        let tree = &mut self.writer;
        tree.begin_node("reserved-memory");
        tree.property_u32("#address-cells", 2);
        tree.property_u32("#size-cells", 2);
        tree.property_empty("ranges");
        for (port, phandle) in self.partition.shared_memory.iter().zip(&self.shared_memory) {
            let (start, size) = (port.place.guest.start().get(), port.place.guest.size());
            tree.begin_node(&at(&port.name, start));
            tree.property_str("compatible", "bulkhead,shared-memory");
            tree.property_cells("reg", &reg(start, size));
            tree.property_empty("no-map");
            tree.property_str("label", &port.name);
            tree.property_u32("phandle", *phandle);
            tree.end_node();
        }
        tree.end_node();
    }

    /// Writes the nodes of the doorbells, whose registers are consecutive pages of `device`. Their
    /// `label` is the link's name.
    pub(super) fn doorbells(&mut self, device: &PlannedDevice) {
        let Binding { node, compatible, .. } = binding(device.kind);
        let ports = self.partition.shared_memory.iter().zip(&self.shared_memory);
        for (registers, (port, phandle)) in entries(device).zip(ports) {
            let interrupt = port.interrupt.map(|it| self.interrupt(it.intid, flags(it.trigger)));
            let tree = &mut self.writer;
            let [high, low, ..] = registers;
            tree.begin_node(&at(node, u64::from(high) << 32 | u64::from(low)));
            tree.property_strings("compatible", compatible);
            tree.property_cells("reg", &registers);
            tree.property_cells("interrupts", interrupt.as_slice().as_flattened());
            tree.property_u32("memory-region", *phandle);
            tree.property_u32("bulkhead,port", port.port.into());
            tree.property_u32("bulkhead,ports", port.ports.into());
            tree.property_str("label", &port.name);
            tree.end_node();
        }
    }
}
