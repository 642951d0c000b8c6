//! Damage to flattened trees: to their bytes, and to their nodes and properties.

use super::layout::{
    BEGIN_NODE, END, END_NODE, Layout, NOP, Node, PROPERTY, Property, STRUCTURE, TOTAL_SIZE,
    replace, set_word, word,
};
use super::random::Random;

/// Values at the limits of ranges, alignments and types.
const WILD: [u32; 20] = [
    0,
    1,
    2,
    3,
    4,
    7,
    8,
    31,
    32,
    33,
    0xff,
    0x100,
    0xfff,
    0x1000,
    0x1001,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_f000,
    0xffff_fffc,
    0xffff_ffff,
];
const TOKENS: [u32; 8] = [BEGIN_NODE, END_NODE, PROPERTY, NOP, END, 0, 5, 0x100_0000];
/// Depths, and numbers of copies.
const COUNTS: [usize; 8] = [1, 2, 5, 30, 33, 64, 300, 3000];
/// The size of the largest tree that is enlarged, in bytes.
const LARGEST: usize = 1 << 20;

/// Returns a damaged copy of `original`, with parts of `other` in it.
pub fn mutate(original: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = original.to_vec();
    let changes = random.below(4);
    for _ in 0..changes {
        change_structure(&mut bytes, other, random);
    }
    let damages = if changes == 0 { 1 + random.below(3) } else { usize::from(random.one_in(8)) };
    for _ in 0..damages {
        damage(&mut bytes, other, random);
    }
    bytes
}

fn wild(random: &mut Random) -> u32 {
    match random.below(3) {
        0 => random.next_u64() as u32,
        1 => random.pick(&WILD),
        _ => 1 << random.below(32),
    }
}

/// Damages bytes, whatever they mean.
fn damage(bytes: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    if bytes.len() < 8 {
        return;
    }
    let at = random.below(bytes.len());
    // Most of the structure is near its start; the images that follow are long.
    let structure = word(bytes, STRUCTURE) as usize;
    let near = (structure + random.below(4096)).min(bytes.len() - 1);
    match random.below(8) {
        0 => {
            for _ in 0..=random.below(8) {
                let at = if random.one_in(2) { near } else { random.below(bytes.len()) };
                bytes[at] ^= 1 << random.below(8);
            }
        }
        1 => bytes.truncate(at),
        2 => {
            bytes.truncate(at);
            set_word(bytes, TOTAL_SIZE, at as u32);
        }
        3 => set_word(bytes, 4 * random.below(10), wild(random)),
        4 => set_word(bytes, near & !3, wild(random)),
        5 => set_word(bytes, near & !3, random.pick(&TOKENS)),
        6 => {
            let from = random.below(other.len());
            let size = random.below(256).min(other.len() - from).min(bytes.len() - near);
            bytes[near..near + size].copy_from_slice(&other[from..from + size]);
        }
        _ => {
            let count = random.pick(&COUNTS);
            let token = random.pick(&TOKENS).to_be_bytes();
            replace(bytes, near & !3..near & !3, &token.repeat(count));
        }
    }
}

/// Changes nodes and properties. Most of the time the tree stays valid.
fn change_structure(bytes: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    let layout = Layout::of(bytes);
    if layout.nodes.len() < 2 || layout.properties.is_empty() || bytes.len() > LARGEST {
        return;
    }
    let node = layout.nodes[1 + random.below(layout.nodes.len() - 1)].clone();
    let property = layout.properties[random.below(layout.properties.len())].clone();
    let size = property.token + 4;
    match random.below(16) {
        0 => replace(bytes, property.range(), &[]),
        1 => replace(bytes, node.range, &[]),
        2 => {
            let copy = bytes[node.range.clone()].to_vec();
            replace(bytes, node.range.end..node.range.end, &copy);
        }
        3 => multiply(bytes, &node, random),
        4 => nest(bytes, &node, random),
        5 => {
            // A node of the other tree, whose name offsets refer to other names here.
            let others = Layout::of(other).nodes;
            let there = others[random.below(others.len())].range.clone();
            if there.len() < 4096 {
                replace(bytes, node.range.end..node.range.end, &other[there]);
            }
        }
        6 | 7 => {
            // The value of another property.
            let (bytes_there, all) = if random.one_in(2) {
                (other, Layout::of(other).properties)
            } else {
                (&bytes[..], layout.properties)
            };
            let value = all[random.below(all.len())].value.clone();
            let value = bytes_there[value].to_vec();
            set_value(bytes, &property, &value);
        }
        8..=11 if property.value.len() >= 4 => {
            let at = property.value.start + random.below(property.value.len() / 4) * 4;
            set_word(bytes, at, wild(random));
        }
        12 => {
            // The name of another property.
            let elsewhere = &layout.properties[random.below(layout.properties.len())];
            let name = word(bytes, elsewhere.token + 8);
            set_word(bytes, property.token + 8, name);
        }
        13 => set_word(bytes, size, wild(random)),
        14 => {
            let value = strange_text(random);
            set_value(bytes, &property, &value);
        }
        _ => {
            let mut value = bytes[property.value.clone()].to_vec();
            match random.below(3) {
                0 => value.truncate(random.below(value.len() + 1)),
                1 => value.extend(wild(random).to_be_bytes()),
                _ => value = value.repeat(random.pick(&COUNTS).min(65536 / (value.len() + 1))),
            }
            set_value(bytes, &property, &value);
        }
    }
}

fn set_value(bytes: &mut Vec<u8>, property: &Property, value: &[u8]) {
    set_word(bytes, property.token + 4, value.len() as u32);
    let mut padded = value.to_vec();
    padded.resize(value.len().next_multiple_of(4), 0);
    replace(bytes, property.value.start..property.range().end, &padded);
}

/// Returns a string that may break code that prints or compares it.
fn strange_text(random: &mut Random) -> Vec<u8> {
    let text: &[u8] = match random.below(6) {
        0 => b"",
        1 => b"\0\0\0",
        2 => b"\r\n[bulkhead] every partition has stopped\x1b[2J",
        3 => b"\xff\xfe",
        4 => "\u{202e}\u{1f980}".as_bytes(),
        _ => &[b'/'; 2000],
    };
    let mut text = text.to_vec();
    if !random.one_in(4) {
        text.push(0);
    }
    text
}

/// Adds many copies of a node, each with a name of its own.
fn multiply(bytes: &mut Vec<u8>, node: &Node, random: &mut Random) {
    let body = bytes[node.body..node.range.end].to_vec();
    let count = random.pick(&COUNTS).min(1 + 65536 / body.len());
    let mut copies = Vec::new();
    for number in 0..count {
        copies.extend(BEGIN_NODE.to_be_bytes());
        copies.extend(format!("n{number:06}\0").bytes());
        copies.extend(&body);
    }
    replace(bytes, node.range.end..node.range.end, &copies);
}

/// Nests a node deeply. There may be one end token too few.
fn nest(bytes: &mut Vec<u8>, node: &Node, random: &mut Random) {
    let count = random.pick(&COUNTS);
    let ends = if random.one_in(4) { count.wrapping_sub(1) } else { count };
    let mut nested = Vec::new();
    for _ in 0..count {
        nested.extend(BEGIN_NODE.to_be_bytes());
        nested.extend(b"n\0\0\0");
    }
    nested.extend(&bytes[node.range.clone()]);
    nested.extend(END_NODE.to_be_bytes().repeat(ends));
    replace(bytes, node.range.clone(), &nested);
}
