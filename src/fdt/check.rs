//! The one pass over a tree's bytes that makes them safe to read.

use alloc::vec::Vec;

use super::{HEADER_SIZE, MAGIC, TreeError, VERSION, header, token, word};

/// How deep nodes may be nested. The `fdt` crate keeps a stack of 64.
const MAX_DEPTH: usize = 32;

/// Where a node stands among the others, which are numbered from the root in tree order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// The number of its parent; the root is its own.
    pub parent: u32,
    /// The number of the first node past its descendants.
    pub end: u32,
}

/// What the pass has learned.
pub(super) struct Checked {
    /// Every node.
    pub nodes: Vec<Place>,
    /// How many properties all nodes have together.
    pub properties: usize,
}

/// The size of the whole tree, from its header.
pub(super) fn total_size(bytes: &[u8]) -> Result<usize, TreeError> {
    let magic = field(bytes, header::MAGIC)?;
    if magic != MAGIC {
        return Err(TreeError::NotATree { magic });
    }
    match field(bytes, header::TOTAL_SIZE)? as usize {
        ..HEADER_SIZE => malformed("its size is less than a header's", header::TOTAL_SIZE),
        total => Ok(total),
    }
}

/// Checks everything that a reader relies on, and drops the NOPs in place: what comes after them
/// in the structure block moves down, and the header's size of that block shrinks. Returns the
/// bytes without what follows the tree.
///
/// Trees of two nodes or properties of one name pass: the first one counts, as it does for other
/// readers.
pub(super) fn check(bytes: &mut [u8]) -> Result<(&[u8], Checked), TreeError> {
    let total = total_size(bytes)?;
    let too_short = truncated(bytes);
    let bytes = bytes.get_mut(..total).ok_or(too_short)?;
    let mut pass = Pass::new(bytes)?;
    let start = pass.read;
    pass.run()?;
    let size = (pass.write - start) as u32;
    let checked = pass.checked;
    bytes[header::STRUCTURE_SIZE..HEADER_SIZE].copy_from_slice(&size.to_be_bytes());
    Ok((bytes, checked))
}

/// A field of the header.
fn field(bytes: &[u8], offset: usize) -> Result<u32, TreeError> {
    word(bytes, offset).ok_or(truncated(bytes))
}

/// The error that there are too few `bytes` for the header or for what it says.
pub(super) fn truncated(bytes: &[u8]) -> TreeError {
    let needed = word(bytes, header::TOTAL_SIZE).map_or(HEADER_SIZE, |total| total as usize);
    let given = bytes.len();
    TreeError::Truncated { needed, given }
}

/// Checks the memory reservations from `start` on; returns their block.
fn check_reservations(bytes: &[u8], start: usize) -> Result<(usize, usize), TreeError> {
    if !start.is_multiple_of(8) {
        return malformed("the reservations are not aligned", header::RESERVATIONS);
    }
    let (entries, _) = bytes.get(start..).unwrap_or_default().as_chunks::<16>();
    for (entry, offset) in entries.iter().zip((start..).step_by(16)) {
        let both = u128::from_be_bytes(*entry);
        let (address, size) = ((both >> 64) as u64, both as u64);
        if both == 0 {
            return Ok((start, offset + 16));
        }
        if address.checked_add(size).is_none() {
            return malformed("a memory reservation wraps around", offset);
        }
    }
    malformed("the memory reservations do not end", start)
}

/// Checks that no two blocks overlap: moving the structure must not change anything else.
fn check_apart(mut blocks: [(usize, usize); 4]) -> Result<(), TreeError> {
    blocks.sort_unstable();
    for pair in blocks.windows(2) {
        if pair[0].1 > pair[1].0 {
            return malformed("two blocks overlap", pair[1].0);
        }
    }
    Ok(())
}

/// Checks the strings up to the last NUL, behind which no name can start; returns that length.
///
/// Names are ASCII by the specification, and then a name may start at any byte.
fn check_names(bytes: &[u8], (start, end): (usize, usize)) -> Result<usize, TreeError> {
    let strings = bytes.get(start..end).unwrap_or_default();
    let names = strings.iter().rposition(|byte| *byte == 0).map_or(0, |last| last + 1);
    if !strings[..names].is_ascii() {
        return malformed("the strings block is not ASCII", start);
    }
    Ok(names)
}

/// The pass over the structure block.
struct Pass<'b> {
    bytes: &'b mut [u8],
    /// Where the next token is read.
    read: usize,
    /// Where it belongs once the NOPs are gone; never above `read`.
    write: usize,
    /// Where the block ends.
    end: usize,
    /// A property's name may start anywhere below this offset into the strings block.
    names: usize,
    /// The numbers of the nodes that are begun and not ended.
    open: [u32; MAX_DEPTH],
    depth: usize,
    properties_may_follow: bool,
    checked: Checked,
}

