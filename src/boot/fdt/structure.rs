//! Checks and indexes the structure block in one pass (Devicetree Specification 0.4, section 5.4).

use alloc::vec::Vec;

use super::header::Blocks;
use super::index::{Common, Entry, Index};
use super::interrupts::are_of_gic;
use super::{Property, TreeError, token};

/// The deepest level of nested nodes.
const MAX_DEPTH: usize = 32;

/// The initial capacity of the index, which is enough for most trees.
const NODES: usize = 128;
const PROPERTIES: usize = 512;

/// The number of cached strings.
const KNOWN: usize = 64;

/// For each byte, whether it ends the name of a node, which has graphic ASCII without `/`.
const ENDS_NODE_NAMES: [bool; 256] = {
    let mut ends = [true; 256];
    let mut byte = b'!';
    while byte <= b'~' {
        ends[byte as usize] = byte == b'/';
        byte += 1;
    }
    ends
};

/// The last bytes of tokens that can follow a property.
const PROPERTY: u8 = token::PROPERTY as u8;
const NOP: u8 = token::NOP as u8;

const ENDS_EARLY: &str = "the structure block ends early";

/// Checks the structure block and indexes its nodes, properties and phandles.
///
/// # Errors
///
/// The first violation of the specification.
pub(super) fn read<'a>(blocks: &Blocks<'a>) -> Result<Index<'a>, TreeError> {
    let Blocks { bytes, ref structure, strings, .. } = *blocks;
    let words: Words<'_> = bytes[structure.clone()].as_chunks().0;
    let index = Index {
        // A node has at least four words, a property three.
        nodes: Vec::with_capacity(NODES.min(words.len() / 4)),
        properties: Vec::with_capacity(PROPERTIES.min(words.len() / 3)),
        phandles: Vec::new(),
    };
    let known = [const { Known { offset: u32::MAX, name: "", meaning: Meaning::Other } }; KNOWN];
    let names = Names { strings, known };
    let mut pass = Pass { words, names, index, node: 0, depth: 0 };
    loop {
        match pass.token() {
            Ok(true) => {}
            Ok(false) => return Ok(pass.index),
            Err(what) => {
                let offset = structure.end - pass.words.len() * 4;
                return Err(TreeError::Malformed { what, offset });
            }
        }
    }
}

/// The words that are still to be read.
type Words<'a> = &'a [[u8; 4]];

/// The meaning of a property for the index.
#[derive(Clone, Copy)]
enum Meaning {
    /// Found without a search.
    Common(Common),
    // The properties that follow have one cell.
    AddressCells,
    SizeCells,
    InterruptCells,
    InterruptParent,
    Phandle,
    /// None.
    Other,
}

impl Meaning {
    /// Returns the meaning of a property's name.
    fn of(name: &str) -> Self {
        match name {
            "compatible" => Self::Common(Common::Compatible),
            "status" => Self::Common(Common::Status),
            "device_type" => Self::Common(Common::DeviceType),
            "reg" => Self::Common(Common::Reg),
            "interrupts" => Self::Common(Common::Interrupts),
            "interrupts-extended" => Self::Common(Common::InterruptsExtended),
            "#address-cells" => Self::AddressCells,
            "#size-cells" => Self::SizeCells,
            "#interrupt-cells" => Self::InterruptCells,
            "interrupt-parent" => Self::InterruptParent,
            "phandle" | "linux,phandle" => Self::Phandle,
            _ => Self::Other,
        }
    }
}

/// A cached string of the strings block.
#[derive(Clone, Copy)]
struct Known<'a> {
    /// Its offset in the strings block. `u32::MAX`, which is past every strings block, if the entry
    /// is empty.
    offset: u32,
    name: &'a str,
    meaning: Meaning,
}

/// The names of properties.
struct Names<'a> {
    strings: &'a str,
    /// A cache of strings: most properties have one of a few names.
    known: [Known<'a>; KNOWN],
}

impl<'a> Names<'a> {
    /// Returns the name at `offset` of the strings block, which may be the end of a longer string.
    #[inline(always)]
    fn at(&mut self, offset: u32) -> Option<(&'a str, Meaning)> {
        let known = &mut self.known[offset as usize % KNOWN];
        if known.offset != offset || offset == u32::MAX {
            let string = self.strings.get(offset as usize..)?;
            let end = string.as_bytes().iter().position(|byte| *byte == 0)?;
            let name = string.get(..end)?;
            *known = Known { offset, name, meaning: Meaning::of(name) };
        }
        Some((known.name, known.meaning))
    }
}

/// The state of the pass.
struct Pass<'a> {
    /// The words from the current token on.
    words: Words<'a>,
    names: Names<'a>,
    /// The index so far.
    index: Index<'a>,
    /// The number of the current node.
    node: usize,
    /// The number of nodes that have begun and not ended.
    depth: usize,
}

