//! Walks finished tables as the hardware does (Arm ARM D8.2 and D8.3, VMSAv8-64): 4 KiB granule, 39
//! bits, from level 1.

use alloc::vec;
use alloc::vec::Vec;
use core::mem;

use crate::arch::addr::{PAGE_SIZE, Pa, Region};

/// A table in memory.
pub type Descriptors = [u64; 512];

/// Reads the table at an address in the memory for tables.
pub type Read<'a> = &'a dyn Fn(Pa) -> &'a Descriptors;

/// Bits 47:12 of a descriptor: the next table, or the memory that a leaf maps.
const ADDRESS: u64 = 0x0000_ffff_ffff_f000;

/// A range of consecutive input addresses that map to consecutive output addresses with the same
/// attributes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Run {
    /// The first input address.
    pub input: u64,
    /// The output address of the first one.
    pub output: u64,
    /// The size in bytes.
    pub size: u64,
    /// The leaves' descriptors without the address and bits 1:0.
    pub attributes: u64,
}

/// The initial capacity of a list of runs, which is enough for most tables.
const RUNS: usize = 16;

/// An error in the tables, as a clause, and its address.
pub(super) type Wrong = (&'static str, u64);

/// A walk of tables.
pub(super) struct Walk<'a> {
    tables: Region<Pa>,
    read: Read<'a>,
    /// For each page of `tables`, whether the walk has used it as a table.
    seen: Vec<bool>,
}

impl<'a> Walk<'a> {
    /// Creates a walk of tables that must all lie in `tables`.
    pub fn new(tables: Region<Pa>, read: Read<'a>) -> Self {
        let pages = (tables.size() / PAGE_SIZE) as usize;
        Self { tables, read, seen: vec![false; pages] }
    }

    /// Returns the number of tables so far.
    pub fn tables(&self) -> usize {
        self.seen.iter().filter(|seen| **seen).count()
    }

    /// Returns what the tables below this root map, by ascending input address.
    ///
    /// # Errors
    ///
    /// The first invalid descriptor, or the first table outside `tables` or with two parents.
    pub fn root(&mut self, root: Pa) -> Result<Vec<Run>, Wrong> {
        let mut runs = Vec::with_capacity(RUNS);
        self.table(root.get(), 1, 0, &mut runs)?;
        Ok(runs)
    }

    /// Walks the table at `address`, of `level` 1 to 3, whose first entry translates `input`.
    fn table(
        &mut self,
        address: u64,
        level: u32,
        input: u64,
        runs: &mut Vec<Run>,
    ) -> Result<(), Wrong> {
        let span = PAGE_SIZE << (9 * (3 - level));
        let mut descriptors = self.take(address)?.as_slice();
        let mut input = input;
        while let [descriptor, rest @ ..] = descriptors {
            let output = descriptor & ADDRESS;
            let mut count = 1;
            match (descriptor & 0b11, level) {
                // Invalid: an access faults.
                (0b00 | 0b10, _) => count += invalid(rest),
                (0b01, 1 | 2) | (0b11, 3) => {
                    if !output.is_multiple_of(span) {
                        return Err(("a block's address is not a multiple of its size", input));
                    }
                    count += following(*descriptor, span, rest);
                    let attributes = descriptor & !(ADDRESS | 0b11);
                    add(runs, Run { input, output, size: span * count as u64, attributes });
                }
                (0b11, _) if descriptor & !(ADDRESS | 0b11) == 0 => {
                    self.table(output, level + 1, input, runs)?;
                }
                _ => return Err(("a descriptor has reserved bits", input)),
            }
            descriptors = &descriptors[count..];
            input += span * count as u64;
        }
        Ok(())
    }

    /// Returns the table at this address, which must be new to the walk.
    fn take(&mut self, address: u64) -> Result<&'a Descriptors, Wrong> {
        let address = Pa::new(address);
        if !address.is_aligned(PAGE_SIZE) || !self.tables.contains(address) {
            return Err(("a table lies outside the memory for tables", address.get()));
        }
        let index = (address.get() - self.tables.start().get()) / PAGE_SIZE;
        match self.seen.get_mut(index as usize) {
            Some(seen) if !*seen => *seen = true,
            _ => return Err(("a table is reached twice", address.get())),
        }
        Ok((self.read)(address))
    }
}

/// Returns how many of the first descriptors are invalid. Most tables are almost empty, so unless the
/// first eight show that this one is not, this checks 64 descriptors for zero at once, then eight.
fn invalid(descriptors: &[u64]) -> usize {
    let or = |[a, b, c, d, e, f, g, h]: &[u64; 8]| a | b | c | d | e | f | g | h;
    let mut zeros = 0;
    if descriptors.first_chunk().is_some_and(|first| or(first) == 0) {
        let are_zero = |all: &&[u64; 64]| {
            let ([a, b, c, d, e, f, g, h], _) = all.as_chunks() else { return false };
            or(a) | or(b) | or(c) | or(d) | or(e) | or(f) | or(g) | or(h) == 0
        };
        zeros = descriptors.as_chunks().0.iter().take_while(are_zero).count() * 64;
        let are_zero = |all: &&[u64; 8]| or(all) == 0;
        zeros += descriptors[zeros..].as_chunks().0.iter().take_while(are_zero).count() * 8;
    }
    zeros + descriptors[zeros..].iter().take_while(|it| *it & 1 == 0).count()
}

/// Returns how many of the first descriptors continue the run that `leaf` begins: each maps the
/// `span` bytes behind those of the one before, with the same attributes. Whole tables may, so this
/// checks four at once.
fn following(leaf: u64, span: u64, descriptors: &[u64]) -> usize {
    // Stop at the last address that a descriptor can have, so that the sums do not wrap.
    let max = ((ADDRESS - (leaf & ADDRESS)) / span) as usize;
    let descriptors = &descriptors[..max.min(descriptors.len())];
    // Zero if `next` continues the run.
    let step = |last: u64, next: u64| next.wrapping_sub(last) ^ span;
    let mut last = leaf;
    let follow = |[a, b, c, d]: &&[u64; 4]| {
        let steps = step(last, *a) | step(*a, *b) | step(*b, *c) | step(*c, *d);
        last = *d;
        steps == 0
    };
    let count = descriptors.as_chunks().0.iter().take_while(follow).count() * 4;
    let mut last = if count == 0 { leaf } else { descriptors[count - 1] };
    let follows = |next: &&u64| step(mem::replace(&mut last, **next), **next) == 0;
    count + descriptors[count..].iter().take_while(follows).count()
}

/// Adds a run, which is merged with the last one if it continues that.
fn add(runs: &mut Vec<Run>, next: Run) {
    match runs.last_mut() {
        Some(last)
            if last.input + last.size == next.input
                && last.output + last.size == next.output
                && last.attributes == next.attributes =>
        {
            last.size += next.size;
        }
        _ => runs.push(next),
    }
}
