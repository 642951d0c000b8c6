//! The nodes of the machine's tree that a guest's tree has copies of: those of the passed-through
//! devices, and what belongs to them and steers nothing beyond them.

use alloc::vec;
use alloc::vec::Vec;

use crate::boot::fdt::{Common, Node, Tree};
use crate::boot::machine::{Device, is_user};

/// Nodes without registers that devices refer to, and that only tell what is there: by the name,
/// and the properties with which the node would steer something.
const HELPERS: [(&str, &[&str]); 3] = [
    ("fixed-clock", &[]),
    ("regulator-fixed", &["gpio", "gpios", "enable-gpios"]),
    ("usb-nop-xceiv", &["reset-gpios"]),
];

/// The nodes of the machine's tree that a guest's tree has copies of.
pub(super) struct Carried<'a> {
    /// For each node, by its number, whether it is one of them.
    is_carried: Vec<bool>,
    /// Those that are neither passed-through devices nor below such a node or another helper: what
    /// devices refer to.
    pub helpers: Vec<Node<'a, 'a>>,
    /// Nodes that refer to the lines of a device and to nothing else, such as keys and lights.
    pub users: Vec<Node<'a, 'a>>,
}

impl<'a> Carried<'a> {
    /// Finds the nodes for these devices.
    pub fn new(tree: &'a Tree<'a>, devices: &[Device]) -> Self {
        let is_carried = vec![false; tree.nodes().count()];
        let mut carried = Self { is_carried, helpers: Vec::new(), users: Vec::new() };
        let nodes: Vec<_> = devices.iter().filter_map(|device| tree.node(&device.path)).collect();
        for node in &nodes {
            carried.add(*node);
        }
        for node in &nodes {
            carried.add_helpers(*node);
        }
        // What is found for a helper is behind it in the list.
        let mut next = 0;
        while let Some(helper) = carried.helpers.get(next).copied() {
            carried.add_helpers(helper);
            next += 1;
        }
        let has_lines = |node: &Node<'a, 'a>| {
            ["#gpio-cells", "#pwm-cells"].iter().any(|it| node.property(it).is_some())
        };
        if nodes.iter().flat_map(|node| node.subtree()).any(|node| has_lines(&node)) {
            carried.add_users(tree);
        }
        carried
    }

    /// Returns whether the guest's tree has a copy of this node.
    pub fn has(&self, node: Node<'a, 'a>) -> bool {
        self.is_carried[node.number()]
    }

    /// Adds a node with everything below it, apart from nodes that are not available, or whose
    /// registers are devices of their own.
    fn add(&mut self, top: Node<'a, 'a>) {
        for node in top.subtree() {
            let is_below = |parent| self.has(parent) && node.is_available() && !is_mapped(node);
            if node == top || node.parent().is_some_and(is_below) {
                self.is_carried[node.number()] = true;
            }
        }
    }

    /// Adds the helpers that a node and those below it refer to.
    fn add_helpers(&mut self, top: Node<'a, 'a>) {
        for node in top.subtree() {
            if !self.has(node) {
                continue;
            }
            for property in node.properties() {
                let targets = node.targets(&property).unwrap_or_default();
                for target in targets.into_iter().flatten() {
                    if !self.has(target) && is_helper(target) {
                        self.is_carried[target.number()] = true;
                        self.helpers.push(target);
                    }
                }
            }
        }
    }

    /// Adds the nodes that make the lines of devices known, if they refer to nothing else.
    fn add_users(&mut self, tree: &'a Tree<'a>) {
        tree.walk(&mut |node| {
            if !node.is_available() {
                return false;
            }
            if is_user(node) && !self.has(node) && self.has_all_targets(node) {
                self.add(node);
                self.users.push(node);
            }
            true
        });
    }

    /// Returns whether the guest's tree has everything that a node and those below it refer to, and
    /// that is at least one node.
    fn has_all_targets(&self, top: Node<'a, 'a>) -> bool {
        let mut targets = Vec::new();
        for node in top.subtree() {
            for property in node.properties() {
                targets.extend(node.targets(&property).unwrap_or_default());
            }
        }
        !targets.is_empty() && targets.into_iter().all(|it| it.is_some_and(|it| self.has(it)))
    }
}

/// Returns whether a node has registers that a CPU reaches through its parent.
pub(super) fn is_mapped(node: Node<'_, '_>) -> bool {
    let is_bus = |parent: Node<'_, '_>| parent.property("ranges").is_some();
    node.common(Common::Reg).is_some() && node.parent().is_some_and(is_bus)
}

/// Returns whether a node is one of [`HELPERS`].
fn is_helper(node: Node<'_, '_>) -> bool {
    let is_one = |(name, steering): &(&str, &[&str])| {
        node.is_compatible(name) && !steering.iter().any(|it| node.property(it).is_some())
    };
    node.is_available() && node.common(Common::Reg).is_none() && HELPERS.iter().any(is_one)
}
