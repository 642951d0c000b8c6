//! Walking finished tables as the hardware will (Arm ARM D8.2 and D8.3, VMSAv8-64): 4 KiB granule,
//! 39 bits, from level 1.

use alloc::vec;
use alloc::vec::Vec;
use core::mem;

use crate::arch::addr::{PAGE_SIZE, Pa, Region};

/// A table as it lies in memory.
pub type Descriptors = [u64; 512];

/// Reads the table at an address, which lies in the memory that was named for tables.
pub type Read<'a> = &'a dyn Fn(Pa) -> &'a Descriptors;

/// Bits 47:12 of a descriptor: the next table, or the memory that a leaf maps.
const ADDRESS: u64 = 0x0000_ffff_ffff_f000;

/// A run of addresses that follow each other on both sides, with leaves that say the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Run {
    /// The first input address.
    pub input: u64,
    /// The memory that it leads to.
    pub output: u64,
    /// Bytes.
    pub size: u64,
    /// All of the leaves' descriptors but the address and bits 1:0.
    pub attributes: u64,
}

/// What is wrong, and at which address.
pub(super) type Wrong = (&'static str, u64);

/// A walk of all tables of some memory.
pub(super) struct Walk<'a> {
    tables: Region<Pa>,
    read: Read<'a>,
    /// For each page of `tables`, whether it was a table already.
    seen: Vec<bool>,
}

impl<'a> Walk<'a> {
    /// A walk of tables that all have to lie in `tables`.
    pub fn new(tables: Region<Pa>, read: Read<'a>) -> Self {
        let pages = (tables.size() / PAGE_SIZE) as usize;
        Self { tables, read, seen: vec![false; pages] }
    }

    /// How many tables there were so far.
    pub fn tables(&self) -> usize {
        self.seen.iter().filter(|seen| **seen).count()
    }

    /// All that the tables below this root map, by ascending input address.
    pub fn root(&mut self, root: Pa) -> Result<Vec<Run>, Wrong> {
        let mut runs = Vec::new();
        self.table(root.get(), 1, 0, &mut runs)?;
        Ok(runs)
    }

    /// Walks the table at `address`, of `level` 1 to 3, whose first entry is for `input`.
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
                // Bit 0 clear: whoever comes here faults.
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

    /// The table at this address, which is none yet.
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

/// How many of the first descriptors have bit 0 clear. Most tables are almost empty, so this looks
/// for eight zeros at once.
fn invalid(descriptors: &[u64]) -> usize {
    let are_zero = |[a, b, c, d, e, f, g, h]: &&[u64; 8]| (a | b | c | d | e | f | g | h) == 0;
    let zeros = descriptors.as_chunks().0.iter().take_while(are_zero).count() * 8;
    zeros + descriptors[zeros..].iter().take_while(|it| *it & 1 == 0).count()
}

/// How many of the first descriptors each say what the one before, beginning with `leaf`, says of
/// the `span` bytes before. There may be whole tables of them, so this looks at four at once.
fn following(leaf: u64, span: u64, descriptors: &[u64]) -> usize {
    // The last address that a descriptor holds has none behind it, so nothing wraps here.
    let most = ((ADDRESS - (leaf & ADDRESS)) / span) as usize;
    let descriptors = &descriptors[..most.min(descriptors.len())];
    // Zero if `next` follows.
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
