//! Translation tables, and what can be done with them once guests run.
//!
//! EL2's stage 1 and the partitions' stage 2 have the same format (VMSAv8-64 descriptors, Arm ARM
//! D8.3): input addresses of 39 bits and a granule of 4 KiB. The walk starts at level 1 with a root
//! of one page, and leaves span 1 GiB, 2 MiB or 4 KiB. The two differ in the leaves' [`Attributes`]
//! and in the type of the input address.
//!
//! The tables are in a pool that EL2 provides. `boot::tables` builds them.

use crate::arch::addr::{Address, PAGE_SIZE, Pa};

mod attributes;

pub use attributes::Attributes;

/// The number of bits of an input address (`T0SZ` = 64 - 39 in TCR_EL2 and VTCR_EL2).
pub const INPUT_BITS: u32 = 39;

/// The most bits that an output address can have. 52 bits need another descriptor format.
pub const OUTPUT_BITS: u32 = 48;

pub(crate) const ENTRIES: usize = 512;
/// Bytes that an entry of level 1 spans.
pub(crate) const LEVEL_1_SPAN: u64 = 1 << 30;
/// Bytes that an entry of level 2 spans.
pub(crate) const LEVEL_2_SPAN: u64 = 1 << 21;

/// The bits of a descriptor that hold its type (Arm ARM D8.3.1).
pub(crate) const TYPE: u64 = 0b11;
/// A block, at levels 1 and 2.
pub(crate) const BLOCK: u64 = 0b01;
/// A table at levels 1 and 2, a page at level 3.
pub(crate) const TABLE_OR_PAGE: u64 = 0b11;
/// The bits of a descriptor that hold the output address.
pub(crate) const OUTPUT: u64 = ((1 << OUTPUT_BITS) - 1) & !(PAGE_SIZE - 1);

/// One translation table. Its initial contents do not matter: it is cleared before it is used.
#[derive(Clone, Debug)]
#[repr(C, align(4096))]
pub struct Table(pub(crate) [u64; ENTRIES]);

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
    pub(crate) pool: &'a mut [Table],
    /// The physical address of the pool.
    pub(crate) base: Pa,
    /// The number of tables in use.
    pub(crate) used: usize,
}

impl Tables<'_> {
    /// Unmaps pages that were mapped as pages. The caller invalidates the TLBs.
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
            let table = self.pool.get_mut(index);
            let entries = table.and_then(|table| table.0.get_mut(slot..));
            for entry in entries.ok_or(MapError::Unaligned)? {
                if span != PAGE_SIZE || *entry == 0 {
                    return Err(MapError::Unaligned);
                }
                *entry = 0;
                rest.start = rest.start.wrapping_add(PAGE_SIZE);
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

    /// Finds the entry at which the walk of `input` (of [`INPUT_BITS`]) ends. Returns the index of
    /// the table, the index of the entry in it, and how many bytes the entry spans.
    // One copy for all callers.
    #[inline(never)]
    pub(crate) fn find(&self, input: u64) -> (usize, usize, u64) {
        let (mut index, mut span) = (0, LEVEL_1_SPAN);
        loop {
            let slot = slot(input, span);
            match self.linked(self.pool[index].0[slot], span) {
                Some(next) => (index, span) = (next, span / ENTRIES as u64),
                None => return (index, slot, span),
            }
        }
    }

    /// Returns the index of the table that `entry` links to, if it is a link. `span` is what the
    /// entry spans, in bytes.
    #[inline(always)]
    pub(crate) fn linked(&self, entry: u64, span: u64) -> Option<usize> {
        let is_link = span != PAGE_SIZE && entry & TYPE == TABLE_OR_PAGE;
        is_link.then(|| ((entry & OUTPUT).wrapping_sub(self.base.get()) / PAGE_SIZE) as usize)
    }
}

/// Checks that `size` bytes from `address` are whole pages, at addresses of at most `bits` bits.
#[inline(always)]
pub(crate) fn check(address: u64, size: u64, bits: u32) -> Result<(), MapError> {
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
pub(crate) fn slot(input: u64, span: u64) -> usize {
    (input / span) as usize % ENTRIES
}
