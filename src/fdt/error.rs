//! What can be wrong with the bytes of a tree.

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
            Self::NotATree { magic } => write!(
                f,
                "not a device tree: it starts with {magic:#010x}, not with {:#010x}",
                super::MAGIC
            ),
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
