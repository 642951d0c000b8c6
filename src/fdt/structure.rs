//! The one pass over the structure block (Devicetree Specification 0.4, section 5.4).

use alloc::vec::Vec;

use super::header::Blocks;
use super::interrupts::is_gic;
use super::tree::Entry;
use super::{Property, Tree, TreeError, token};

/// How deep nodes may be nested.
const MAX_DEPTH: usize = 32;

/// How many nodes and properties the index has room for at first. Most trees have fewer.
const NODES: usize = 128;
const PROPERTIES: usize = 512;

/// How many strings are remembered.
const KNOWN: usize = 64;

/// Checks the structure block and lists what is there.
pub(super) fn read(blocks: Blocks<'_>) -> Result<Tree<'_>, TreeError> {
    let Blocks { bytes, structure, strings, reservations } = blocks;
    let words = bytes[structure.clone()].as_chunks().0;
    let tree = Tree {
        bytes,
        reservations,
        // A node takes four words at least, a property three.
        nodes: Vec::with_capacity(NODES.min(words.len() / 4)),
        properties: Vec::with_capacity(PROPERTIES.min(words.len() / 3)),
        phandles: Vec::new(),
    };
    let known = [(usize::MAX, ""); KNOWN];
    let mut pass = Pass { words, strings, known, tree, node: 0, depth: 0 };
    loop {
        let offset = structure.end - pass.words.len() * 4;
        match pass.token() {
            Ok(true) => {}
            Ok(false) => return Ok(pass.tree),
            Err(what) => return Err(TreeError::Malformed { what, offset }),
        }
    }
}

struct Pass<'a> {
    /// What is still to be read.
    words: &'a [[u8; 4]],
    strings: &'a str,
    /// Strings that were looked up, each with its offset: most properties have one of a few names.
    known: [(usize, &'a str); KNOWN],
    /// What has been read.
    tree: Tree<'a>,
    /// The number of the node at hand.
    node: usize,
    /// How many nodes are begun and not ended.
    depth: usize,
}

impl<'a> Pass<'a> {
    /// Reads a token and what belongs to it; says whether others follow.
    fn token(&mut self) -> Result<bool, &'static str> {
        match self.word()? {
            token::BEGIN_NODE => self.begin_node()?,
            token::END_NODE => self.end_node()?,
            token::PROPERTY => self.property()?,
            token::NOP => {}
            token::END if self.depth > 0 => return Err("the tree ends inside a node"),
            token::END if self.tree.nodes.is_empty() => return Err("there is no root node"),
            token::END => return Ok(false),
            _ => return Err("there is no such token"),
        }
        Ok(true)
    }

    fn word(&mut self) -> Result<u32, &'static str> {
        let (word, rest) = self.words.split_first().ok_or("the structure block ends early")?;
        self.words = rest;
        Ok(u32::from_be_bytes(*word))
    }

    /// The next `size` bytes, which are padded to whole words.
    #[inline(always)]
    fn bytes(&mut self, size: usize) -> Result<&'a [u8], &'static str> {
        let words = self.words.split_at_checked(size.div_ceil(4));
        let (words, rest) = words.ok_or("a name or value is too long")?;
        self.words = rest;
        Ok(&words.as_flattened()[..size])
    }

    fn begin_node(&mut self) -> Result<(), &'static str> {
        let mut rest = self.words.as_flattened().iter();
        // What is graphic, but no `/`.
        let end = rest.position(|byte| !matches!(byte, b'0'..=b'~' | b'!'..=b'.'));
        let name = self.bytes(end.ok_or("a node's name does not end")? + 1)?;
        let [name @ .., 0] = name else { return Err("a node's name has a forbidden byte") };
        let number = self.tree.nodes.len();
        match (self.depth, name.is_empty()) {
            (0, _) if number > 0 => return Err("there is a second root node"),
            (0, false) => return Err("the root node has a name"),
            (1.., true) => return Err("a node has no name"),
            (MAX_DEPTH.., _) => return Err("nodes are nested too deep"),
            _ => {}
        }
        let properties = self.tree.properties.len();
        let (parent, properties) = (self.node, properties..properties);
        // As many cells as the specification takes where the properties are missing.
        let cells = (2, 1);
        let entry = Entry { name, number, parent, properties, cells, ..Entry::default() };
        self.tree.nodes.push(entry);
        self.node = number;
        self.depth += 1;
        Ok(())
    }

    fn end_node(&mut self) -> Result<(), &'static str> {
        self.depth = self.depth.checked_sub(1).ok_or("a node ends that was not begun")?;
        let end = self.tree.nodes.len();
        let node = &mut self.tree.nodes[self.node];
        node.end = end;
        if node.interrupt_cells > 0 {
            node.is_gic = is_gic(&self.tree.properties[node.properties.clone()]);
        }
        self.node = node.parent;
        Ok(())
    }

    fn property(&mut self) -> Result<(), &'static str> {
        let [size, name, rest @ ..] = self.words else {
            return Err("the structure block ends early");
        };
        self.words = rest;
        let name = u32::from_be_bytes(*name) as usize;
        let name = self.string(name).ok_or("a property has no name")?;
        let value = self.bytes(u32::from_be_bytes(*size) as usize)?;
        let node = match self.tree.nodes.last_mut() {
            Some(node) if node.end == 0 && node.number == self.node => node,
            _ => return Err("a property stands behind nodes"),
        };
        node.properties.end += 1;
        self.tree.properties.push(Property { name, value });
        if let Ok(cell) = value.try_into().map(u32::from_be_bytes) {
            match name {
                "#address-cells" => node.cells.0 = cell,
                "#size-cells" => node.cells.1 = cell,
                "#interrupt-cells" => node.interrupt_cells = cell,
                "interrupt-parent" => node.interrupt_parent = Some(cell),
                "phandle" | "linux,phandle" => self.tree.phandles.push((cell, self.node)),
                _ => {}
            }
        }
        Ok(())
    }

    /// The string at `offset` of the strings block, which may be the end of a longer one.
    fn string(&mut self, offset: usize) -> Option<&'a str> {
        let known = &mut self.known[offset % KNOWN];
        if known.0 != offset {
            let string = self.strings.get(offset..)?;
            let end = string.as_bytes().iter().position(|byte| *byte == 0)?;
            *known = (offset, string.get(..end)?);
        }
        Some(known.1)
    }
}
