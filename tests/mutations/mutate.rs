//! Damage to flattened trees: of their bytes, and of what the bytes mean.

use super::layout::{
    BEGIN_NODE, END, END_NODE, Layout, NOP, PROPERTY, STRUCTURE, TOTAL_SIZE, replace, set_word,
    word,
};
use super::random::Random;

/// Numbers at which something could overflow, wrap or run out.
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
/// How deep, and how many.
const COUNTS: [usize; 8] = [1, 2, 5, 30, 33, 64, 300, 3000];
/// Larger trees are left as they are: what there is too much of is told by less.
const LARGEST: usize = 1 << 20;

/// What becomes of `original`, with parts of `other` in it.
pub fn mutate(original: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = original.to_vec();
    let meant = random.below(4);
    for _ in 0..meant {
        change_meaning(&mut bytes, other, random);
    }
    let damages = if meant == 0 { 1 + random.below(3) } else { usize::from(random.one_in(8)) };
    for _ in 0..damages {
        damage(&mut bytes, other, random);
    }
    bytes
}

fn wild(random: &mut Random) -> u32 {
    match random.below(3) {
        0 => random.next() as u32,
        1 => random.pick(&WILD),
        _ => 1 << random.below(32),
    }
}

/// Damages bytes, whatever they stand for.
fn damage(bytes: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    if bytes.len() < 8 {
        return;
    }
    let at = random.below(bytes.len());
    // Near the front there is most of what counts; images are long.
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

/// Changes nodes and properties so that the tree stays one, most of the time.
fn change_meaning(bytes: &mut Vec<u8>, other: &[u8], random: &mut Random) {
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
            // Another tree's node, whose names mean something else here.
            let others = Layout::of(other).nodes;
            let there = others[random.below(others.len())].range.clone();
            if there.len() < 4096 {
                replace(bytes, node.range.end..node.range.end, &other[there]);
            }
        }
        6 | 7 => {
            // A value that stands elsewhere.
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
            // A name that stands elsewhere.
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

fn set_value(bytes: &mut Vec<u8>, property: &super::layout::Property, value: &[u8]) {
    set_word(bytes, property.token + 4, value.len() as u32);
    let mut padded = value.to_vec();
    padded.resize(value.len().next_multiple_of(4), 0);
    replace(bytes, property.value.start..property.range().end, &padded);
}

/// Strings that may upset whoever prints or compares them.
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

/// Many nodes like this one, with names of their own.
fn multiply(bytes: &mut Vec<u8>, node: &super::layout::Node, random: &mut Random) {
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

/// Puts a node deep into others, which may be one too few or too many.
fn nest(bytes: &mut Vec<u8>, node: &super::layout::Node, random: &mut Random) {
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
