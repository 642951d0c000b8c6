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
    structure: Vec<[u8; 4]>,
    strings: Vec<u8>,
    names: Vec<Name>,
}

/// A string in the strings block.
struct Name {
    /// What tells most names apart.
    key: u64,
    /// Where it starts.
    start: usize,
}

impl Name {
    /// The length, the first byte and the last one.
    fn key(name: &[u8]) -> u64 {
        match name {
            [first, .., last] => {
                (name.len() as u64) << 16 | u64::from(*first) << 8 | u64::from(*last)
            }
            _ => name.len() as u64,
        }
    }
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
            structure: Vec::with_capacity(1024),
            strings: Vec::with_capacity(512),
            names: Vec::with_capacity(64),
        }
    }

    /// Begins a node. The name of the first one, the root, is empty.
    #[inline(never)]
    pub fn begin_node(&mut self, name: &str) {
        self.structure.push(token::BEGIN_NODE.to_be_bytes());
        self.room(name.len() + 1)[..name.len()].copy_from_slice(name.as_bytes());
    }

    /// Ends the node that was begun last.
    pub fn end_node(&mut self) {
        self.structure.push(token::END_NODE.to_be_bytes());
    }

    /// A property of the node at hand, before its children.
    #[inline(never)]
    pub fn property(&mut self, name: &str, value: &[u8]) {
        self.begin_property(name, value.len());
        self.room(value.len()).copy_from_slice(value);
    }

    /// A property of one cell.
    pub fn property_u32(&mut self, name: &str, value: u32) {
        self.property_cells(name, &[value]);
    }

    /// A property of one number in two cells.
    pub fn property_u64(&mut self, name: &str, value: u64) {
        self.property(name, &value.to_be_bytes());
    }

    /// A property of cells.
    #[inline(never)]
    pub fn property_cells(&mut self, name: &str, cells: &[u32]) {
        self.begin_property(name, cells.len() * 4);
        self.structure.extend(cells.iter().map(|cell| cell.to_be_bytes()));
    }

    /// A property of one string.
    #[inline(never)]
    pub fn property_str(&mut self, name: &str, value: &str) {
        self.property_strings(name, &[value]);
    }

    /// A property of several strings.
    #[inline(never)]
    pub fn property_strings(&mut self, name: &str, values: &[&str]) {
        let size = values.iter().map(|value| value.len() + 1).sum();
        self.begin_property(name, size);
        let mut room = self.room(size);
        for value in values {
            let (string, rest) = room.split_at_mut(value.len() + 1);
            string[..value.len()].copy_from_slice(value.as_bytes());
            room = rest;
        }
    }

    /// A property that says what it says by being there.
    pub fn property_empty(&mut self, name: &str) {
        self.property(name, &[]);
    }

    /// The bytes of the tree.
    pub fn finish(mut self) -> Vec<u8> {
        self.structure.push(token::END.to_be_bytes());
        let structure = self.structure.as_flattened();
        let (size, strings_size) = (structure.len() as u32, self.strings.len() as u32);
        let strings = STRUCTURE + size;
        #[rustfmt::skip]
        let header: Header = [
            MAGIC, strings + strings_size, STRUCTURE, strings, HEADER_SIZE as u32,
            VERSION, VERSION - 1, 0, strings_size, size,
        ];
        let header = header.map(u32::to_be_bytes);
        [header.as_flattened(), &[0; 16], structure, &self.strings].concat()
    }

    #[inline(never)]
    fn begin_property(&mut self, name: &str, size: usize) {
        let name = self.name(name.as_bytes());
        let (size, name) = ((size as u32).to_be_bytes(), (name as u32).to_be_bytes());
        self.structure.extend_from_slice(&[token::PROPERTY.to_be_bytes(), size, name]);
    }

    /// Where the strings block has `name`, which is put there if it is new.
    fn name(&mut self, name: &[u8]) -> usize {
        let key = Name::key(name);
        for known in self.names.iter().filter(|known| known.key == key) {
            if self.strings[known.start..].starts_with(name) {
                return known.start;
            }
        }
        let start = self.strings.len();
        self.names.push(Name { key, start });
        self.strings.extend_from_slice(name);
        self.strings.push(0);
        start
    }

    /// Room for so many bytes: zeros, and so is what pads them to whole words.
    #[inline(never)]
    fn room(&mut self, size: usize) -> &mut [u8] {
        let start = self.structure.len();
        self.structure.resize(start + size.div_ceil(4), [0; 4]);
        &mut self.structure[start..].as_flattened_mut()[..size]
    }
}
