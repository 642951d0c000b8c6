//! Translation tables as data: map, look up, walk.
//!
//! One format serves EL2's own stage 1 and every partition's stage 2 (Arm ARM D8.3, VMSAv8-64
//! descriptors): 39-bit input addresses and a 4 KiB granule, so that the walk starts at level 1
//! with a root of one page, and leaves of 1 GiB, 2 MiB and 4 KiB. What differs, the attributes of
//! a leaf and the type of the input address, is the parameter [`Memory`].
//!
//! The tables lie in a pool that EL2 hands over. Mappings are only ever added, so an entry goes
//! from invalid to valid and never back: no break-before-make and no TLB invalidation are needed,
//! only EL2's `DSB ISHST; ISB` after [`Tables::map`], before the new mapping is used.

use core::marker::PhantomData;
use core::sync::atomic::{Ordering, fence};

use tock_registers::register_bitfields;

use crate::addr::{Address, PAGE_SIZE, Pa};

mod memory;
pub use memory::{Guest, Hypervisor, Memory};

/// Input addresses have this many bits (`T0SZ` = 64 - 39 in TCR_EL2 and VTCR_EL2).
pub const INPUT_BITS: u32 = 39;

/// Output addresses have at most this many bits: 52-bit ones need another descriptor format.
pub const OUTPUT_BITS: u32 = 48;

const ENTRIES: usize = 512;
const LEVEL_1_SPAN: u64 = 1 << 30;
const LEVEL_2_SPAN: u64 = 1 << 21;

const OUTPUT_MASK: u64 = ((1 << OUTPUT_BITS) - 1) & !(PAGE_SIZE - 1);

register_bitfields![u64,
    /// What all descriptors share (Arm ARM D8.3.1): bits 1:0.
    DESCRIPTOR [
        KIND OFFSET(0) NUMBITS(2) [
            Block = 0b01,
            /// At levels 1 and 2 the next table, at level 3 a page.
            TableOrPage = 0b11,
        ],
    ],
];

/// A run of input addresses, and the run of physical addresses that it translates to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mapping<M: Memory> {
    /// The first input address.
    pub input: M::Input,
    /// The physical address that `input` translates to.
    pub output: Pa,
    /// The length in bytes.
    pub size: u64,
    /// What kind of memory it is.
    pub memory: M,
}

/// One translation table. What a fresh one holds does not matter: it is cleared when it is used.
#[derive(Clone, Debug)]
#[repr(C, align(4096))]
pub struct Table([u64; ENTRIES]);

impl Table {
    /// A table with no valid entry.
    pub const EMPTY: Self = Self([0; ENTRIES]);
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
#[derive(Debug)]
pub struct Tables<'a, M> {
    pool: &'a mut [Table],
    base: Pa,
    used: usize,
    memory: PhantomData<M>,
}

/// What is left to map: a [`Mapping`] in numbers.
#[derive(Clone, Copy)]
struct Run {
    input: u64,
    output: u64,
    size: u64,
    attributes: u64,
}

impl Run {
    /// The part before the next multiple of `span` (a power of two).
    fn head(self, span: u64) -> Self {
        let size = self.size.min(span - self.input % span);
        Self { size, ..self }
    }

    /// Drops the first `bytes`.
    fn skip(&mut self, bytes: u64) {
        self.input += bytes;
        self.output += bytes;
        self.size -= bytes;
    }

    /// Whether this, a head for `span`, is one leaf of that size.
    fn is_leaf(&self, span: u64) -> bool {
        self.size == span && self.output.is_multiple_of(span)
    }
}

impl<'a, M: Memory> Tables<'a, M> {
    /// Tables that map nothing, with `pool[0]` as the root. `base` is the physical address of
    /// `pool[0]`; the others follow it page by page.
    ///
    /// # Errors
    ///
    /// [`MapError::OutOfTables`] if the pool is empty, and for a `base` that is not the address of
    /// a page [`MapError::Unaligned`] or [`MapError::OutOfRange`].
    pub fn new(pool: &'a mut [Table], base: Pa) -> Result<Self, MapError> {
        check(base.get(), pool.len() as u64 * PAGE_SIZE, OUTPUT_BITS)?;
        let mut tables = Self { pool, base, used: 0, memory: PhantomData };
        tables.take_table()?;
        Ok(tables)
    }

    /// Adds `mapping`, with the largest leaves that the alignment of its two ends allows. An empty
    /// one is allowed and does nothing.
    ///
    /// # Errors
    ///
    /// After [`MapError::OutOfTables`] the first part of the mapping may be in place; the others
    /// leave the tables as they were.
    pub fn map(&mut self, mapping: &Mapping<M>) -> Result<(), MapError> {
        let (input, output, size) = (mapping.input.get(), mapping.output.get(), mapping.size);
        check(input, size, INPUT_BITS)?;
        check(output, size, OUTPUT_BITS)?;
        if !self.is_free(input, size) {
            return Err(MapError::Overlap);
        }
        let attributes = mapping.memory.attributes();
        self.fill(0, LEVEL_1_SPAN, Run { input, output, size, attributes })
    }

    /// The leaf that translates `input`, or `None` where nothing is mapped.
    ///
    /// # Panics
    ///
    /// If the leaf is not one that [`Tables::map`] writes. Then the tables have been overwritten
    /// and nothing that rests on them holds any more.
    #[must_use]
    pub fn look_up(&self, input: M::Input) -> Option<Mapping<M>> {
        self.find(input.get()).1
    }

