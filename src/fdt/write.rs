//! Writing a tree.

use alloc::vec;
use alloc::vec::Vec;

use super::header::{HEADER_SIZE, Header, MAGIC, VERSION};
use super::token;

/// Where the structure block starts: behind the header and the entry that ends the reservations.
const STRUCTURE: usize = HEADER_SIZE + 16;

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
        Self { bytes: vec![0; STRUCTURE], strings: Vec::new(), names: Vec::new() }
    }

    /// Begins a node. The name of the first one, the root, is empty.
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
    #[inline(never)]
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
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        self.cell(token::END);
        let strings = self.bytes.len();
        self.bytes.append(&mut self.strings);
        let total = self.bytes.len();
        // What does not fit in a word cannot be a tree, and the check will say so.
        let word = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        let [structure, reservations] = [STRUCTURE, HEADER_SIZE].map(word);
        let [structure_size, strings_size] = [strings - STRUCTURE, total - strings].map(word);
        #[rustfmt::skip]
        let header: Header = [
            MAGIC, word(total), structure, word(strings), reservations,
            VERSION, VERSION - 1, 0, strings_size, structure_size,
        ];
        self.bytes[..HEADER_SIZE].copy_from_slice(header.map(u32::to_be_bytes).as_flattened());
        self.bytes
    }

    #[inline(never)]
    fn begin_property(&mut self, name: &str, length: usize) {
        let name = self.name(name);
        self.cell(token::PROPERTY);
        self.cell(u32::try_from(length).unwrap_or(u32::MAX));
        self.cell(name as u32);
    }

    /// Where the strings block has `name`, which is put there if it is new.
    fn name(&mut self, name: &str) -> usize {
        for (start, length) in &self.names {
            if self.strings[*start..*start + *length] == *name.as_bytes() {
                return *start;
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
        self.append(&[0]);
    }

    #[inline(never)]
    fn append(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}
