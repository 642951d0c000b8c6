//! Builds translation tables: maps and unmaps.
//!
//! EL2's stage 1 and the partitions' stage 2 have the same format (VMSAv8-64 descriptors, Arm ARM
//! D8.3): input addresses of 39 bits and a granule of 4 KiB. The walk starts at level 1 with a root
//! of one page, and leaves span 1 GiB, 2 MiB or 4 KiB. The two differ in the leaves' [`Attributes`]
//! and in the type of the input address.
//!
//! The tables are in a pool that EL2 provides. [`Tables::map`] only makes invalid entries valid,
//! which needs neither break-before-make nor TLB invalidation: EL2 executes `DSB ISHST; ISB` before
//! it uses the new mapping.

use core::ops::Range;
use core::sync::atomic::{Ordering, fence};

use crate::arch::addr::{Address, PAGE_SIZE, Pa, Region};

mod attributes;
#[cfg(test)]
mod tests;

pub use attributes::Attributes;

/// The number of bits of an input address (`T0SZ` = 64 - 39 in TCR_EL2 and VTCR_EL2).
pub const INPUT_BITS: u32 = 39;

/// The most bits that an output address can have. 52 bits need another descriptor format.
pub const OUTPUT_BITS: u32 = 48;

const ENTRIES: usize = 512;
/// Bytes that an entry of level 1 spans.
const LEVEL_1_SPAN: u64 = 1 << 30;
/// Bytes that an entry of level 2 spans.
const LEVEL_2_SPAN: u64 = 1 << 21;

/// The bits of a descriptor that hold its type (Arm ARM D8.3.1).
const TYPE: u64 = 0b11;
/// A block, at levels 1 and 2.
const BLOCK: u64 = 0b01;
/// A table at levels 1 and 2, a page at level 3.
const TABLE_OR_PAGE: u64 = 0b11;
/// The bits of a descriptor that hold the output address.
const OUTPUT: u64 = ((1 << OUTPUT_BITS) - 1) & !(PAGE_SIZE - 1);

/// One translation table. Its initial contents do not matter: it is cleared before it is used.
#[derive(Clone, Debug)]
#[repr(C, align(4096))]
pub struct Table([u64; ENTRIES]);

impl Table {
    /// A table with no valid entry.
    pub const EMPTY: Self = Self([0; ENTRIES]);

    /// Returns the descriptors.
    pub fn descriptors(&self) -> &[u64; ENTRIES] {
        &self.0
    }
}

/// Why a mapping was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MapError {
    /// An address or the size is not a multiple of 4 KiB.
    Unaligned,
    /// The input exceeds [`INPUT_BITS`], or the output [`OUTPUT_BITS`].
    OutOfRange,
    /// A part of the input is mapped already.
    Overlap,
    /// The pool has no table left.
    OutOfTables,
}

/// A tree of translation tables in a pool. The root is the first table.
pub struct Tables<'a> {
    pool: &'a mut [Table],
    /// The physical address of the pool.
    base: Pa,
    /// The number of tables in use.
    used: usize,
}

/// Contiguous input addresses, and the output addresses that they map to.
#[derive(Clone, Copy)]
struct Extent {
    input: u64,
    output: u64,
    size: u64,
}

impl Extent {
    /// Splits off the part before the next multiple of `span`, a power of two.
    #[inline(always)]
    fn take(&mut self, span: u64) -> Self {
        let part = Self { size: self.size.min(span - (self.input & (span - 1))), ..*self };
        // The extent is in range (`extent`), so that no sum wraps.
        self.input = self.input.wrapping_add(part.size);
        self.output = self.output.wrapping_add(part.size);
        self.size -= part.size;
        part
    }

    /// Returns the indices of its pages' entries. It must lie within one table of level 3.
    fn pages(&self) -> Range<usize> {
        let first = slot(self.input, PAGE_SIZE);
        first..first + (self.size / PAGE_SIZE) as usize
    }

    /// Returns whether this part, split off by `span`, can be one leaf of that size.
    fn is_leaf(&self, span: u64) -> bool {
        self.size == span && self.output & (span - 1) == 0
    }
}

impl<'a> Tables<'a> {
    /// Creates tables that map nothing, with `pool[0]` as the root. `base` is the physical address
    /// of `pool`.
    ///
    /// # Errors
    ///
    /// [`MapError::OutOfTables`] if the pool is empty; [`MapError::Unaligned`] or
    /// [`MapError::OutOfRange`] if `base` is not the address of a page.
    pub fn new(pool: &'a mut [Table], base: Pa) -> Result<Self, MapError> {
        check(base.get(), pool.len() as u64 * PAGE_SIZE, OUTPUT_BITS)?;
        let mut tables = Self { pool, base, used: 0 };
        tables.take_table()?;
        Ok(tables)
    }