    /// All leaves, in the order of their input addresses.
    ///
    /// # Panics
    ///
    /// The iterator does, as [`Tables::look_up`].
    pub fn walk(&self) -> impl Iterator<Item = Mapping<M>> {
        let mut next = 0;
        core::iter::from_fn(move || {
            while next >> INPUT_BITS == 0 {
                let (span, leaf) = self.find(next);
                next += span;
                if leaf.is_some() {
                    return leaf;
                }
            }
            None
        })
    }

    /// The address of the root table, for TTBR0_EL2 or VTTBR_EL2.
    #[must_use]
    pub fn root(&self) -> Pa {
        self.base
    }

    /// How many tables of the pool are in use, from its start.
    #[must_use]
    pub fn tables_used(&self) -> usize {
        self.used
    }

    /// Whether nothing is mapped in the `size` bytes from `input`.
    fn is_free(&self, input: u64, size: u64) -> bool {
        let mut next = input;
        while next < input + size {
            match self.find(next) {
                (_, Some(_)) => return false,
                (span, None) => next += span,
            }
        }
        true
    }

    /// Maps `run`, which is free and lies in the table `index`, whose entries span `span` bytes.
    ///
    /// A new table is filled before it is linked: a walk, which can come at any time on another
    /// CPU, sees no entry or a complete one, never what the table's memory held before.
    fn fill(&mut self, index: usize, span: u64, mut run: Run) -> Result<(), MapError> {
        while run.size > 0 {
            let slot = slot(run.input, span);
            let part = run.head(span);
            run.skip(part.size);
            let entry = self.pool[index].0[slot];
            if part.is_leaf(span) {
                self.pool[index].0[slot] = part.output | part.attributes | leaf_kind(span);
            } else if entry == 0 {
                let next = self.take_table()?;
                self.fill(next, span / ENTRIES as u64, part)?;
                fence(Ordering::Release);
                self.pool[index].0[slot] = self.link(next);
            } else {
                let next = self.linked(entry, span).ok_or(MapError::Overlap)?;
                self.fill(next, span / ENTRIES as u64, part)?;
            }
        }
        Ok(())
    }

    /// The leaf at `input`, and the bytes from `input` to the end of that leaf or of the hole.
    fn find(&self, input: u64) -> (u64, Option<Mapping<M>>) {
        if input >> INPUT_BITS != 0 {
            return (0, None);
        }
        let (mut index, mut span) = (0, LEVEL_1_SPAN);
        loop {
            let entry = self.pool[index].0[slot(input, span)];
            match self.linked(entry, span) {
                Some(next) => (index, span) = (next, span / ENTRIES as u64),
                None => {
                    let leaf = (entry != 0).then(|| read_leaf(entry, input - input % span, span));
                    return (span - input % span, leaf);
                }
            }
        }
    }

    fn take_table(&mut self) -> Result<usize, MapError> {
        let index = self.used;
        let table = self.pool.get_mut(index).ok_or(MapError::OutOfTables)?;
        table.0.fill(0);
        self.used += 1;
        Ok(index)
    }

    fn link(&self, index: usize) -> u64 {
        self.base.get() + index as u64 * PAGE_SIZE + DESCRIPTOR::KIND::TableOrPage.value
    }

    /// The index of the table that `entry`, of a table whose entries span `span`, links.
    fn linked(&self, entry: u64, span: u64) -> Option<usize> {
        let is_link = span != PAGE_SIZE && DESCRIPTOR::KIND::TableOrPage.matches_all(entry);
        is_link.then(|| (((entry & OUTPUT_MASK) - self.base.get()) / PAGE_SIZE) as usize)
    }
}

/// How many tables it takes to map `mappings` (each input, output and size), the root included.
/// Exact if they are sorted by input address and disjoint, and never too few.
pub fn tables_needed<A: Address>(mappings: impl Iterator<Item = (A, Pa, u64)>) -> usize {
    let mut count = 1;
    let mut last = [None; 2];
    for (input, output, size) in mappings {
        let (input, output) = (input.get(), output.get());
        let mut run = Run { input, output, size, attributes: 0 };
        while run.size > 0 && run.input >> INPUT_BITS == 0 && run.output >> OUTPUT_BITS == 0 {
            let mut part = run;
            for (span, last) in [LEVEL_1_SPAN, LEVEL_2_SPAN].into_iter().zip(&mut last) {
                part = part.head(span);
                if part.is_leaf(span) {
                    break;
                }
                let table = Some(part.input / span);
                count += usize::from(*last != table);
                *last = table;
            }
            run.skip(part.size);
        }
    }
    count
}

/// Checks that `size` bytes from `address` are whole pages within addresses of `bits` bits.
fn check(address: u64, size: u64, bits: u32) -> Result<(), MapError> {
    if !(address | size).is_multiple_of(PAGE_SIZE) {
        return Err(MapError::Unaligned);
    }
    match address.checked_add(size) {
        Some(end) if end <= 1 << bits => Ok(()),
        _ => Err(MapError::OutOfRange),
    }
}

fn slot(input: u64, span: u64) -> usize {
    (input / span) as usize % ENTRIES
}

fn leaf_kind(span: u64) -> u64 {
    if span == PAGE_SIZE {
        DESCRIPTOR::KIND::TableOrPage.value
    } else {
        DESCRIPTOR::KIND::Block.value
    }
}

fn read_leaf<M: Memory>(entry: u64, input: u64, size: u64) -> Mapping<M> {
    let attributes = entry & !OUTPUT_MASK & !DESCRIPTOR::KIND.mask;
    let memory = M::ALL.iter().find(|memory| memory.attributes() == attributes);
    Mapping {
        input: M::Input::new(input),
        output: Pa::new(entry & OUTPUT_MASK),
        size,
        memory: *memory.expect("a translation table was overwritten"),
    }
}

#[cfg(test)]
mod tests;
