//! The one pass over the structure block (Devicetree Specification 0.4, section 5.4).

use alloc::vec::Vec;
use core::str;

use super::header::Blocks;
use super::tree::{Entry, Index};
use super::{Property, TreeError, token};

/// How deep nodes may be nested.
const MAX_DEPTH: usize = 32;

/// Checks the structure block and lists what is there.
///
/// Trees of two nodes or properties of one name pass: the first one counts, as it does for other
/// readers.
pub(super) fn read<'a>(blocks: &Blocks<'a>) -> Result<Index<'a>, TreeError> {
    let mut pass = Pass {
        words: blocks.bytes[blocks.structure.clone()].as_chunks().0,
        strings: &blocks.strings,
        index: Index { nodes: Vec::new(), properties: Vec::new(), phandles: Vec::new() },
        node: 0,
        depth: 0,
        in_properties: false,
    };
    loop {
        let left = pass.words.len();
        match pass.token() {
            Ok(true) => {}
            Ok(false) => return Ok(pass.index),
            Err(what) => {
                let offset = blocks.structure.end - left * 4;
                return Err(TreeError::Malformed { what, offset });
            }
        }
    }
}

struct Pass<'b, 'a> {
    /// What is still to be read.
    words: &'a [[u8; 4]],
    strings: &'b [(usize, &'a str)],
    index: Index<'a>,
    /// The number of the node at hand.
    node: usize,
    /// How many nodes are begun and not ended.
    depth: usize,
    /// Whether the node at hand has had no children yet.
    in_properties: bool,
}

impl<'a> Pass<'_, 'a> {
    /// Reads a token and what belongs to it; says whether others follow.
    fn token(&mut self) -> Result<bool, &'static str> {
        match self.word()? {
            token::BEGIN_NODE => self.begin_node()?,
            token::END_NODE => self.end_node()?,
            token::PROPERTY => self.property()?,
            token::NOP => {}
            token::END if self.depth > 0 => return Err("the tree ends inside a node"),
            token::END if self.index.nodes.is_empty() => return Err("there is no root node"),
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
    fn bytes(&mut self, size: usize) -> Result<&'a [u8], &'static str> {
        let words = self.words.split_at_checked(size.div_ceil(4));
        let (words, rest) = words.ok_or("a name or value is too long")?;
        self.words = rest;
        Ok(&words.as_flattened()[..size])
    }

    fn begin_node(&mut self) -> Result<(), &'static str> {
        let is_name = |byte: u8| byte.is_ascii_graphic() && byte != b'/';
        let mut rest = self.words.as_flattened().iter();
        let length = rest.position(|byte| !is_name(*byte)).ok_or("a node's name does not end")?;
        let [name @ .., 0] = self.bytes(length + 1)? else {
            return Err("a node's name has a forbidden byte");
        };
        let nodes = &mut self.index.nodes;
        let name = match (self.depth, name) {
            (0, _) if !nodes.is_empty() => return Err("there is a second root node"),
            (0, []) => "/",
            (0, _) => return Err("the root node has a name"),
            (_, []) => return Err("a node has no name"),
            (MAX_DEPTH.., _) => return Err("nodes are nested too deep"),
            (_, name) => str::from_utf8(name).unwrap_or_default(),
        };
        let properties = self.index.properties.len();
        let properties = properties..properties;
        let number = nodes.len();
        nodes.push(Entry { name, parent: self.node, end: 0, properties });
        self.node = number;
        self.depth += 1;
        self.in_properties = true;
        Ok(())
    }

    fn end_node(&mut self) -> Result<(), &'static str> {
        self.depth = self.depth.checked_sub(1).ok_or("a node ends that was not begun")?;
        let end = self.index.nodes.len();
        let node = &mut self.index.nodes[self.node];
        node.end = end;
        self.node = node.parent;
        self.in_properties = false;
        Ok(())
    }

    fn property(&mut self) -> Result<(), &'static str> {
        if !self.in_properties {
            return Err("a property stands behind nodes");
        }
        let (size, name) = (self.word()?, self.word()?);
        let name = self.string(name as usize).ok_or("a property has no name")?;
        let property = Property { name, value: self.bytes(size as usize)? };
        if matches!(name, "phandle" | "linux,phandle")
            && let Some(phandle) = property.u32()
        {
            self.index.phandles.push((phandle, self.node));
        }
        self.index.properties.push(property);
        self.index.nodes[self.node].properties.end += 1;
        Ok(())
    }

    /// The string at `offset` of the strings block, which may be the end of a longer one.
    fn string(&self, offset: usize) -> Option<&'a str> {
        let behind = self.strings.partition_point(|(start, _)| *start <= offset);
        let (start, string) = self.strings[..behind].last()?;
        string.get(offset - start..)
    }
}
