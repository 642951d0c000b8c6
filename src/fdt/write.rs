//! Writing a tree.

use alloc::vec;
use alloc::vec::Vec;

use super::{HEADER_SIZE, MAGIC, VERSION, header, token};

/// The size of the memory reservations: only the entry that ends them.
const RESERVATIONS_SIZE: usize = 16;

/// A flattened tree in the making. Nodes and properties appear in the order of the calls.
///
/// The writer does not judge: [`super::Tree::new`] finds nodes that were not ended, properties
/// behind nodes and names that cannot be.
pub struct Writer {
    /// Header, memory reservations and the structure block so far.
    bytes: Vec<u8>,
    strings: Vec<u8>,
    /// Where each string lies in `strings`: start and length without its NUL.
    names: Vec<(usize, usize)>,
}

impl Default for Writer {
    fn default() -> Self {
        Self::new()
    }
}

impl Writer {
    /// A tree without a node.
    #[must_use]
    pub fn new() -> Self {
        Self {
            bytes: vec![0; HEADER_SIZE + RESERVATIONS_SIZE],
            strings: Vec::new(),
            names: Vec::new(),
        }
    }

    /// Begins a node. The name of the first one, the root, is empty.
    pub fn begin_node(&mut self, name: &str) {
        self.cell(token::BEGIN_NODE);
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.pad();
    }

    /// Ends the node that was begun last.
    pub fn end_node(&mut self) {
        self.cell(token::END_NODE);
    }

    /// A property of the node at hand, before its children.
    pub fn property(&mut self, name: &str, value: &[u8]) {
        self.begin_property(name, value.len());
        self.bytes.extend_from_slice(value);
        self.pad();
    }

    /// A property of one cell.
    pub fn property_u32(&mut self, name: &str, value: u32) {
        self.property(name, &value.to_be_bytes());
    }

    /// A property of one number in two cells.
    pub fn property_u64(&mut self, name: &str, value: u64) {
        self.property(name, &value.to_be_bytes());
    }

    /// A property of cells.
    pub fn property_cells(&mut self, name: &str, cells: &[u32]) {
        self.begin_property(name, cells.len() * 4);
        for cell in cells {
            self.cell(*cell);
        }
    }

    /// A property of one string.
    pub fn property_str(&mut self, name: &str, value: &str) {
        self.property_strings(name, &[value]);
    }

    /// A property of several strings.
    pub fn property_strings(&mut self, name: &str, values: &[&str]) {
        self.begin_property(name, values.iter().map(|value| value.len() + 1).sum());
        for value in values {
            self.bytes.extend_from_slice(value.as_bytes());
            self.bytes.push(0);
        }
        self.pad();
    }

    /// A property that says what it says by being there.
    pub fn property_empty(&mut self, name: &str) {
        self.begin_property(name, 0);
    }

    /// The bytes of the tree.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        const STRUCTURE: usize = HEADER_SIZE + RESERVATIONS_SIZE;
        self.cell(token::END);
        let strings = self.bytes.len();
        self.bytes.extend_from_slice(&self.strings);
        for (field, value) in [
            (header::MAGIC, MAGIC),
            (header::TOTAL_SIZE, cell(self.bytes.len())),
            (header::STRUCTURE, cell(STRUCTURE)),
            (header::STRINGS, cell(strings)),
            (header::RESERVATIONS, cell(HEADER_SIZE)),
            (header::VERSION, VERSION),
            (header::COMPATIBLE_VERSION, VERSION - 1),
            (header::STRINGS_SIZE, cell(self.strings.len())),
            (header::STRUCTURE_SIZE, cell(strings - STRUCTURE)),
        ] {
            self.bytes[field..field + 4].copy_from_slice(&value.to_be_bytes());
        }
        self.bytes
    }

    fn begin_property(&mut self, name: &str, length: usize) {
        let name = self.name(name);
        self.cell(token::PROPERTY);
        self.cell(cell(length));
        self.cell(cell(name));
    }

    /// Where the strings block has `name`, which is put there if it is new.
    fn name(&mut self, name: &str) -> usize {
        let known = self.names.iter().find(|(start, length)| {
            *length == name.len() && self.strings[*start..*start + *length] == *name.as_bytes()
        });
        if let Some((start, _)) = known {
            return *start;
        }
        let start = self.strings.len();
        self.names.push((start, name.len()));
        self.strings.extend_from_slice(name.as_bytes());
        self.strings.push(0);
        start
    }

    fn cell(&mut self, cell: u32) {
        self.bytes.extend_from_slice(&cell.to_be_bytes());
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

/// A length or offset as a cell. What does not fit cannot be a tree, and the check will say so.
fn cell(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
