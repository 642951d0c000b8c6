//! The nodes and properties of a flattened tree (Devicetree Specification, chapter 5), found in its
//! bytes so that they can be damaged.

use std::ops::Range;

// Tokens of the structure block.
pub const BEGIN_NODE: u32 = 1;
pub const END_NODE: u32 = 2;
pub const PROPERTY: u32 = 3;
pub const NOP: u32 = 4;
pub const END: u32 = 9;

// Offsets of the words of the header.
pub const TOTAL_SIZE: usize = 4;
pub const STRUCTURE: usize = 8;
pub const STRINGS: usize = 12;
pub const RESERVATIONS: usize = 16;
pub const STRINGS_SIZE: usize = 32;
pub const STRUCTURE_SIZE: usize = 36;

/// Returns the word at an offset, or 0 past the end.
pub fn word(bytes: &[u8], at: usize) -> u32 {
    let word = bytes.get(at..).and_then(|rest| rest.first_chunk());
    word.map_or(0, |word| u32::from_be_bytes(*word))
}

/// Writes the word at an offset, unless that is past the end.
pub fn set_word(bytes: &mut [u8], at: usize, value: u32) {
    if let Some(word) = bytes.get_mut(at..).and_then(|rest| rest.first_chunk_mut()) {
        *word = value.to_be_bytes();
    }
}

/// The place of a property.
#[derive(Clone)]
pub struct Property {
    /// The offset of its token.
    pub token: usize,
    /// The offsets of its value.
    pub value: Range<usize>,
}

impl Property {
    /// Returns the offsets of the property, from its token to the end of the padded value.
    pub fn range(&self) -> Range<usize> {
        self.token..self.value.end.next_multiple_of(4)
    }
}

/// The place of a node.
#[derive(Clone)]
pub struct Node {
    /// The offsets of the node, its end token included.
    pub range: Range<usize>,
    /// The offset at which its name has ended.
    pub body: usize,
}

/// The nodes and properties of a tree, up to the first word that is not valid.
#[derive(Default)]
pub struct Layout {
    /// The nodes that have an end, in the order of their first tokens.
    pub nodes: Vec<Node>,
    /// The properties, in their order.
    pub properties: Vec<Property>,
}

impl Layout {
    /// Reads the layout of a tree.
    pub fn of(bytes: &[u8]) -> Self {
        let mut layout = Self::default();
        let mut open: Vec<usize> = Vec::new();
        let mut at = word(bytes, STRUCTURE) as usize;
        while at + 4 <= bytes.len() {
            let token = at;
            at += 4;
            match word(bytes, token) {
                BEGIN_NODE => {
                    let name = bytes[at..].iter().position(|byte| *byte == 0);
                    at += (name.unwrap_or(bytes.len() - at) + 1).next_multiple_of(4);
                    open.push(layout.nodes.len());
                    layout.nodes.push(Node { range: token..token, body: at });
                }
                END_NODE => {
                    let Some(node) = open.pop() else { break };
                    layout.nodes[node].range.end = at;
                }
                PROPERTY => {
                    let value = token + 12..token + 12 + word(bytes, at) as usize;
                    if value.end > bytes.len() {
                        break;
                    }
                    at = value.end.next_multiple_of(4);
                    layout.properties.push(Property { token, value });
                }
                NOP => {}
                _ => break,
            }
        }
        layout.nodes.retain(|node| !node.range.is_empty());
        layout
    }
}

/// Replaces words of the structure block and updates the header. The ends of `range` and the number
/// of bytes must be multiples of 4.
pub fn replace(bytes: &mut Vec<u8>, range: Range<usize>, with: &[u8]) {
    let change = (with.len() as u32).wrapping_sub(range.len() as u32);
    bytes.splice(range, with.iter().copied());
    for at in [TOTAL_SIZE, STRINGS, STRUCTURE_SIZE] {
        let value = word(bytes, at).wrapping_add(change);
        set_word(bytes, at, value);
    }
}

/// Copies a tree without gaps: header, reservations, structure, strings.
pub fn pack(bytes: &[u8]) -> Vec<u8> {
    let block = |start: usize, size: usize| {
        let start = word(bytes, start) as usize;
        &bytes[start..start + size]
    };
    let structure = block(STRUCTURE, word(bytes, STRUCTURE_SIZE) as usize);
    let strings = block(STRINGS, word(bytes, STRINGS_SIZE) as usize);
    let reserved = &bytes[word(bytes, RESERVATIONS) as usize..];
    let count = reserved.chunks_exact(16).take_while(|entry| **entry != [0; 16]).count();
    let reserved = &reserved[..(count + 1) * 16];
    let mut packed = [&bytes[..40], reserved, structure, strings].concat();
    let at = [(RESERVATIONS, 0), (STRUCTURE, reserved.len())];
    let behind = [(STRINGS, structure.len()), (TOTAL_SIZE, structure.len() + strings.len())];
    let behind = behind.map(|(word, size)| (word, reserved.len() + size));
    for (word, size) in at.into_iter().chain(behind) {
        set_word(&mut packed, word, (40 + size) as u32);
    }
    packed
}