impl<'b> Pass<'b> {
    /// Checks the header, and that all blocks lie within the tree and apart from each other.
    fn new(bytes: &'b mut [u8]) -> Result<Self, TreeError> {
        let field = |offset| field(bytes, offset);
        let (version, compatible) = (field(header::VERSION)?, field(header::COMPATIBLE_VERSION)?);
        if version < VERSION || compatible > VERSION {
            return Err(TreeError::Version { version, compatible });
        }
        let block = |start, size| -> Result<(usize, usize), TreeError> {
            let (first, size) = (field(start)? as usize, field(size)? as usize);
            match first.checked_add(size) {
                Some(end) if end <= bytes.len() => Ok((first, end)),
                _ => malformed("a block reaches past the end", start),
            }
        };
        let structure = block(header::STRUCTURE, header::STRUCTURE_SIZE)?;
        if !structure.0.is_multiple_of(4) {
            return malformed("the structure block is not aligned", header::STRUCTURE);
        }
        let strings = block(header::STRINGS, header::STRINGS_SIZE)?;
        let reservations = check_reservations(bytes, field(header::RESERVATIONS)? as usize)?;
        check_apart([(0, HEADER_SIZE), reservations, structure, strings])?;
        Ok(Self {
            read: structure.0,
            write: structure.0,
            end: structure.1,
            names: check_names(bytes, strings)?,
            bytes,
            open: [0; MAX_DEPTH],
            depth: 0,
            properties_may_follow: false,
            checked: Checked { nodes: Vec::new(), properties: 0 },
        })
    }

    fn run(&mut self) -> Result<(), TreeError> {
        loop {
            let size = match self.word(0)? {
                token::BEGIN_NODE => self.begin_node()?,
                token::END_NODE => self.end_node()?,
                token::PROPERTY => self.property()?,
                token::NOP => {
                    self.read += 4;
                    continue;
                }
                token::END => {
                    self.keep(4);
                    break;
                }
                _ => return malformed("there is no such token", self.read),
            };
            self.keep(size);
        }
        if self.depth > 0 {
            return malformed("the tree ends inside a node", self.read - 4);
        }
        if self.checked.nodes.is_empty() {
            return malformed("there is no root node", self.read - 4);
        }
        Ok(())
    }

    /// Moves the token at hand, of `size` bytes, to its place.
    fn keep(&mut self, size: usize) {
        if self.write != self.read {
            self.bytes.copy_within(self.read..self.read + size, self.write);
        }
        self.read += size;
        self.write += size;
    }

    /// The word `offset` bytes from the token at hand.
    fn word(&self, offset: usize) -> Result<u32, TreeError> {
        match word(&self.bytes[..self.end], self.read + offset) {
            Some(word) => Ok(word),
            None => malformed("the structure block ends early", self.end),
        }
    }

    /// `size` with padding, if that much of the block is left.
    fn padded(&self, size: usize) -> Result<usize, TreeError> {
        match size.checked_next_multiple_of(4) {
            Some(size) if size <= self.end - self.read => Ok(size),
            _ => malformed("a name or value is too long", self.read),
        }
    }

    fn begin_node(&mut self) -> Result<usize, TreeError> {
        let name = &self.bytes[self.read + 4..self.end];
        let is_name = |byte: u8| byte.is_ascii_graphic() && byte != b'/';
        let Some(length) = name.iter().position(|byte| !is_name(*byte)) else {
            return malformed("a node's name does not end", self.read);
        };
        if name[length] != 0 {
            return malformed("a node's name has a forbidden byte", self.read);
        }
        let number = self.checked.nodes.len() as u32;
        let parent = match (self.depth, number, length) {
            (0, 0, 0) => 0,
            (0, 0, _) => return malformed("the root node has a name", self.read),
            (0, _, _) => return malformed("there is a second root node", self.read),
            (_, _, 0) => return malformed("a node has no name", self.read),
            (MAX_DEPTH.., _, _) => return malformed("nodes are nested too deep", self.read),
            (depth, _, _) => self.open[depth - 1],
        };
        self.checked.nodes.push(Place { parent, end: 0 });
        self.open[self.depth] = number;
        self.depth += 1;
        self.properties_may_follow = true;
        self.padded(4 + length + 1)
    }

    fn end_node(&mut self) -> Result<usize, TreeError> {
        let Some(depth) = self.depth.checked_sub(1) else {
            return malformed("a node ends that was not begun", self.read);
        };
        let end = self.checked.nodes.len() as u32;
        self.checked.nodes[self.open[depth] as usize].end = end;
        self.depth = depth;
        self.properties_may_follow = false;
        Ok(4)
    }

    fn property(&mut self) -> Result<usize, TreeError> {
        if !self.properties_may_follow {
            return malformed("a property stands behind nodes", self.read);
        }
        let (length, name) = (self.word(4)? as usize, self.word(8)? as usize);
        if name >= self.names {
            return malformed("a property has no name", self.read);
        }
        self.checked.properties += 1;
        self.padded(12 + length)
    }
}

fn malformed<T>(what: &'static str, offset: usize) -> Result<T, TreeError> {
    Err(TreeError::Malformed { what, offset })
}
