//! What can be wrong with the bytes of a tree, and with one of its nodes.

use core::fmt;

/// Why bytes are not a device tree. Displayed as a fragment that ends a sentence.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TreeError {
    /// The first word is not the magic number.
    NotATree {
        /// The word that is there instead.
        magic: u32,
    },
    /// There are fewer bytes than the header, or than the header says.
    Truncated {
        /// How many bytes there should be.
        needed: usize,
        /// How many there are.
        given: usize,
    },
    /// Something in the tree is not as the specification says.
    Malformed {
        /// What is wrong, as a clause.
        what: &'static str,
        /// Where, in bytes from the start of the tree.
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

/// What is wrong with a node. Displayed as a clause about it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NodeError {
    /// Its bus is not in the CPUs' address space (no `ranges`), or has addresses like PCI's, of more
    /// than two cells: its registers are the business of the device that drives the bus.
    NotMapped,
    /// The property with this name is missing or has a value that its binding does not allow.
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
