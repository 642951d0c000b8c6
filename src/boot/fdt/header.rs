//! The header and the blocks that it refers to (Devicetree Specification 0.4, sections 5.2, 5.3 and
//! 5.5).

use alloc::vec::Vec;
use core::ops::Range;

use ::fdt::Fdt;

use super::TreeError;
use crate::arch::addr::{Pa, Region};

/// The first word of a flattened tree.
pub(super) const MAGIC: u32 = 0xd00d_feed;
/// The version that this code reads and writes.
pub(super) const VERSION: u32 = 17;
/// The size of a [`Header`] in bytes.
pub(super) const HEADER_SIZE: usize = 40;

/// The words of the header: the magic number; the total size; the offsets of the structure block,
/// the strings block and the memory reservations; the version and the oldest compatible version;
/// the boot CPU; the sizes of the strings block and of the structure block.
pub(super) type Header = [u32; HEADER_SIZE / 4];

/// The blocks of a tree.
pub(super) struct Blocks<'a> {
    /// The bytes of the tree, up to its total size.
    pub bytes: &'a [u8],
    /// The structure block, as a range of `bytes`.
    pub structure: Range<usize>,
    /// The strings block, up to the first byte that is not UTF-8.
    pub strings: &'a str,
    /// The memory reservations.
    pub reservations: Vec<Region<Pa>>,
}

impl<'a> Blocks<'a> {
    /// Checks and returns the blocks of the tree that `bytes` start with.
    ///
    /// # Errors
    ///
    /// If the header is invalid, or if a block is not inside the tree or not aligned.
    pub fn read(bytes: &'a [u8]) -> Result<Self, TreeError> {
        let header = header(bytes)?;
        let [_, total, structure, strings, reserved, version, compatible, _, sizes @ ..] = header;
        let truncated = TreeError::Truncated { needed: total as usize, given: bytes.len() };
        let bytes = bytes.get(..total as usize).ok_or(truncated)?;
        if version < VERSION || compatible > VERSION {
            return Err(malformed("its version is not 17", 20));
        }
        let structure = block(bytes, structure, sizes[1], 4)?;
        let strings = &bytes[block(bytes, strings, sizes[0], 1)?];
        let reserved = block(bytes, reserved, 0, 8)?.start;
        let fdt = Fdt::new(bytes).map_err(|_| truncated)?;
        let strings = str::from_utf8(strings)
            .or_else(|it| str::from_utf8(&strings[..it.valid_up_to()]))
            .unwrap_or_default();
        Ok(Self { bytes, structure, strings, reservations: reservations(&fdt, bytes, reserved)? })
    }
}

/// Returns the header that `bytes` start with.
///
/// # Errors
///
/// If there are too few bytes, no magic number, or a total size smaller than the header.
pub(super) fn header(bytes: &[u8]) -> Result<Header, TreeError> {
    let Some(words) = bytes.as_chunks().0.first_chunk() else {
        return Err(TreeError::Truncated { needed: HEADER_SIZE, given: bytes.len() });
    };
    let header: Header = words.map(u32::from_be_bytes);
    match header {
        [MAGIC, size, ..] if (size as usize) < HEADER_SIZE => {
            Err(malformed("its size is less than a header's", 4))
        }
        [MAGIC, ..] => Ok(header),
        [magic, ..] => Err(TreeError::NotATree { magic }),
    }
}

/// Returns the range of the block of `size` bytes from `start`. Both must be multiples of
/// `alignment`.
fn block(bytes: &[u8], start: u32, size: u32, alignment: u32) -> Result<Range<usize>, TreeError> {
    let range = start as usize..start as usize + size as usize;
    if range.end > bytes.len() {
        return Err(malformed("a block reaches past the end", range.start));
    }
    if !(start | size).is_multiple_of(alignment) {
        return Err(malformed("a block is not aligned", range.start));
    }
    Ok(range)
}

/// Returns the memory reservations, whose block starts at `start` and ends with a reservation of
/// all zeros.
fn reservations(fdt: &Fdt<'_>, bytes: &[u8], start: usize) -> Result<Vec<Region<Pa>>, TreeError> {
    let mut regions = Vec::new();
    for reserved in fdt.memory_reservations() {
        let address = Pa::new(reserved.address().addr() as u64);
        let region = Region::new(address, reserved.size() as u64);
        regions.push(region.ok_or(malformed("a memory reservation wraps around", start))?);
    }
    if start + (regions.len() + 1) * 16 > bytes.len() {
        return Err(malformed("the memory reservations do not end", start));
    }
    Ok(regions)
}

/// Returns the error that `what` is the case at `offset`.
fn malformed(what: &'static str, offset: usize) -> TreeError {
    TreeError::Malformed { what, offset }
}
