//! Why a node that a description names is no device that can be passed through.

use alloc::string::{String, ToString};
use core::iter;

use super::{Device, Machine, functions};
use crate::boot::fdt::{Node, Tree};

/// A node that is no device that can be passed through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotADevice {
    /// The path or alias that the description has.
    pub name: String,
    /// Why: the rest of a sentence that begins with the name.
    pub why: String,
}

impl Machine {
    /// Finds out why those of `names` that are not among the [`devices`](Self::devices) are not,
    /// if the tree has nodes of these names.
    pub fn explain_devices<'n>(&mut self, tree: &Tree<'_>, names: impl Iterator<Item = &'n str>) {
        for name in names {
            let Some(node) = tree.node(name) else {
                let is_known = |device: &Device| device.is_called(name);
                if functions::is_function(tree, name)
                    && !self.devices.iter().any(is_known)
                    && self.host_bridges.is_empty()
                {
                    let why = "is a PCIe function, which only booting finds".to_string();
                    self.not_devices.push(NotADevice { name: name.to_string(), why });
                }
                continue;
            };
            let path = node.path();
            if !self.devices.iter().any(|device| device.path == path) && path != self.gic_path {
                self.not_devices.push(NotADevice { name: name.to_string(), why: why(node) });
            }
        }
    }
}

/// Returns why a node is no device.
fn why(node: Node<'_, '_>) -> String {
    let mut with_parents = iter::successors(Some(node), |node| node.parent());
    if let Some(off) = with_parents.find(|node| !node.is_available()) {
        let is = "is disabled in the machine's tree";
        return match off == node {
            true => [is, " (`status`)"].concat(),
            false => [is, " (`status` of ", &off.path(), ")"].concat(),
        };
    }
    let registers = node.regions().map(|all| all.is_empty());
    match (registers, node.interrupts().map(|all| all.is_empty())) {
        (Err(error), _) | (_, Err(error)) => {
            ["cannot be passed through: ", &error.to_string()].concat()
        }
        (Ok(true), Ok(true)) => "has neither registers nor interrupts".to_string(),
        _ => "is no device that can be passed through".to_string(),
    }
}
