//! Writing a tree.

use alloc::vec::Vec;

use super::header::{HEADER_SIZE, Header, MAGIC, VERSION};
use super::token;

/// Where the structure block starts: behind the header and the entry that ends the reservations.
const STRUCTURE: usize = HEADER_SIZE + 16;

/// A flattened tree in the making. Nodes and properties appear in the order of the calls.
///
/// The writer does not judge: [`super::Tree::new`] finds nodes that were not ended, properties
/// behind nodes and names that cannot be.
#[derive(Default)]
pub struct Writer {
    structure: Vec<u8>,
    strings: Vec<u8>,
    /// Where each string lies in `strings`: start and length without its NUL.
    names: Vec<(usize, usize)>,
}

impl Writer {
    /// A tree without a node.
    pub fn new() -> Self {
        Self::default()
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
        let [structure, strings] = [STRUCTURE, STRUCTURE + self.structure.len()].map(word);
        let [structure_size, strings_size] = [self.structure.len(), self.strings.len()].map(word);
        let total = word(STRUCTURE + self.structure.len() + self.strings.len());
        #[rustfmt::skip]
        let header: Header = [
            MAGIC, total, structure, strings, HEADER_SIZE as u32,
            VERSION, VERSION - 1, 0, strings_size, structure_size,
        ];
        let header = header.map(u32::to_be_bytes);
        [header.as_flattened(), &[0; 16], &self.structure, &self.strings].concat()
    }

    #[inline(never)]
    fn begin_property(&mut self, name: &str, length: usize) {
        let name = self.name(name);
        self.cell(token::PROPERTY);
        self.cell(word(length));
        self.cell(word(name));
    }

    /// Where the strings block has `name`, which is put there if it is new.
    fn name(&mut self, name: &str) -> usize {
        let mut names = self.names.iter();
        let known =
            names.find(|(start, length)| self.strings[*start..][..*length] == *name.as_bytes());
        if let Some((start, _)) = known {
            return *start;
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
        self.structure.extend_from_slice(bytes);
    }

    fn pad(&mut self) {
        self.structure.resize(self.structure.len().next_multiple_of(4), 0);
    }
}

/// A length or offset as a word. What does not fit cannot be a tree, and the check will say so.
fn word(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
