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
    /// A version of the format that this code does not read: it reads what 17 is compatible with.
    Version {
        /// The version of the tree.
        version: u32,
        /// The oldest version that it is compatible with.
        compatible: u32,
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
            Self::Version { version, compatible } => {
                write!(f, "of version {version} (compatible with {compatible}), not of version 17")
            }
            Self::Malformed { what, offset } => {
                write!(f, "malformed: {what}, at byte {offset:#x}")
            }
        }
    }
}

/// Why the addresses or interrupts of a node have no meaning. Displayed as a clause about the node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NodeError {
    /// The property with this name, `reg` or `ranges`, ends within an entry.
    Length(&'static str),
    /// An address or a size has this many cells, as on PCI, where two are the most.
    Cells(u32),
    /// A bus on the way has no `ranges`: its devices are not in the CPUs' address space.
    NotMapped,
    /// No entry of a bus's `ranges` holds the whole region of this address and size there.
    Outside(u64, u64),
    /// The region at this address reaches past the end of 64 bits.
    Wraps(u64),
    /// `interrupts` or `interrupts-extended` ends within a specifier.
    Specifier,
    /// No node has the phandle that names the interrupt parent.
    NoParent(u32),
    /// The interrupt parent has no `#interrupt-cells`, or the way to it does not end.
    NoController,
    /// The first two cells of a specifier, its kind and number, are not an SPI or PPI of the GIC.
    NotAnInterrupt(u32, u32),
}

impl fmt::Display for NodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length(property) => write!(f, "its `{property}` ends within an entry"),
            Self::Cells(cells) => write!(f, "its bus has numbers of {cells} cells"),
            Self::NotMapped => f.write_str("its bus has no `ranges`"),
            Self::Outside(at, size) => write!(f, "no `ranges` hold {size:#x} bytes at {at:#x}"),
            Self::Wraps(address) => write!(f, "its region at {address:#x} wraps around"),
            Self::Specifier => f.write_str("its interrupts end within a specifier"),
            Self::NoParent(phandle) => write!(f, "its interrupt parent {phandle:#x} is not there"),
            Self::NoController => f.write_str("it has no interrupt controller"),
            Self::NotAnInterrupt(kind, number) => {
                write!(f, "the GIC has no interrupt <{kind} {number}>")
            }
        }
    }
}
