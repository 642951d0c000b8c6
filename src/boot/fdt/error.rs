//! Errors in the bytes of a tree, and in one of its nodes.

use core::fmt;

/// Why bytes are not a device tree. Displayed as a fragment that ends a sentence.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TreeError {
    /// The first word is not the magic number.
    NotATree {
        /// The first word.
        magic: u32,
    },
    /// There are fewer bytes than a header has, or than the header's total size.
    Truncated {
        /// The number of bytes that are needed.
        needed: usize,
        /// The number of bytes given.
        given: usize,
    },
    /// The tree violates the specification.
    Malformed {
        /// The violation, as a clause.
        what: &'static str,
        /// Its offset in bytes from the start of the tree.
        offset: usize,
    },
}

impl fmt::Display for TreeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NotATree { magic } => {
                write!(f, "not a device tree: it starts with {magic:#010x}, not with 0xd00dfeed")
            }
            Self::Truncated { needed, given } => {
                write!(f, "truncated: {needed} bytes are needed, {given} are there")
            }
            Self::Malformed { what, offset } => {
                write!(f, "malformed: {what}, at byte {offset:#x}")
            }
        }
    }
}

/// Why a node is invalid. Displayed as a clause about the node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NodeError {
    /// Its bus is not in the CPUs' address space (no `ranges`), or has addresses of more than two
    /// cells, as PCI does. Only the bus device can access its registers.
    NotMapped,
    /// The property with this name is missing, or has a value that the binding does not allow.
    Property(&'static str),
    /// Anything else, as a clause about the node.
    Fault(&'static str),
}

impl fmt::Display for NodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotMapped => f.write_str("its bus is not in the CPUs' address space"),
            Self::Property(name) => write!(f, "`{name}` is missing or invalid"),
            Self::Fault(clause) => f.write_str(clause),
        }
    }
}
