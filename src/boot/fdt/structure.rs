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

/// For each byte, whether the name of a node may have it: graphic ASCII without `/`.
const IN_NODE_NAMES: [bool; 256] = {
    let mut are_in = [false; 256];
    let mut byte = b'!';
    while byte <= b'~' {
        are_in[byte as usize] = byte != b'/';
        byte += 1;
    }
    are_in
};

/// Checks the structure block and indexes its nodes, properties and phandles.
///
/// # Errors
///
/// The first violation of the specification.
pub(super) fn read<'a>(blocks: &Blocks<'a>) -> Result<Index<'a>, TreeError> {
    let Blocks { bytes, ref structure, strings, .. } = *blocks;
    let mut words = bytes[structure.clone()].as_chunks().0;
    let index = Index {
        // A node has at least four words, a property three.
        nodes: Vec::with_capacity(NODES.min(words.len() / 4)),
        properties: Vec::with_capacity(PROPERTIES.min(words.len() / 3)),
        phandles: Vec::new(),
    };
    let mut pass = Pass {
        strings,
        known: [const { Known { offset: u32::MAX, name: "", meaning: Meaning::Other } }; KNOWN],
        index,
        node: 0,
        depth: 0,
        is_open: false,
    };
    loop {
        let left = words.len();
        match pass.token(&mut words) {
            Ok(true) => {}
            Ok(false) => return Ok(pass.index),
            Err(what) => {
                return Err(TreeError::Malformed { what, offset: structure.end - left * 4 });
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

/// The state of the pass.
struct Pass<'a> {
    strings: &'a str,
    /// A cache of strings: most properties have one of a few names.
    known: [Known<'a>; KNOWN],
    /// The index so far.
    index: Index<'a>,
    /// The number of the current node.
    node: usize,
    /// The number of nodes that have begun and not ended.
    depth: usize,
    /// Whether more properties of the current node may follow: no child node has begun.
    is_open: bool,
}

impl<'a> Pass<'a> {
    /// Reads a token with its data and returns whether other tokens follow.
    fn token(&mut self, words: &mut Words<'a>) -> Result<bool, &'static str> {
        let (token, rest) = words.split_first().ok_or("the structure block ends early")?;
        *words = rest;
        let [0, 0, 0, token] = *token else { return Err("unknown token") };
        match u32::from(token) {
            token::PROPERTY => self.property(words)?,
            token::BEGIN_NODE => self.begin_node(words)?,
            token::END_NODE => self.end_node()?,
            token::NOP => {}
            token::END if self.depth > 0 => return Err("the tree ends inside a node"),
            token::END if self.index.nodes.is_empty() => return Err("there is no root node"),
            token::END => return Ok(false),
            _ => return Err("unknown token"),
        }
        Ok(true)
    }

    /// Reads the data of BEGIN_NODE.
    fn begin_node(&mut self, words: &mut Words<'a>) -> Result<(), &'static str> {
        self.close_properties();
        let mut rest = words.as_flattened().iter();
        let end = rest.position(|byte| !IN_NODE_NAMES[usize::from(*byte)]);
        let name = bytes(words, end.ok_or("a node's name does not end")? + 1)?;
        let [name @ .., 0] = name else { return Err("a node's name has a forbidden byte") };
        let number = self.index.nodes.len();
        match (self.depth, name.is_empty()) {
            (0, _) if number > 0 => return Err("there is a second root node"),
            (0, false) => return Err("the root node has a name"),
            (1.., true) => return Err("a node has no name"),
            (MAX_DEPTH.., _) => return Err("nodes are nested too deep"),
            _ => {}
        }
        let properties = self.index.properties.len();
        let (parent, properties) = (self.node, properties..properties);
        // The defaults of `#address-cells` and `#size-cells`.
        let cells = (2, 1);
        let entry = Entry { name, number, parent, properties, cells, ..Entry::default() };
        self.index.nodes.push(entry);
        self.node = number;
        self.depth += 1;
        self.is_open = true;
        Ok(())
    }

    /// Completes the range of the current node's properties, unless that has been done.
    fn close_properties(&mut self) {
        if self.is_open {
            self.index.nodes[self.node].properties.end = self.index.properties.len();
            self.is_open = false;
        }
    }

    /// Ends the current node.
    fn end_node(&mut self) -> Result<(), &'static str> {
        self.depth = self.depth.checked_sub(1).ok_or("an END_NODE has no BEGIN_NODE")?;
        self.close_properties();
        let end = self.index.nodes.len();
        let node = &mut self.index.nodes[self.node];
        node.end = end;
        if node.interrupt_cells > 0 {
            node.is_gic = are_of_gic(&self.index.properties[node.properties.clone()]);
        }
        self.node = node.parent;
        Ok(())
    }

    /// Reads the data of PROPERTY.
    fn property(&mut self, words: &mut Words<'a>) -> Result<(), &'static str> {
        let [size, name, rest @ ..] = *words else {
            return Err("the structure block ends early");
        };
        *words = rest;
        let name = u32::from_be_bytes(*name);
        let (name, meaning) = self.name(name).ok_or("a property has no name")?;
        let value = bytes(words, u32::from_be_bytes(*size) as usize)?;
        if !self.is_open {
            return Err("a property follows a child node");
        }
        self.index.properties.push(Property { name, value });
        if let Meaning::Other = meaning {
            return Ok(());
        }
        let node = &mut self.index.nodes[self.node];
        if let Meaning::Common(common) = meaning {
            let first = &mut node.common[common as usize];
            if *first == 0 {
                *first = self.index.properties.len() as u32;
            }
        } else if let Ok(cell) = value.try_into().map(u32::from_be_bytes) {
            match meaning {
                Meaning::AddressCells => node.cells.0 = cell,
                Meaning::SizeCells => node.cells.1 = cell,
                Meaning::InterruptCells => node.interrupt_cells = cell,
                Meaning::InterruptParent => node.interrupt_parent = Some(cell),
                Meaning::Phandle => self.index.phandles.push((cell, self.node)),
                Meaning::Common(_) | Meaning::Other => {}
            }
        }
        Ok(())
    }

    /// Returns the name at `offset` of the strings block, which may be the end of a longer string.
    fn name(&mut self, offset: u32) -> Option<(&'a str, Meaning)> {
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

/// Takes the next `size` bytes, and the padding to whole words.
#[inline(always)]
fn bytes<'a>(words: &mut Words<'a>, size: usize) -> Result<&'a [u8], &'static str> {
    let taken = words.split_at_checked(size.div_ceil(4));
    let (taken, rest) = taken.ok_or("a name or value is too long")?;
    *words = rest;
    Ok(&taken.as_flattened()[..size])
}
