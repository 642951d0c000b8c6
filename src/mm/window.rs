//! Windows: the ranges of EL2's virtual addresses at which a CPU can open a partition's memory, or
//! the images, for itself.
//!
//! EL2's input addresses have [`ROOT_BITS`] bits. The walk starts at level 0, with a root of
//! [`ROOT_ENTRIES`] entries of 512 GiB, and each CPU has a root of its own:
//!
//! | entry | input addresses | leads to |
//! |--:|---|---|
//! | 0 | below 512 GiB | the tables of level 1 to 3 that all CPUs share: Bulkhead, devices |
//! | [`Slot`] | from 512 GiB on | nothing, or the tables of what the CPU has opened |
//!
//! The tables below a slot exist once for each partition, and once for the images. They translate
//! the low [`INPUT_BITS`] bits of an address to the physical address of the same value, so that one
//! entry opens memory of any size and alignment. No root leads to them unless a window is open.

use super::tables::{INPUT_BITS, TABLE_OR_PAGE};
use crate::arch::addr::{Pa, Region, Va};

/// The number of bits of EL2's input addresses (`T0SZ` = 64 - 41 in TCR_EL2). With 4 KiB pages and
/// 40 to 48 bits the walk starts at level 0 (Arm ARM D8.2).
pub const ROOT_BITS: u32 = INPUT_BITS + 2;

/// The number of entries of a root table, each of which spans 512 GiB.
pub const ROOT_ENTRIES: usize = 1 << (ROOT_BITS - INPUT_BITS);

/// A root table's place for a window. A CPU can open one window in each at the same time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Slot {
    /// For the memory of the partition that owns the CPU.
    Own = 1,
    /// For the memory of another partition.
    Peer = 2,
    /// For the images that partitions are built from.
    Images = 3,
}

/// The finished tables below a window onto one memory, which map it to its own addresses, and
/// nothing else.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MemoryTables(Pa);

impl Slot {
    /// Returns the index of the slot's entry in a root table.
    #[inline(always)]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Returns the virtual addresses of memory in a window in this slot. The memory is below 2 to
    /// the power of [`INPUT_BITS`], like all that tables map to its own addresses.
    #[inline(always)]
    pub fn place(self, memory: Region<Pa>) -> Region<Va> {
        let start = memory.start().get() | (self.index() as u64) << INPUT_BITS;
        // It does not wrap: the memory ends below the size of a slot, and there are few slots.
        Region::new(Va::new(start), memory.size()).unwrap_or(Region::EMPTY)
    }
}

impl MemoryTables {
    /// Returns the tables whose table of level 1 is at this address.
    pub const fn new(table: Pa) -> Self {
        Self(table)
    }

    /// Returns the address of the table of level 1.
    pub const fn table(self) -> Pa {
        self.0
    }

    /// Returns the entry of a root table that leads to these tables (Arm ARM D8.3.1). Its other
    /// value is 0, which is invalid, so that it is never changed from one valid entry to another.
    #[inline(always)]
    pub const fn entry(self) -> u64 {
        self.0.get() | TABLE_OR_PAGE
    }
}
