//! Translation tables as data: map, take back.
//!
//! One format serves EL2's own stage 1 and every partition's stage 2 (Arm ARM D8.3, VMSAv8-64
//! descriptors): 39-bit input addresses and a 4 KiB granule, so that the walk starts at level 1
//! with a root of one page, and leaves of 1 GiB, 2 MiB and 4 KiB. What differs are the attributes of
//! a leaf ([`Memory`]) and the type of the input address.
//!
//! The tables lie in a pool that EL2 hands over. [`Tables::map`] only adds: an entry goes
//! from invalid to valid: no break-before-make and no TLB invalidation are needed,
//! only EL2's `DSB ISHST; ISB` after [`Tables::map`], before the new mapping is used.

use core::ops::Range;
use core::sync::atomic::{Ordering, fence};

use crate::arch::addr::{Address, PAGE_SIZE, Pa, Region};

mod attributes;
#[cfg(test)]
mod tests;

pub use attributes::Memory;

/// Input addresses have this many bits (`T0SZ` = 64 - 39 in TCR_EL2 and VTCR_EL2).
pub const INPUT_BITS: u32 = 39;

/// Output addresses have at most this many bits: 52-bit ones need another descriptor format.
pub const OUTPUT_BITS: u32 = 48;

const ENTRIES: usize = 512;
const LEVEL_1_SPAN: u64 = 1 << 30;
const LEVEL_2_SPAN: u64 = 1 << 21;

/// What a descriptor is (Arm ARM D8.3.1): bits 1:0.
const KIND: u64 = 0b11;
const BLOCK: u64 = 0b01;
/// At levels 1 and 2 the next table, at level 3 a page.
const TABLE_OR_PAGE: u64 = 0b11;
const OUTPUT: u64 = ((1 << OUTPUT_BITS) - 1) & !(PAGE_SIZE - 1);

/// One translation table. What a fresh one holds does not matter: it is cleared when it is used.
#[derive(Clone, Debug)]
#[repr(C, align(4096))]
pub struct Table([u64; ENTRIES]);

impl Table {
    /// A table with no valid entry.
    pub const EMPTY: Self = Self([0; ENTRIES]);

    /// Its descriptors, as the hardware reads them.
    pub fn descriptors(&self) -> &[u64; ENTRIES] {
        &self.0
    }
}

/// Why a mapping was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MapError {
    /// An address or the size is not a multiple of 4 KiB.
    Unaligned,
    /// The input passes [`INPUT_BITS`] or the output [`OUTPUT_BITS`].
    OutOfRange,
    /// Part of the input is mapped already.
    Overlap,
    /// The pool has no table left.
    OutOfTables,
}

/// A tree of translation tables in a pool, the root first.
pub struct Tables<'a> {
    pool: &'a mut [Table],
    base: Pa,
    used: usize,
}

/// A run of input addresses, and what is left to map of it.
#[derive(Clone, Copy)]
struct Run {
    input: u64,
    output: u64,
    size: u64,
}

impl Run {
    /// Takes off the part before the next multiple of `span` (a power of two).
    #[inline(always)]
    fn take(&mut self, span: u64) -> Self {
        let part = Self { size: self.size.min(span - (self.input & (span - 1))), ..*self };
        // The run is in range (`run`), so that no sum wraps.
        self.input = self.input.wrapping_add(part.size);
        self.output = self.output.wrapping_add(part.size);
        self.size -= part.size;
        part
    }

    /// The entries of its pages in a level 3 table, which it lies in.
    fn pages(&self) -> Range<usize> {
        let first = slot(self.input, PAGE_SIZE);
        first..first + (self.size / PAGE_SIZE) as usize
    }

    /// Whether this, taken off for `span`, is one leaf of that size.
    fn is_leaf(&self, span: u64) -> bool {
        self.size == span && self.output & (span - 1) == 0
    }
}

impl<'a> Tables<'a> {
    /// Tables that map nothing, with `pool[0]` as the root. `base` is the physical address of
    /// `pool[0]`; the others follow it page by page.
    ///
    /// # Errors
    ///
    /// [`MapError::OutOfTables`] if the pool is empty, and for a `base` that is not the address of
    /// a page [`MapError::Unaligned`] or [`MapError::OutOfRange`].
    pub fn new(pool: &'a mut [Table], base: Pa) -> Result<Self, MapError> {
        check(base.get(), pool.len() as u64 * PAGE_SIZE, OUTPUT_BITS)?;
        let mut tables = Self { pool, base, used: 0 };
        tables.take_table()?;
        Ok(tables)
    }

    /// Maps the `size` bytes from `input` to those from `output`, with the largest leaves that the
    /// alignment of the two allows. No bytes are allowed and do nothing.
    ///
    /// # Errors
    ///
    /// After [`MapError::OutOfTables`] the first part of the mapping may be in place; the others
    /// leave the tables as they were.
    pub fn map(
        &mut self,
        input: impl Address,
        output: Pa,
        size: u64,
        memory: Memory,
    ) -> Result<(), MapError> {
        let run = run(input, output, size)?;
        if self.is_free(0, LEVEL_1_SPAN, run) {
            self.fill(0, LEVEL_1_SPAN, run, memory)
        } else {
            Err(MapError::Overlap)
        }
    }

    /// Maps what is not mapped yet of the `size` bytes from `input` to those from `output`. What is
    /// mapped stays as it is.
    ///
    /// # Errors
    ///
    /// After [`MapError::OutOfTables`] part of the mapping may be in place; the others leave the
    /// tables as they were.
    pub fn map_missing(
        &mut self,
        input: impl Address,
        output: Pa,
        size: u64,
        memory: Memory,
    ) -> Result<(), MapError> {
        self.fill(0, LEVEL_1_SPAN, run(input, output, size)?, memory)
    }

