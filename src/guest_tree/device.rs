//! A passed-through device's node: the machine's own, with what has another meaning in the guest's
//! tree written anew or left out.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::Builder;
use crate::addr::{Ipa, Region};
use crate::fdt::{Node, Property};
use crate::machine::Device;

/// What is written anew, or means nothing for a node without children right below the root.
const REPLACED: [&str; 12] = [
    "#address-cells",
    "#size-cells",
    "clock-names",
    "clocks",
    "dma-coherent",
    "dma-ranges",
    "interrupt-parent",
    "interrupts",
    "interrupts-extended",
    "ranges",
    "reg",
    "status",
];
/// References to nodes that the guest's tree does not have.
const REFERENCES: [&str; 18] = [
    "dma-names",
    "dmas",
    "gpio-ranges",
    "interconnects",
    "interrupt-map",
    "iommu-map",
    "iommus",
    "mboxes",
    "memory-region",
    "msi-map",
    "msi-parent",
    "nvmem-cells",
    "operating-points-v2",
    "phys",
    "power-domains",
    "reset-names",
    "resets",
    "thermal-sensors",
];
const REFERENCE_STARTS: [&str; 2] = ["assigned-clock", "pinctrl-"];
const REFERENCE_ENDS: [&str; 3] = ["-gpio", "-gpios", "-supply"];

impl<'a> Builder<'a> {
    /// The partition's devices and the fixed clocks that they refer to.
    pub(super) fn devices(&mut self) {
        let (devices, tree) = (&self.partition.devices, self.tree);
        let nodes = devices.iter().filter_map(|device| Some((device, tree.node(&device.path)?)));
        let nodes: Vec<_> = nodes.collect();
        let mut clocks: Vec<Node<'a, 'a>> = Vec::new();
        for (_, node) in &nodes {
            for clock in self.fixed_clocks(*node).into_iter().flatten() {
                if !clocks.contains(&clock) {
                    clocks.push(clock);
                }
            }
        }
        for clock in clocks {
            let name = format!("clock-{:x}", clock.phandle().unwrap_or_default());
            self.node(&name, |builder| {
                for Property { name, value } in clock.properties() {
                    builder.writer.property(name, value);
                }
            });
        }
        for (device, node) in nodes {
            self.device(device, node);
        }
    }

    /// The clocks that `node` refers to, if they all are fixed clocks.
    fn fixed_clocks(&self, node: Node<'a, 'a>) -> Option<Vec<Node<'a, 'a>>> {
        let clock = |phandle| {
            let clock = self.tree.by_phandle(phandle);
            clock.filter(|clock| clock.is_compatible("fixed-clock"))
        };
        node.property("clocks")?.cells()?.map(clock).collect()
    }

    fn device(&mut self, device: &Device, node: Node<'a, 'a>) {
        let registers = device.registers.iter().filter_map(|registers| {
            Region::new(Ipa::new(registers.start().get()), registers.size())
        });
        let registers: Vec<_> = registers.collect();
        let interrupts = device.interrupts.iter().map(|one| self.device_interrupt(one));
        let interrupts: Vec<_> = interrupts.collect();
        self.node(&name(node, &registers), |builder| {
            builder.copy_properties(device, node);
            if !registers.is_empty() {
                builder.reg(&registers);
            }
            if !interrupts.is_empty() {
                builder.writer.property_cells("interrupts", interrupts.as_flattened());
            }
            if device.dma && is_coherent(node) {
                builder.writer.property_empty("dma-coherent");
            }
        });
    }

    fn copy_properties(&mut self, device: &Device, node: Node<'a, 'a>) {
        let has_clocks = self.fixed_clocks(node).is_some();
        for Property { name, value } in node.properties() {
            let is_clock = matches!(name, "clocks" | "clock-names");
            if (is_clock && has_clocks) || !(REPLACED.contains(&name) || is_reference(name)) {
                self.writer.property(name, value);
            } else if is_reference(name) || name == "clocks" {
                let remark = format!("{} is given without its {name}", device.path);
                self.remarks.push(remark);
            }
        }
    }
}

fn is_reference(name: &str) -> bool {
    REFERENCES.contains(&name)
        || REFERENCE_STARTS.iter().any(|start| name.starts_with(start))
        || REFERENCE_ENDS.iter().any(|end| name.ends_with(end))
}

/// The node's name at its place in the guest's tree.
fn name(node: Node<'_, '_>, registers: &[Region<Ipa>]) -> String {
    let name = node.name();
    let base = name.split_once('@').map_or(name, |(base, _)| base);
    match registers.first() {
        Some(first) => format!("{base}@{:x}", first.start().get()),
        None => String::from(name),
    }
}

/// Whether the node or one above it says that its DMA is coherent with the caches.
fn is_coherent(node: Node<'_, '_>) -> bool {
    let mut nodes = core::iter::successors(Some(node), |node| node.parent());
    nodes.any(|node| node.property("dma-coherent").is_some())
}
