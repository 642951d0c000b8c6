//! Builds translation tables.
//!
//! [`Tables::map`] only makes invalid entries valid, which needs neither break-before-make nor TLB
//! invalidation: EL2 executes `DSB ISHST; ISB` before it uses the new mapping.

#[cfg(test)]
mod tests;
mod unmap;

use core::ops::Range;
use core::sync::atomic::{Ordering, fence};

use crate::arch::addr::{Address, PAGE_SIZE, Pa, Region};
use crate::mm::tables::{
    Attributes, BLOCK, ENTRIES, INPUT_BITS, LEVEL_1_SPAN, LEVEL_2_SPAN, MapError, OUTPUT_BITS,
    TABLE_OR_PAGE, Table, Tables, check, slot,
};

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

    /// Splits off as many whole leaves of `span` bytes, a power of two, as there are. Both
    /// addresses must be multiples of it.
    #[inline(always)]
    fn take_whole(&mut self, span: u64) {
        let size = self.size & !(span - 1);
        // No sum wraps, as in `take`.
        self.input = self.input.wrapping_add(size);
        self.output = self.output.wrapping_add(size);
        self.size -= size;
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
            let (fours, rest) = entries[extent.pages()].as_chunks();
            return fours.iter().all(are_zero) && rest.iter().all(|entry| *entry == 0);
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
            // All of the extent is in range (`extent`).
            let nth = |page: u64, n: u64| page.wrapping_add(n * PAGE_SIZE);
            let put = |entry: &mut u64, page| {
                if *entry == 0 {
                    *entry = page;
                }
            };
            let (fours, rest) = self.pool[index].0[extent.pages()].as_chunks_mut();
            for four in fours {
                let pages = [page, nth(page, 1), nth(page, 2), nth(page, 3)];
                if are_zero(four) {
                    *four = pages;
                } else {
                    four.iter_mut().zip(pages).for_each(|(entry, page)| put(entry, page));
                }
                page = nth(page, 4);
            }
            for entry in rest {
                put(entry, page);
                page = nth(page, 1);
            }
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

    /// Takes the next table from the pool, cleared, and returns its index.
    fn take_table(&mut self) -> Result<usize, MapError> {
        let index = self.used;
        let table = self.pool.get_mut(index).ok_or(MapError::OutOfTables)?;
        table.0.fill(0);
        self.used += 1;
        Ok(index)
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
                // Whole leaves, of which there are many, need no table.
                if (rest.input | rest.output) & (span - 1) == 0 {
                    rest.take_whole(span);
                }
                let part = rest.take(span);
                let table = Some(part.input / span);
                if part.size > 0 && !part.is_leaf(span) && *last != table {
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

/// Returns whether four entries map nothing.
#[inline(always)]
fn are_zero([a, b, c, d]: &[u64; 4]) -> bool {
    a | b | c | d == 0
}
