//! The nodes of passed-through devices: copies of the machine's nodes, with those below them and
//! the fixed clocks, supplies and the like that they refer to. Properties that mean something else
//! in the guest's tree are replaced, and those that refer to nodes which it lacks are left out,
//! with a remark.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::iter;
use core::mem::take;

use super::carried::{Carried, is_mapped};
use super::{Builder, at, flags, reg};
use crate::boot::fdt::{Common, Node, Property};
use crate::boot::machine::{Device, Reach};

/// The properties of a device that are replaced, or that have no meaning for a child of the root.
#[rustfmt::skip]
const REPLACED: [&str; 8] = [
    "dma-coherent", "dma-ranges", "interrupt-parent", "interrupts", "interrupts-extended", "ranges",
    "reg", "status",
];

/// Properties that belong to another one, and are left out with it.
#[rustfmt::skip]
const COMPANIONS: [(&str, &str); 16] = [
    ("assigned-clock-parents", "assigned-clocks"), ("assigned-clock-rates", "assigned-clocks"),
    ("clock-names", "clocks"), ("dma-names", "dmas"), ("interconnect-names", "interconnects"),
    ("interrupt-map-mask", "interrupt-map"), ("io-channel-names", "io-channels"),
    ("iommu-map-mask", "iommu-map"), ("mbox-names", "mboxes"), ("msi-map-mask", "msi-map"),
    ("nvmem-cell-names", "nvmem-cells"), ("phy-names", "phys"), ("pinctrl-names", "pinctrl-0"),
    ("power-domain-names", "power-domains"), ("pwm-names", "pwms"), ("reset-names", "resets"),
];

/// Properties with numbers that can look like phandles.
#[rustfmt::skip]
const NUMBERS: [&str; 36] = [
    "address-width", "bank-width", "brcm,function", "brcm,pins", "brcm,pull",
    "brightness-levels", "bus-width", "clock-frequency",
    "clock-latency", "current-speed", "debounce-interval", "default-brightness-level",
    "device-width", "fifo-size", "linux,code", "linux,input-type", "linux,phandle",
    "max-frequency", "max-speed", "ngpios", "nr-gpios", "num-cs", "pagesize", "phandle",
    "poll-interval", "ranges", "reg", "reg-io-width", "reg-offset", "reg-shift", "rx-fifo-depth",
    "size", "spi-max-frequency", "spi-rx-bus-width", "spi-tx-bus-width", "tx-fifo-depth",
];

/// Returns whether a property has numbers that are no phandles.
fn has_numbers(name: &str) -> bool {
    let starts = ["#", "regulator-", "clock-"];
    starts.iter().any(|start| name.starts_with(start)) || NUMBERS.contains(&name)
}

/// Returns what the guest's tree lacks of the nodes that a property refers to, as the rest of a
/// sentence; `None` if it has them all.
fn missing<'a>(carried: &Carried<'a>, targets: &[Option<Node<'a, 'a>>]) -> Option<String> {
    let missing = targets.iter().find(|it| !it.is_some_and(|it| carried.has(it)))?;
    Some(match missing {
        Some(target) => format!("which refers to {}", target.path()),
        None => String::from("whose references are not known"),
    })
}

/// Returns the name of a node without its unit address.
fn base_name<'a>(node: Node<'a, 'a>) -> &'a str {
    let name = node.name();
    name.split_once('@').map_or(name, |(base, _)| base)
}

impl<'a> Builder<'a> {
    /// Writes the nodes of the passed-through devices, and what belongs to them.
    pub(super) fn passthrough(&mut self) {
        let partition = self.partition;
        if partition.passthrough.is_empty() {
            return;
        }
        let carried = Carried::new(self.tree, &partition.passthrough);
        for device in &partition.passthrough {
            if let Some(node) = self.tree.node(&device.path) {
                self.device(&carried, device, node);
                self.finish_top(node);
            }
        }
        for helper in &carried.helpers {
            let base =
                if helper.is_compatible("fixed-clock") { "clock" } else { base_name(*helper) };
            let name = format!("{base}-{:x}", helper.phandle().unwrap_or_default());
            self.copy(&carried, *helper, &name);
            self.finish_top(*helper);
        }
        for user in &carried.users {
            self.copy(&carried, *user, &format!("{}-{:x}", base_name(*user), user.number()));
            self.finish_top(*user);
        }
    }

