//! Writing a tree.

use alloc::vec::Vec;

use super::header::{HEADER_SIZE, Header, MAGIC, VERSION};
use super::token;

/// Where the structure block starts: behind the header and the entry that ends the reservations.
const STRUCTURE: u32 = HEADER_SIZE as u32 + 16;

/// A flattened tree in the making. Nodes and properties appear in the order of the calls.
///
/// The writer does not judge: [`super::Tree::new`] finds nodes that were not ended, properties
/// behind nodes and names that cannot be. Nor does it expect more than 4 GiB.
pub struct Writer {
    structure: Vec<u8>,
    strings: Vec<u8>,
    /// Where each string lies in `strings`, and how long it is without its NUL.
    names: Vec<(usize, usize)>,
}

impl Default for Writer {
    fn default() -> Self {
        Self::new()
    }
}

impl Writer {
    /// A tree without a node.
    pub fn new() -> Self {
        // Room for what a guest's tree has that gets no devices.
        Self {
            structure: Vec::with_capacity(4096),
            strings: Vec::with_capacity(512),
            names: Vec::with_capacity(64),
        }
    }

    /// Begins a node. The name of the first one, the root, is empty.
    #[inline(never)]
    pub fn begin_node(&mut self, name: &str) {
        self.cell(token::BEGIN_NODE);
        self.string(name);
        self.pad();
    }

    /// Ends the node that was begun last.
    pub fn end_node(&mut self) {
        self.cell(token::END_NODE);
    }

    /// A property of the node at hand, before its children.
    #[inline(never)]
    pub fn property(&mut self, name: &str, value: &[u8]) {
        self.begin_property(name, value.len());
        self.append(value);
        self.pad();
    }

    /// A property of one cell.
    #[inline(never)]
    pub fn property_u32(&mut self, name: &str, value: u32) {
        self.property(name, &value.to_be_bytes());
    }

    /// A property of one number in two cells.
    pub fn property_u64(&mut self, name: &str, value: u64) {
        self.property(name, &value.to_be_bytes());
    }

    /// A property of cells.
    #[inline(never)]
    pub fn property_cells(&mut self, name: &str, cells: &[u32]) {
        self.begin_property(name, cells.len() * 4);
        for cell in cells {
            self.cell(*cell);
        }
    }

    /// A property of one string.
    #[inline(never)]
    pub fn property_str(&mut self, name: &str, value: &str) {
        self.property_strings(name, &[value]);
    }

    /// A property of several strings.
    #[inline(never)]
    pub fn property_strings(&mut self, name: &str, values: &[&str]) {
        self.begin_property(name, values.iter().map(|value| value.len() + 1).sum());
        for value in values {
            self.string(value);
        }
        self.pad();
    }

    /// A property that says what it says by being there.
    pub fn property_empty(&mut self, name: &str) {
        self.property(name, &[]);
    }

    /// The bytes of the tree.
    pub fn finish(mut self) -> Vec<u8> {
        self.cell(token::END);
        let (size, strings_size) = (self.structure.len() as u32, self.strings.len() as u32);
        let strings = STRUCTURE + size;
        #[rustfmt::skip]
        let header: Header = [
            MAGIC, strings + strings_size, STRUCTURE, strings, HEADER_SIZE as u32,
            VERSION, VERSION - 1, 0, strings_size, size,
        ];
        let header = header.map(u32::to_be_bytes);
        [header.as_flattened(), &[0; 16], &self.structure, &self.strings].concat()
    }

    #[inline(never)]
    fn begin_property(&mut self, name: &str, size: usize) {
        let name = self.name(name);
        let cells = [token::PROPERTY, size as u32, name as u32].map(u32::to_be_bytes);
        self.append(cells.as_flattened());
    }

    /// Where the strings block has `name`, which is put there if it is new.
    fn name(&mut self, name: &str) -> usize {
        for &(start, len) in &self.names {
            if len == name.len() && self.strings[start..start + len] == *name.as_bytes() {
                return start;
            }
        }
        let start = self.strings.len();
        self.names.push((start, name.len()));
        self.strings.extend_from_slice(name.as_bytes());
        self.strings.push(0);
        start
    }

    #[inline(never)]
    fn cell(&mut self, cell: u32) {
        self.append(&cell.to_be_bytes());
    }

    /// A string with its NUL.
    fn string(&mut self, string: &str) {
        self.append(string.as_bytes());
        self.structure.push(0);
    }

    #[inline(never)]
    fn append(&mut self, bytes: &[u8]) {
        self.structure.extend_from_slice(bytes);
    }

    fn pad(&mut self) {
        while !self.structure.len().is_multiple_of(4) {
            self.structure.push(0);
        }
    }
}
