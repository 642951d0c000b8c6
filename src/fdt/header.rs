//! The header, and the blocks that it leads to (Devicetree Specification 0.4, sections 5.2, 5.3
//! and 5.5).

use alloc::vec::Vec;
use core::ops::Range;

use ::fdt::Fdt;

use super::TreeError;
use crate::addr::{Pa, Region};

/// The first word of every flattened tree.
pub(super) const MAGIC: u32 = 0xd00d_feed;
/// The version that this code reads and writes.
pub(super) const VERSION: u32 = 17;
/// The size of a [`Header`] in bytes.
pub(super) const HEADER_SIZE: usize = 40;

/// The words of the header: the magic number; the size of the whole tree; where the structure
/// block, the strings block and the memory reservations start; the version, and the oldest one that
/// it is compatible with; the boot CPU; the sizes of the strings block and of the structure block.
pub(super) type Header = [u32; HEADER_SIZE / 4];

/// What is in a tree but for its nodes.
pub(super) struct Blocks<'a> {
    /// The tree, without what follows it.
    pub bytes: &'a [u8],
    /// Where the structure block is among them.
    pub structure: Range<usize>,
    /// The strings, each with its offset into their block.
    pub strings: Vec<(usize, &'a str)>,
    /// The memory reservations.
    pub reservations: Vec<Region<Pa>>,
}

impl<'a> Blocks<'a> {
    /// Finds and checks the blocks of the tree that `bytes` start with.
    pub fn read(bytes: &'a [u8]) -> Result<Self, TreeError> {
        let (header, total) = header(bytes)?;
        let truncated = TreeError::Truncated { needed: total, given: bytes.len() };
        let bytes = bytes.get(..total).ok_or(truncated)?;
        let [_, _, structure, strings, reserved, version, compatible, _, sizes @ ..] = header;
        if version < VERSION || compatible > VERSION {
            return Err(TreeError::Version { version, compatible });
        }
        let structure = block(bytes, structure, sizes[1])?;
        if !structure.start.is_multiple_of(4) {
            return malformed("the structure block is not aligned", structure.start);
        }
        block(bytes, strings, sizes[0])?;
        let reserved = block(bytes, reserved, 0)?.start;
        let fdt = Fdt::new(bytes).map_err(|_| truncated)?;
        let reservations = reservations(bytes, reserved, &fdt)?;
        Ok(Self { bytes, structure, strings: strings_of(&fdt), reservations })
    }
}

/// The header that `bytes` start with, and the size of the whole tree.
pub(super) fn header(bytes: &[u8]) -> Result<(Header, usize), TreeError> {
    let Some(words) = bytes.as_chunks().0.first_chunk() else {
        return Err(TreeError::Truncated { needed: HEADER_SIZE, given: bytes.len() });
    };
    let header: Header = words.map(u32::from_be_bytes);
    match (header[0], header[1] as usize) {
        (MAGIC, ..HEADER_SIZE) => malformed("its size is less than a header's", 4),
        (MAGIC, total) => Ok((header, total)),
        (magic, _) => Err(TreeError::NotATree { magic }),
    }
}

/// Where the block of `size` bytes from `start` on is.
fn block(bytes: &[u8], start: u32, size: u32) -> Result<Range<usize>, TreeError> {
    let block = start as usize..start as usize + size as usize;
    match bytes.get(block.clone()) {
        Some(_) => Ok(block),
        None => malformed("a block reaches past the end", block.start),
    }
}

/// The reservations, whose block starts at `start` and ends with one that is all zeros.
fn reservations(bytes: &[u8], start: usize, fdt: &Fdt<'_>) -> Result<Vec<Region<Pa>>, TreeError> {
    if !start.is_multiple_of(8) {
        return malformed("the reservations are not aligned", start);
    }
    let mut regions = Vec::new();
    for reserved in fdt.memory_reservations() {
        let address = Pa::new(reserved.address().addr() as u64);
        match Region::new(address, reserved.size() as u64) {
            Some(region) => regions.push(region),
            None => return malformed("a memory reservation wraps around", start),
        }
    }
    if !bytes[start..].get(regions.len() * 16..).is_some_and(|rest| rest.starts_with(&[0; 16])) {
        return malformed("the memory reservations do not end", start);
    }
    Ok(regions)
}

/// The strings up to the last NUL, or to the first that is no UTF-8.
fn strings_of<'a>(fdt: &Fdt<'a>) -> Vec<(usize, &'a str)> {
    let mut strings = Vec::new();
    let mut start = 0;
    for string in fdt.strings() {
        strings.push((start, string));
        start += string.len() + 1;
    }
    strings
}

/// The error that something is wrong at `offset`.
pub(super) fn malformed<T>(what: &'static str, offset: usize) -> Result<T, TreeError> {
    Err(TreeError::Malformed { what, offset })
}