    /// Writes the node of a device.
    fn device(&mut self, carried: &Carried<'a>, device: &Device, node: Node<'a, 'a>) {
        let base = base_name(node);
        let name = match device.registers.first() {
            Some(first) => at(base, first.start().get()),
            None => String::from(node.name()),
        };
        self.writer.begin_node(&name);
        let has_children = node.children().any(|child| carried.has(child));
        for property in node.properties() {
            let is_size = matches!(property.name, "#address-cells" | "#size-cells");
            if !REPLACED.contains(&property.name) && (has_children || !is_size) {
                self.property(carried, node, &property);
            }
        }
        let mut registers = Vec::new();
        for region in &device.registers {
            registers.extend_from_slice(&reg(region.start().get(), region.size()));
        }
        let mut interrupts = Vec::new();
        for interrupt in &device.interrupts {
            let flags = flags(interrupt.trigger);
            interrupts.extend_from_slice(&self.interrupt(interrupt.intid, flags));
        }
        if interrupts.is_empty() {
            self.interrupts(carried, node);
        }
        for (name, cells) in [("reg", registers), ("interrupts", interrupts)] {
            if !cells.is_empty() {
                self.writer.property_cells(name, &cells);
            }
        }
        if device.reach == Reach::Memory && is_coherent(node) {
            self.writer.property_empty("dma-coherent");
        }
        self.children(carried, node);
        self.writer.end_node();
    }

    /// Writes a copy of a node and of those below it, under a new name.
    fn copy(&mut self, carried: &Carried<'a>, node: Node<'a, 'a>, name: &str) {
        self.writer.begin_node(name);
        for property in node.properties() {
            let of_interrupts = ["interrupts", "interrupts-extended", "interrupt-parent"];
            if !of_interrupts.contains(&property.name) {
                self.property(carried, node, &property);
            }
        }
        self.interrupts(carried, node);
        self.children(carried, node);
        self.writer.end_node();
    }

    /// Writes the children of a node, with a remark about those that are left out.
    fn children(&mut self, carried: &Carried<'a>, node: Node<'a, 'a>) {
        for child in node.children().filter(|child| child.is_available()) {
            if carried.has(child) && !is_mapped(child) {
                self.copy(carried, child, child.name());
            } else if !carried.has(child) {
                let path = child.path();
                let why = "which is a device of its own and is not given to the partition";
                self.remarks
                    .push(format!("{} is passed through without {path}, {why}", node.path()));
            }
        }
    }

    /// Copies a property, unless it refers to a node that the guest's tree lacks.
    fn property(&mut self, carried: &Carried<'a>, node: Node<'a, 'a>, property: &Property<'a>) {
        let Property { name, value } = *property;
        let companion = COMPANIONS.iter().find(|(companion, _)| *companion == name);
        let leader = companion.and_then(|(_, leader)| node.property(leader));
        let of_leader = leader.and_then(|leader| node.targets(&leader)).unwrap_or_default();
        if missing(carried, &of_leader).is_some() {
            return;
        }
        let targets = node.targets(property);
        if let Some(why) = missing(carried, targets.as_deref().unwrap_or_default()) {
            let path = node.path();
            return self
                .remarks
                .push(format!("{path} is passed through without its {name}, {why}"));
        }
        self.writer.property(name, value);
        if targets.is_none() && self.may_refer(carried, property) {
            self.uncertain.push(name);
        }
    }

    /// Adds a remark about the properties of a device and of what is below it that may refer to
    /// nodes which the guest's tree lacks.
    fn finish_top(&mut self, top: Node<'a, 'a>) {
        let mut names = take(&mut self.uncertain);
        names.sort_unstable();
        names.dedup();
        if !names.is_empty() {
            self.remarks.push(format!(
                "{} is passed through with its {}, which may refer to nodes that the guest's tree \
                 lacks",
                top.path(),
                names.join(", ")
            ));
        }
    }

    /// Returns whether a property of an unknown kind has a cell that is the phandle of a node which
    /// the guest's tree lacks.
    fn may_refer(&self, carried: &Carried<'a>, property: &Property<'a>) -> bool {
        let is_text = || {
            let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
            property.strings().is_some_and(|mut it| it.all(|it| !it.is_empty() && is_plain(it)))
        };
        if has_numbers(property.name) || is_text() {
            return false;
        }
        let mut targets =
            property.cells().into_iter().flatten().filter_map(|cell| self.tree.by_phandle(cell));
        targets.any(|target| !carried.has(target))
    }

    /// Writes the interrupts of a node at controllers that the guest's tree has copies of.
    fn interrupts(&mut self, carried: &Carried<'a>, node: Node<'a, 'a>) {
        if let Some(extended) = node.common(Common::InterruptsExtended) {
            return self.property(carried, node, &extended);
        }
        let Some(interrupts) = node.common(Common::Interrupts) else { return };
        let controller = node.interrupt_controller().ok();
        let phandle = controller.filter(|it| carried.has(*it)).and_then(|it| it.phandle());
        if let Some(phandle) = phandle {
            self.writer.property_u32("interrupt-parent", phandle);
            self.writer.property(interrupts.name, interrupts.value);
            return;
        }
        let of = controller.map_or(String::new(), |it| format!(", which are at {}", it.path()));
        self.remarks.push(format!("{} is passed through without its interrupts{of}", node.path()));
    }
}

/// Returns whether the node or one above it has `dma-coherent`.
fn is_coherent(node: Node<'_, '_>) -> bool {
    let mut nodes = iter::successors(Some(node), |node| node.parent());
    nodes.any(|node| node.property("dma-coherent").is_some())
}
