//! Checks and indexes the structure block in one pass (Devicetree Specification 0.4, section 5.4).

use alloc::vec::Vec;

use super::header::Blocks;
use super::index::{Common, Entry, Index};
use super::interrupts::are_of_gic;
use super::property::until_nul;
use super::{Property, TreeError, token};

/// The deepest level of nested nodes.
const MAX_DEPTH: usize = 32;

/// The initial capacity of the index, which is enough for most trees.
const NODES: usize = 128;
const PROPERTIES: usize = 512;

/// The number of cached strings.
const KNOWN: usize = 128;

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

const TOO_LONG: &str = "a name or value is too long";
const ENDS_EARLY: &str = "the structure block ends early";

/// Checks the structure block and indexes its nodes, properties and phandles. `words` are those of
/// all the tree.
///
/// # Errors
///
/// The first violation of the specification.
pub(super) fn read<'a>(blocks: &Blocks<'a>, words: &[impl Word]) -> Result<Index<'a>, TreeError> {
    let Blocks { bytes, ref structure, strings, .. } = *blocks;
    let words = words.get(structure.start / 4..structure.end / 4).unwrap_or_default();
    let index = Index {
        // A node has at least four words, a property three.
        nodes: Vec::with_capacity(NODES.min(words.len() / 4)),
        properties: Vec::with_capacity(PROPERTIES.min(words.len() / 3)),
        phandles: Vec::new(),
    };
    let names = Names { strings, known: [const { Known::NONE }; KNOWN] };
    let bytes = &bytes[structure.clone()];
    let mut pass = Pass { bytes, words, at: 0, names, index, node: 0, depth: 0 };
    loop {
        match pass.token() {
            Ok(true) => {}
            Ok(false) => return Ok(pass.index),
            Err(what) => {
                return Err(TreeError::Malformed { what, offset: structure.start + pass.at * 4 });
            }
        }
    }
}

/// A word of a tree as it is in memory, from which its value is read.
pub(super) trait Word: Copy {
    /// Returns the value.
    fn value(self) -> u32;
}

impl Word for [u8; 4] {
    #[inline(always)]
    fn value(self) -> u32 {
        u32::from_be_bytes(self)
    }
}

/// Takes one load, where those of four bytes must be put together if the target has no unaligned
/// accesses.
impl Word for u32 {
    #[inline(always)]
    fn value(self) -> u32 {
        Self::from_be(self)
    }
}

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
    /// `None` if the entry is empty.
    name: Option<&'a str>,
    /// Its offset in the strings block.
    offset: u32,
    meaning: Meaning,
}

impl Known<'_> {
    /// An empty entry, which is all zeros.
    const NONE: Self = Self { name: None, offset: 0, meaning: Meaning::Common(Common::Compatible) };
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
        if let Some(name) = known.name
            && known.offset == offset
        {
            return Some((name, known.meaning));
        }
        let string = self.strings.get(offset as usize..)?;
        let name = string.get(..until_nul(string.as_bytes())?)?;
        *known = Known { name: Some(name), offset, meaning: Meaning::of(name) };
        Some((name, known.meaning))
    }
}

/// The state of the pass.
struct Pass<'a, 'w, W> {
    /// The structure block, and its words.
    bytes: &'a [u8],
    words: &'w [W],
    /// The number of the current token's word.
    at: usize,
    names: Names<'a>,
    /// The index so far.
    index: Index<'a>,
    /// The number of the current node.
    node: usize,
    /// The number of nodes that have begun and not ended.
    depth: usize,
}

impl<W: Word> Pass<'_, '_, W> {
    /// Reads a token with its data, and with BEGIN_NODE the node's properties. Returns whether other
    /// tokens follow.
    fn token(&mut self) -> Result<bool, &'static str> {
        let token = self.words.get(self.at).ok_or(ENDS_EARLY)?;
        match token.value() {
            token::BEGIN_NODE => return self.node().map(|()| true),
            token::END_NODE => self.end_node()?,
            token::NOP => {}
            token::PROPERTY if self.words.len() - self.at < 3 => return Err(ENDS_EARLY),
            token::PROPERTY => return Err("a property follows a child node"),
            token::END if self.depth > 0 => return Err("the tree ends inside a node"),
            token::END if self.index.nodes.is_empty() => return Err("there is no root node"),
            token::END => return Ok(false),
            _ => return Err("unknown token"),
        }
        self.at += 1;
        Ok(true)
    }

    /// Reads the data of BEGIN_NODE, and the node's properties.
    fn node(&mut self) -> Result<(), &'static str> {
        let (bytes, words, mut at) = (self.bytes, self.words, self.at + 1);
        let name = node_name(&bytes[at * 4..])?;
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
        // With the NUL, and padded to whole words.
        at += name.len() / 4 + 1;
        while let Some([token, more @ ..]) = words.get(at..) {
            match (token.value(), more) {
                (token::PROPERTY, [size, name, ..]) => {
                    let name = self.names.at(name.value());
                    let Some((name, meaning)) = name else {
                        self.at = at;
                        return Err("a property has no name");
                    };
                    // No sum wraps: a block has less than 4 GiB, and so does a value.
                    let start = at.wrapping_add(3).wrapping_mul(4);
                    let end = start.wrapping_add(size.value() as usize);
                    let Some(value) = bytes.get(start..end) else {
                        self.at = at;
                        return Err(TOO_LONG);
                    };
                    at = end.wrapping_add(3) / 4;
                    properties.push(Property { name, value });
                    note(node, meaning, value, properties.len() as u32, phandles);
                }
                (token::NOP, _) => at = at.wrapping_add(1),
                _ => break,
            }
        }
        self.at = at;
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

/// Returns the name of a node that `bytes` begin with, without its NUL.
#[inline(always)]
fn node_name(bytes: &[u8]) -> Result<&[u8], &'static str> {
    let ends = |byte: &u8| ENDS_NODE_NAMES[usize::from(*byte)];
    let is_whole = |[a, b, c, d]: &&[u8; 4]| !(ends(a) | ends(b) | ends(c) | ends(d));
    let whole = bytes.as_chunks().0.iter().take_while(is_whole).count() * 4;
    let rest = bytes.get(whole..).unwrap_or_default();
    let size = whole + rest.iter().position(ends).ok_or("a node's name does not end")?;
    match bytes.split_at_checked(size) {
        Some((name, [0, ..])) => Ok(name),
        _ => Err("a node's name has a forbidden byte"),
    }
}