    /// Maps `size` bytes from `input` to `output`, by the largest leaves that the alignment of both
    /// allows. A size of zero does nothing.
    ///
    /// # Errors
    ///
    /// After [`MapError::OutOfTables`] a first part of the mapping may be in place. The other
    /// errors leave the tables as they were.
    pub fn map(
        &mut self,
        input: impl Address,
        output: Pa,
        size: u64,
        attributes: Attributes,
    ) -> Result<(), MapError> {
        let extent = extent(input, output, size)?;
        if self.is_free(0, LEVEL_1_SPAN, extent) {
            self.fill(0, LEVEL_1_SPAN, extent, attributes)
        } else {
            Err(MapError::Overlap)
        }
    }

    /// Maps those of `size` bytes from `input` to `output` that are not mapped yet. Mapped ones
    /// stay as they are.
    ///
    /// # Errors
    ///
    /// After [`MapError::OutOfTables`] a part of the mapping may be in place. The other errors
    /// leave the tables as they were.
    pub fn map_missing(
        &mut self,
        input: impl Address,
        output: Pa,
        size: u64,
        attributes: Attributes,
    ) -> Result<(), MapError> {
        self.fill(0, LEVEL_1_SPAN, extent(input, output, size)?, attributes)
    }

    /// Unmaps pages that were mapped as pages. The caller invalidates the TLBs.
    ///
    /// Always inlined, as are the functions that it calls: the caller unmaps the code of this
    /// module.
    ///
    /// # Errors
    ///
    /// [`MapError::Unaligned`] at the first page that is not mapped, or mapped by a larger leaf.
    /// Pages before it are unmapped.
    #[inline(always)]
    pub fn unmap(&mut self, input: impl Address, size: u64) -> Result<(), MapError> {
        let start = input.get();
        check(start, size, INPUT_BITS)?;
        let mut rest = start..start + size;
        while !rest.is_empty() {
            let (index, slot, span) = self.find(rest.start);
            for entry in &mut self.pool[index].0[slot..] {
                if span != PAGE_SIZE || *entry == 0 {
                    return Err(MapError::Unaligned);
                }
                *entry = 0;
                rest.start += PAGE_SIZE;
                if rest.is_empty() {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Returns how many tables of the pool are in use, from its start. The first is the root, for
    /// TTBR0_EL2 or VTTBR_EL2.
    pub fn tables_used(&self) -> usize {
        self.used
    }

    /// Returns the tables in use, and their physical addresses.
    pub fn in_use(&self) -> (&[Table], Region<Pa>) {
        let pool = &self.pool[..self.used];
        let size = pool.len() as u64 * PAGE_SIZE;
        (pool, Region::new(self.base, size).expect("`new` has checked the whole pool"))
    }

    /// Returns whether nothing is mapped of an extent's input, which lies in the table `index`,
    /// whose entries span `span` bytes.
    fn is_free(&self, index: usize, span: u64, mut extent: Extent) -> bool {
        let entries = &self.pool[index].0;
        if span == PAGE_SIZE {
            return entries[extent.pages()].iter().all(|entry| *entry == 0);
        }
        while extent.size > 0 {
            let entry = entries[slot(extent.input, span)];
            let part = extent.take(span);
            let is_free = match self.linked(entry, span) {
                Some(next) => self.is_free(next, span / ENTRIES as u64, part),
                None => entry == 0,
            };
            if !is_free {
                return false;
            }
        }
        true
    }

    /// Maps what is not mapped yet of an extent, which lies in the table `index`, whose entries
    /// span `span` bytes.
    ///
    /// A new table is filled before it is linked. A walk, which another CPU can do at any time,
    /// sees either no link or a complete table, never the earlier contents of the table's memory.
    fn fill(
        &mut self,
        index: usize,
        span: u64,
        mut extent: Extent,
        attributes: Attributes,
    ) -> Result<(), MapError> {
        if span == PAGE_SIZE {
            let mut page = extent.output | attributes.0 | TABLE_OR_PAGE;
            let mut put = |entry: &mut u64| {
                if *entry == 0 {
                    *entry = page;
                }
                // All of the extent is in range (`extent`).
                page = page.wrapping_add(PAGE_SIZE);
            };
            let (fours, rest) = self.pool[index].0[extent.pages()].as_chunks_mut();
            for [a, b, c, d] in fours {
                put(a);
                put(b);
                put(c);
                put(d);
            }
            rest.iter_mut().for_each(put);
            return Ok(());
        }
        while extent.size > 0 {
            let slot = slot(extent.input, span);
            let part = extent.take(span);
            let entry = self.pool[index].0[slot];
            if entry == 0 && part.is_leaf(span) {
                self.pool[index].0[slot] = part.output | attributes.0 | BLOCK;
            } else if let Some(next) = self.linked(entry, span) {
                self.fill(next, span / ENTRIES as u64, part, attributes)?;
            } else if entry == 0 {
                let next = self.take_table()?;
                self.fill(next, span / ENTRIES as u64, part, attributes)?;
                fence(Ordering::Release);
                let address = self.base.get() + next as u64 * PAGE_SIZE;
                self.pool[index].0[slot] = address | TABLE_OR_PAGE;
            }
        }
        Ok(())
    }

    /// Finds the entry at which the walk of `input` (of [`INPUT_BITS`]) ends. Returns the index of
    /// the table, the index of the entry in it, and how many bytes the entry spans.
    #[inline(always)]
    fn find(&self, input: u64) -> (usize, usize, u64) {
        let (mut index, mut span) = (0, LEVEL_1_SPAN);
        loop {
            let slot = slot(input, span);
            match self.linked(self.pool[index].0[slot], span) {
                Some(next) => (index, span) = (next, span / ENTRIES as u64),
                None => return (index, slot, span),
            }
        }
    }

    /// Returns the entry at which the walk of `input` ends, the first address that it spans, and
    /// how many bytes it spans; `None` if `input` exceeds [`INPUT_BITS`].
    ///
    /// Always inlined: a caller runs after the code of this module is unmapped.
    #[inline(always)]
    pub(crate) fn leaf_mut(&mut self, input: u64) -> Option<(&mut u64, u64, u64)> {
        if input >> INPUT_BITS != 0 {
            return None;
        }
        let (index, slot, span) = self.find(input);
        Some((&mut self.pool[index].0[slot], input - input % span, span))
    }

    /// Takes the next table from the pool, cleared, and returns its index.
    fn take_table(&mut self) -> Result<usize, MapError> {
        let index = self.used;
        let table = self.pool.get_mut(index).ok_or(MapError::OutOfTables)?;
        table.0.fill(0);
        self.used += 1;
        Ok(index)
    }

    /// Returns the index of the table that `entry` links to, if it is a link. `span` is what the
    /// entry spans, in bytes.
    #[inline(always)]
    fn linked(&self, entry: u64, span: u64) -> Option<usize> {
        let is_link = span != PAGE_SIZE && entry & TYPE == TABLE_OR_PAGE;
        is_link.then(|| (((entry & OUTPUT) - self.base.get()) / PAGE_SIZE) as usize)
    }
}

/// Computes how many tables map all of `mappings` (input, output and size), the root included. The
/// number is exact if they are sorted by input address and disjoint, and never too small.
pub fn tables_needed<A: Address>(mappings: impl Iterator<Item = (A, Pa, u64)>) -> usize {
    let mut count = 1;
    let mut last = [None; 2];
    for (input, output, size) in mappings {
        let Ok(extent) = extent(input, output, size) else { continue };
        // A part that cannot be a leaf of one level needs a table of the next level, once. Leaves
        // of level 1 need no exception at level 2: they can be leaves of level 2 as well.
        for (span, last) in [LEVEL_1_SPAN, LEVEL_2_SPAN].into_iter().zip(&mut last) {
            let mut rest = extent;
            while rest.size > 0 {
                let part = rest.take(span);
                let table = Some(part.input / span);
                if !part.is_leaf(span) && *last != table {
                    count += 1;
                    *last = table;
                }
            }
        }
    }
    count
}

/// Checks that both addresses and the size are whole pages in range, and returns their extent.
fn extent(input: impl Address, output: Pa, size: u64) -> Result<Extent, MapError> {
    let extent = Extent { input: input.get(), output: output.get(), size };
    check(extent.input, size, INPUT_BITS)?;
    check(extent.output, size, OUTPUT_BITS)?;
    Ok(extent)
}

/// Checks that `size` bytes from `address` are whole pages, at addresses of at most `bits` bits.
#[inline(always)]
fn check(address: u64, size: u64, bits: u32) -> Result<(), MapError> {
    if !(address | size).is_multiple_of(PAGE_SIZE) {
        return Err(MapError::Unaligned);
    }
    match address.checked_add(size) {
        Some(end) if end <= 1 << bits => Ok(()),
        _ => Err(MapError::OutOfRange),
    }
}

/// Returns the index of the entry for `input` in a table whose entries span `span` bytes.
#[inline(always)]
fn slot(input: u64, span: u64) -> usize {
    (input / span) as usize % ENTRIES
}