impl<'a> Pass<'a> {
    /// Reads a token with its data, and with BEGIN_NODE the node's properties. Returns whether other
    /// tokens follow.
    fn token(&mut self) -> Result<bool, &'static str> {
        let (token, rest) = self.words.split_first().ok_or(ENDS_EARLY)?;
        let [0, 0, 0, token] = *token else { return Err("unknown token") };
        match u32::from(token) {
            token::BEGIN_NODE => return self.node(rest).map(|()| true),
            token::END_NODE => self.end_node()?,
            token::NOP => {}
            token::PROPERTY if rest.len() < 2 => return Err(ENDS_EARLY),
            token::PROPERTY => return Err("a property follows a child node"),
            token::END if self.depth > 0 => return Err("the tree ends inside a node"),
            token::END if self.index.nodes.is_empty() => return Err("there is no root node"),
            token::END => return Ok(false),
            _ => return Err("unknown token"),
        }
        self.words = rest;
        Ok(true)
    }

    /// Reads the data of BEGIN_NODE, and the node's properties.
    fn node(&mut self, mut words: Words<'a>) -> Result<(), &'static str> {
        let name = node_name(&mut words)?;
        let Index { nodes, properties, phandles } = &mut self.index;
        let number = nodes.len();
        match (self.depth, name.is_empty()) {
            (0, _) if number > 0 => return Err("there is a second root node"),
            (0, false) => return Err("the root node has a name"),
            (1.., true) => return Err("a node has no name"),
            (MAX_DEPTH.., _) => return Err("nodes are nested too deep"),
            _ => {}
        }
        let (parent, first) = (self.node, properties.len());
        // The defaults of `#address-cells` and `#size-cells`.
        let cells = (2, 1);
        nodes.push(Entry { name, number, parent, cells, ..Entry::default() });
        let Some(node) = nodes.last_mut() else { return Ok(()) };
        self.node = number;
        self.depth += 1;
        self.words = words;
        loop {
            match self.words {
                [[0, 0, 0, PROPERTY], size, name, rest @ ..] => {
                    let (name, meaning) =
                        self.names.at(u32::from_be_bytes(*name)).ok_or("a property has no name")?;
                    let mut rest = rest;
                    let value = bytes(&mut rest, u32::from_be_bytes(*size) as usize)?;
                    self.words = rest;
                    properties.push(Property { name, value });
                    note(node, meaning, value, properties.len() as u32, phandles);
                }
                [[0, 0, 0, NOP], rest @ ..] => self.words = rest,
                _ => break,
            }
        }
        node.properties = first..properties.len();
        Ok(())
    }

    /// Ends the current node.
    fn end_node(&mut self) -> Result<(), &'static str> {
        self.depth = self.depth.checked_sub(1).ok_or("an END_NODE has no BEGIN_NODE")?;
        let end = self.index.nodes.len();
        let node = &mut self.index.nodes[self.node];
        node.end = end;
        if node.interrupt_cells > 0 {
            node.is_gic = are_of_gic(&self.index.properties[node.properties.clone()]);
        }
        self.node = node.parent;
        Ok(())
    }
}

/// Notes a property of `node` by its meaning. `number` is its number plus one.
#[inline(always)]
fn note(
    node: &mut Entry<'_>,
    meaning: Meaning,
    value: &[u8],
    number: u32,
    phandles: &mut Vec<(u32, usize)>,
) {
    if let Meaning::Common(common) = meaning {
        let first = &mut node.common[common as usize];
        if *first == 0 {
            *first = number;
        }
        return;
    }
    let Ok(cell) = value.try_into().map(u32::from_be_bytes) else { return };
    match meaning {
        Meaning::AddressCells => node.cells.0 = cell,
        Meaning::SizeCells => node.cells.1 = cell,
        Meaning::InterruptCells => node.interrupt_cells = cell,
        Meaning::InterruptParent => node.interrupt_parent = Some(cell),
        Meaning::Phandle => phandles.push((cell, node.number)),
        Meaning::Common(_) | Meaning::Other => {}
    }
}

/// Takes the name of a node with its NUL, and the padding to whole words.
#[inline(always)]
fn node_name<'a>(words: &mut Words<'a>) -> Result<&'a [u8], &'static str> {
    let ends = |byte: &u8| ENDS_NODE_NAMES[usize::from(*byte)];
    let is_whole = |[a, b, c, d]: &&[u8; 4]| !(ends(a) | ends(b) | ends(c) | ends(d));
    let whole = words.iter().take_while(is_whole).count();
    let last = words.get(whole).ok_or("a node's name does not end")?;
    let more = last.iter().take_while(|byte| !ends(byte)).count();
    if last.get(more) != Some(&0) {
        return Err("a node's name has a forbidden byte");
    }
    bytes(words, whole * 4 + more + 1).map(|name| &name[..name.len() - 1])
}

/// Takes the next `size` bytes, and the padding to whole words.
#[inline(always)]
fn bytes<'a>(words: &mut Words<'a>, size: usize) -> Result<&'a [u8], &'static str> {
    let taken = words.split_at_checked(size.div_ceil(4));
    let (taken, rest) = taken.ok_or("a name or value is too long")?;
    *words = rest;
    Ok(&taken.as_flattened()[..size])
}
