//! What keeps Bulkhead from knowing its machine.

use alloc::string::String;
use core::fmt;

use crate::addr::{Pa, Region};
use crate::fdt::{Node, NodeError};

/// Why the machine's tree does not describe a machine that Bulkhead can run on. Displayed as a
/// sentence without its full stop.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MachineError {
    /// The tree has no node of a kind that Bulkhead needs.
    Missing(&'static str),
    /// A node that Bulkhead needs is wrong.
    Node {
        /// Its path.
        path: String,
        /// What is wrong.
        fault: Fault,
    },
}

/// What is wrong with a node. Displayed as a clause about it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Its registers, memory or interrupts have no meaning.
    Node(NodeError),
    /// A property is missing or has a value that its binding does not allow.
    Property(&'static str),
    /// A memory bank has bytes of another.
    Overlap(Region<Pa>),
    /// A region of registers, counted from 0, is smaller than the hardware's.
    TooSmall(usize),
    /// An interrupt that must be a PPI is missing or another kind.
    NoPpi(&'static str),
    /// A GICv2 without GICH and GICV: the virtualization extensions are off or were never there.
    NoVirtualInterface,
}

impl Fault {
    /// The error that `node` has this fault.
    #[cold]
    #[inline(never)]
    pub(super) fn of(self, node: Node<'_, '_>) -> MachineError {
        MachineError::Node { path: node.path(), fault: self }
    }
}

impl From<NodeError> for Fault {
    fn from(error: NodeError) -> Self {
        Self::Node(error)
    }
}

impl fmt::Display for MachineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(what) => write!(f, "the machine's tree has no {what}"),
            Self::Node { path, fault } => write!(f, "{path} of the machine's tree: {fault}"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(error) => error.fmt(f),
            Self::Property(name) => write!(f, "`{name}` is missing or not as its binding says"),
            Self::Overlap(bank) => write!(f, "its memory {bank} is there twice"),
            Self::TooSmall(index) => write!(f, "its region {index} is missing or too small"),
            Self::NoPpi(which) => write!(f, "its {which} interrupt is not a PPI"),
            Self::NoVirtualInterface => f.write_str("it has no virtual interface"),
        }
    }
}
