//! The nodes of passed-through devices: copies of the machine's nodes, in which properties that
//! mean something else in the guest's tree are replaced or left out.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::iter;

use super::{Builder, EDGE_RISING, LEVEL_HIGH, at, reg};
use crate::arch::intid::Trigger;
use crate::boot::fdt::{Node, Property};
use crate::boot::machine::{Device, Reach};

/// Returns whether a property is replaced, or has no meaning for a child of the root that has no
/// child nodes.
fn is_replaced(name: &str) -> bool {
    match name {
        "#address-cells" | "#size-cells" | "clock-names" | "dma-coherent" | "dma-ranges"
        | "interrupt-parent" | "interrupts" | "ranges" | "reg" | "status" => true,
        _ => name == "interrupts-extended",
    }
}

/// Returns whether a property refers to nodes that the guest's tree does not have.
fn is_reference(name: &str) -> bool {
    match name {
        "clocks" | "dma-names" | "dmas" | "gpio-ranges" | "interconnects" | "interrupt-map"
        | "iommu-map" | "iommus" | "mboxes" | "memory-region" | "msi-map" | "msi-parent"
        | "nvmem-cells" | "phys" | "power-domains" | "reset-names" | "resets"
        | "thermal-sensors" => true,
        _ => {
            let starts = ["assigned-clock", "operating-points", "pinctrl-"];
            let ends = ["-gpio", "-gpios", "-supply"];
            starts.iter().any(|start| name.starts_with(start))
                || ends.iter().any(|end| name.ends_with(end))
        }
    }
}

impl<'a> Builder<'a> {
    /// Writes the nodes of the passed-through devices and of the fixed clocks that they refer to.
    pub(super) fn passthrough(&mut self) {
        let mut clocks: Vec<Node<'a, 'a>> = Vec::new();
        for device in &self.partition.passthrough {
            let Some(node) = self.tree.node(&device.path) else {
                continue;
            };
            let own = self.fixed_clocks(node);
            self.device(device, node, !own.is_empty());
            for clock in own {
                if !clocks.contains(&clock) {
                    clocks.push(clock);
                }
            }
        }
        for clock in clocks {
            self.writer.begin_node(&format!("clock-{:x}", clock.phandle().unwrap_or_default()));
            for Property { name, value } in clock.properties() {
                self.writer.property(name, value);
            }
            self.writer.end_node();
        }
    }

    /// Returns the clocks that `node` refers to, if all of them are fixed clocks.
    fn fixed_clocks(&self, node: Node<'a, 'a>) -> Vec<Node<'a, 'a>> {
        let mut clocks = Vec::new();
        let phandles = node.property("clocks").and_then(|clocks| clocks.cells());
        for phandle in phandles.into_iter().flatten() {
            match self.tree.by_phandle(phandle) {
                Some(clock) if clock.is_compatible("fixed-clock") => clocks.push(clock),
                _ => return Vec::new(),
            }
        }
        clocks
    }

    /// Writes the node of a device. It keeps its clocks if `has_clocks`.
    fn device(&mut self, device: &Device, node: Node<'a, 'a>, has_clocks: bool) {
        let name = node.name();
        let base = name.split_once('@').map_or(name, |(base, _)| base);
        let name = match device.registers.first() {
            Some(first) => at(base, first.start().get()),
            None => String::from(name),
        };
        self.writer.begin_node(&name);
        for Property { name, value } in node.properties() {
            let is_own_clock = has_clocks && matches!(name, "clocks" | "clock-names");
            if is_own_clock || !(is_replaced(name) || is_reference(name)) {
                self.writer.property(name, value);
            } else if is_reference(name) {
                self.remarks.push(format!("{} is passed through without its {name}", device.path));
            }
        }
        let mut registers = Vec::new();
        for region in &device.registers {
            registers.extend_from_slice(&reg(region.start().get(), region.size()));
        }
        let mut interrupts = Vec::new();
        for interrupt in &device.interrupts {
            let flags = match interrupt.trigger {
                Trigger::Edge => EDGE_RISING,
                Trigger::Level => LEVEL_HIGH,
            };
            interrupts.extend_from_slice(&self.interrupt(interrupt.intid, flags));
        }
        for (name, cells) in [("reg", registers), ("interrupts", interrupts)] {
            if !cells.is_empty() {
                self.writer.property_cells(name, &cells);
            }
        }
        if device.reach == Reach::Memory && is_coherent(node) {
            self.writer.property_empty("dma-coherent");
        }
        self.writer.end_node();
    }
}

/// Returns whether the node or one above it has `dma-coherent`.
fn is_coherent(node: Node<'_, '_>) -> bool {
    let mut nodes = iter::successors(Some(node), |node| node.parent());
    nodes.any(|node| node.property("dma-coherent").is_some())
}
