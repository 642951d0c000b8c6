//! Writes a tree.

use alloc::vec::Vec;
use core::ops::Range;

use super::header::{HEADER_SIZE, Header, MAGIC, VERSION};
use super::token;

/// The offset of the structure block: it follows the header and the end of the memory reservations.
const STRUCTURE: u32 = HEADER_SIZE as u32 + 16;

/// Writes a flattened tree, with nodes and properties in the order of the calls.
///
/// The writer checks nothing: [`super::Tree::new`] rejects nodes that do not end, properties that
/// follow a child node, and invalid names. The tree must be smaller than 4 GiB.
pub struct Writer {
    structure: Vec<[u8; 4]>,
    strings: Vec<u8>,
    names: Vec<Name>,
    /// For each list of names ([`Name::list`]), one more than the index of its last name, 0 if it
    /// is empty.
    last: [u32; REMAINDERS],
}

/// The number of lists of names, a power of two. A tree has a hundred properties with about forty
/// names.
const REMAINDERS: usize = 64;

/// A string in the strings block.
struct Name {
    /// A value that differs for most names.
    key: u64,
    /// Its offset in the strings block.
    start: usize,
    /// One more than the index of the name before it in the same list, 0 if it is the first.
    before: u32,
}

impl Name {
    /// Returns the length, the first byte and the last byte of a name as one value.
    fn key(name: &[u8]) -> u64 {
        match name {
            [first, .., last] => {
                (name.len() as u64) << 16 | u64::from(*first) << 8 | u64::from(*last)
            }
            _ => name.len() as u64,
        }
    }

    /// Returns the number of the list in which names with this key are.
    fn list(key: u64) -> usize {
        (key ^ key >> 8 ^ key >> 14) as usize % REMAINDERS
    }
}

impl Default for Writer {
    fn default() -> Self {
        Self::new()
    }
}

impl Writer {
    /// Creates a tree without nodes.
    pub fn new() -> Self {
        // Enough for the tree of a guest without passed-through devices.
        Self {
            structure: Vec::with_capacity(1024),
            strings: Vec::with_capacity(512),
            names: Vec::with_capacity(64),
            last: [0; REMAINDERS],
        }
    }

    /// Begins a node. The name of the root, the first node, is empty.
    #[inline(never)]
    pub fn begin_node(&mut self, name: &str) {
        self.structure.push(token::BEGIN_NODE.to_be_bytes());
        self.reserve(name.len() + 1)[..name.len()].copy_from_slice(name.as_bytes());
    }

    /// Ends the node that was begun last.
    pub fn end_node(&mut self) {
        self.structure.push(token::END_NODE.to_be_bytes());
    }

    /// Writes a property of the current node, which must come before its children.
    #[inline(never)]
    pub fn property(&mut self, name: &str, value: &[u8]) {
        self.begin_property(name, value.len());
        self.reserve(value.len()).copy_from_slice(value);
    }

    /// Writes a property of `size` zeros, and returns the place of its value in the finished tree.
    pub fn property_zeros(&mut self, name: &str, size: usize) -> Range<usize> {
        self.begin_property(name, size);
        let start = STRUCTURE as usize + self.structure.as_flattened().len();
        self.reserve(size);
        start..start + size
    }

    /// Writes a property of one cell.
    pub fn property_u32(&mut self, name: &str, value: u32) {
        self.property_cells(name, &[value]);
    }

    /// Writes a property of one number in two cells.
    pub fn property_u64(&mut self, name: &str, value: u64) {
        self.property(name, &value.to_be_bytes());
    }

    /// Writes a property of cells.
    #[inline(never)]
    pub fn property_cells(&mut self, name: &str, cells: &[u32]) {
        self.begin_property(name, cells.len() * 4);
        self.structure.extend(cells.iter().map(|cell| cell.to_be_bytes()));
    }

    /// Writes a property of one string.
    #[inline(never)]
    pub fn property_str(&mut self, name: &str, value: &str) {
        self.property_strings(name, &[value]);
    }

    /// Writes a property of several strings.
    #[inline(never)]
    pub fn property_strings(&mut self, name: &str, values: &[&str]) {
        let size = values.iter().map(|value| value.len() + 1).sum();
        self.begin_property(name, size);
        let mut room = self.reserve(size);
        for value in values {
            let (string, rest) = room.split_at_mut(value.len() + 1);
            string[..value.len()].copy_from_slice(value.as_bytes());
            room = rest;
        }
    }

    /// Writes a property without a value.
    pub fn property_empty(&mut self, name: &str) {
        self.property(name, &[]);
    }

    /// Returns the bytes of the tree.
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

    /// Writes the token, the size and the name of a property.
    #[inline(never)]
    fn begin_property(&mut self, name: &str, size: usize) {
        let name = self.name(name.as_bytes());
        let (size, name) = ((size as u32).to_be_bytes(), (name as u32).to_be_bytes());
        self.structure.extend_from_slice(&[token::PROPERTY.to_be_bytes(), size, name]);
    }

    /// Returns the offset of `name` in the strings block, to which it is added if it is new.
    fn name(&mut self, name: &[u8]) -> usize {
        let key = Name::key(name);
        let mut next = self.last[Name::list(key)];
        while let Some(known) = self.names.get((next as usize).wrapping_sub(1)) {
            if known.key == key && self.strings[known.start..].starts_with(name) {
                return known.start;
            }
            next = known.before;
        }
        self.new_name(name, key)
    }

    /// Adds a name to the strings block, and returns its offset.
    #[inline(never)]
    fn new_name(&mut self, name: &[u8], key: u64) -> usize {
        let start = self.strings.len();
        let last = &mut self.last[Name::list(key)];
        self.names.push(Name { key, start, before: *last });
        *last = self.names.len() as u32;
        self.strings.extend_from_slice(name);
        self.strings.push(0);
        start
    }

    /// Adds this many zeros, and the padding to whole words, and returns them without the padding.
    #[inline(never)]
    fn reserve(&mut self, size: usize) -> &mut [u8] {
        let start = self.structure.len();
        self.structure.resize(start + size.div_ceil(4), [0; 4]);
        &mut self.structure[start..].as_flattened_mut()[..size]
    }
}