    /// Takes back pages that were mapped as pages. The caller invalidates the TLBs. Always inlined, as
    /// what it calls: the caller takes the code of this module back.
    ///
    /// # Errors
    ///
    /// [`MapError::Unaligned`] at the first page that is not mapped, or by a larger leaf.
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

    /// How many tables of the pool are in use, from its start. The first is the root, for TTBR0_EL2
    /// or VTTBR_EL2.
    pub fn tables_used(&self) -> usize {
        self.used
    }

    /// The tables in use, and where they lie.
    pub fn in_use(&self) -> (&[Table], Region<Pa>) {
        let pool = &self.pool[..self.used];
        let size = pool.len() as u64 * PAGE_SIZE;
        (pool, Region::new(self.base, size).expect("`new` has checked the whole pool"))
    }

    /// Whether nothing is mapped of the input of `run`, which lies in the table `index`, whose
    /// entries span `span` bytes.
    fn is_free(&self, index: usize, span: u64, mut run: Run) -> bool {
        let entries = &self.pool[index].0;
        if span == PAGE_SIZE {
            return entries[run.pages()].iter().all(|entry| *entry == 0);
        }
        while run.size > 0 {
            let entry = entries[slot(run.input, span)];
            let part = run.take(span);
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

    /// Maps what is not mapped yet of `run`, which lies in the table `index`, whose entries span
    /// `span` bytes.
    ///
    /// A new table is filled before it is linked: a walk, which can come at any time on another
    /// CPU, sees no entry or a complete one, never what the table's memory held before.
    fn fill(
        &mut self,
        index: usize,
        span: u64,
        mut run: Run,
        memory: Memory,
    ) -> Result<(), MapError> {
        if span == PAGE_SIZE {
            let mut page = run.output | memory.0 | TABLE_OR_PAGE;
            let mut put = |entry: &mut u64| {
                if *entry == 0 {
                    *entry = page;
                }
                // All of the run is in range (`run`).
                page = page.wrapping_add(PAGE_SIZE);
            };
            let (fours, rest) = self.pool[index].0[run.pages()].as_chunks_mut();
            for [a, b, c, d] in fours {
                put(a);
                put(b);
                put(c);
                put(d);
            }
            rest.iter_mut().for_each(put);
            return Ok(());
        }
        while run.size > 0 {
            let slot = slot(run.input, span);
            let part = run.take(span);
            let entry = self.pool[index].0[slot];
            if entry == 0 && part.is_leaf(span) {
                self.pool[index].0[slot] = part.output | memory.0 | BLOCK;
            } else if let Some(next) = self.linked(entry, span) {
                self.fill(next, span / ENTRIES as u64, part, memory)?;
            } else if entry == 0 {
                let next = self.take_table()?;
                self.fill(next, span / ENTRIES as u64, part, memory)?;
                fence(Ordering::Release);
                let address = self.base.get() + next as u64 * PAGE_SIZE;
                self.pool[index].0[slot] = address | TABLE_OR_PAGE;
            }
        }
        Ok(())
    }

    /// Where the walk of `input`, which has [`INPUT_BITS`], ends: the table, the entry in it, and the
    /// bytes that the entry spans.
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

    /// The entry in which the walk of `input` ends, the first address that it spans, and how many it
    /// spans. Always inlined: a caller stays when the code of this module goes.
    #[inline(always)]
    pub(crate) fn leaf_mut(&mut self, input: u64) -> Option<(&mut u64, u64, u64)> {
        if input >> INPUT_BITS != 0 {
            return None;
        }
        let (index, slot, span) = self.find(input);
        Some((&mut self.pool[index].0[slot], input - input % span, span))
    }

    fn take_table(&mut self) -> Result<usize, MapError> {
        let index = self.used;
        let table = self.pool.get_mut(index).ok_or(MapError::OutOfTables)?;
        table.0.fill(0);
        self.used += 1;
        Ok(index)
    }

    /// The index of the table that `entry`, of a table whose entries span `span`, links.
    #[inline(always)]
    fn linked(&self, entry: u64, span: u64) -> Option<usize> {
        let is_link = span != PAGE_SIZE && entry & KIND == TABLE_OR_PAGE;
        is_link.then(|| (((entry & OUTPUT) - self.base.get()) / PAGE_SIZE) as usize)
    }
}

/// How many tables it takes to map `mappings` (each input, output and size), the root included.
/// Exact if they are sorted by input address and disjoint, and never too few.
pub fn tables_needed<A: Address>(mappings: impl Iterator<Item = (A, Pa, u64)>) -> usize {
    let mut count = 1;
    let mut last = [None; 2];
    for (input, output, size) in mappings {
        let Ok(run) = run(input, output, size) else { continue };
        // Where the leaves of one level cannot be, the next level needs a table, once. Those of the
        // higher level do not matter for the lower: what they cover, its leaves could cover too.
        for (span, last) in [LEVEL_1_SPAN, LEVEL_2_SPAN].into_iter().zip(&mut last) {
            let mut rest = run;
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

/// The run of `size` bytes from `input` to those from `output`, which are whole pages in range.
fn run(input: impl Address, output: Pa, size: u64) -> Result<Run, MapError> {
    let run = Run { input: input.get(), output: output.get(), size };
    check(run.input, size, INPUT_BITS)?;
    check(run.output, size, OUTPUT_BITS)?;
    Ok(run)
}

/// Checks that `size` bytes from `address` are whole pages within addresses of `bits` bits.
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

#[inline(always)]
fn slot(input: u64, span: u64) -> usize {
    (input / span) as usize % ENTRIES
}
