//! Errors in the machine's tree.

use alloc::string::String;
use core::fmt;

use crate::boot::fdt::{Node, NodeError};

/// Why the machine's tree does not describe a machine that Bulkhead can run on. Displayed as a
/// sentence without a full stop.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MachineError {
    /// The tree has no node of a kind that Bulkhead needs.
    Missing(&'static str),
    /// A node that Bulkhead needs is invalid.
    Node {
        /// Its path.
        path: String,
        /// What is wrong.
        error: NodeError,
    },
}

impl MachineError {
    /// Returns a function that turns an error of `node` into a `MachineError`.
    pub(super) fn at(node: Node<'_, '_>) -> impl FnOnce(NodeError) -> Self {
        move |error| Self::Node { path: node.path(), error }
    }
}

impl fmt::Display for MachineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(what) => write!(f, "the machine's tree has no {what}"),
            Self::Node { path, error } => write!(f, "{path} of the machine's tree: {error}"),
        }
    }
}
