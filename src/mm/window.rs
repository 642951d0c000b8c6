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
    /// For a partition's memory: that of the CPU's owner, unless the CPU moves data of others.
    Own = 1,
    /// For the memory of another partition, besides.
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
        // It does not wrap: the memory ends below the size of a slot, and there are few slots.
        Region::new(self.address(memory.start()), memory.size()).unwrap_or(Region::EMPTY)
    }

    /// Returns the virtual address of a byte of memory in a window in this slot.
    #[inline(always)]
    pub const fn address(self, byte: Pa) -> Va {
        Va::new(byte.get() | (self.index() as u64) << INPUT_BITS)
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use std::vec;
    use std::vec::Vec;

    use super::*;
    use crate::arch::addr::PAGE_SIZE;
    use crate::boot::tables::tables_needed;
    use crate::mm::tables::{Attributes, Table, Tables};

    const GIB: u64 = 1 << 30;
    const ALL: [Slot; 3] = [Slot::Own, Slot::Peer, Slot::Images];
    /// The address of the pool of the tables below each slot.
    const BASES: [u64; 3] = [0x1_0000, 0x2_0000, 0x3_0000];

    /// A root table, and the tables below.
    struct Cpu {
        root: [u64; ROOT_ENTRIES],
        pools: Vec<Vec<Table>>,
    }

    impl Cpu {
        /// Returns a CPU with tables for a window onto each memory, all closed.
        fn new(memory: &[Region<Pa>; 3]) -> Self {
            let pool = |(memory, base): (&Region<Pa>, u64)| {
                let parts = [(memory.start(), memory.start(), memory.size())];
                let mut pool = vec![Table::EMPTY; tables_needed(parts.into_iter())];
                let mut tables = Tables::new(&mut pool, Pa::new(base)).unwrap();
                let start = memory.start();
                tables.map(start, start, memory.size(), Attributes::WINDOW).unwrap();
                assert_eq!(tables.tables_used(), pool.len());
                pool
            };
            let root = [0; ROOT_ENTRIES];
            Self { root, pools: memory.iter().zip(BASES).map(pool).collect() }
        }

        fn open(&mut self, slot: Slot, of: usize) {
            self.root[slot.index()] = MemoryTables::new(Pa::new(BASES[of])).entry();
        }

        fn close(&mut self, slot: Slot) {
            self.root[slot.index()] = 0;
        }

        /// Translates as the hardware does: 4 KiB granule, 41 bits, from level 0 (Arm ARM D8.2).
        fn translate(&self, address: u64) -> Option<u64> {
            if address >> 41 != 0 {
                return None;
            }
            let mut entry = self.root[(address >> 39) as usize];
            for shift in [30, 21, 12] {
                if entry & 0b11 != 0b11 {
                    return None;
                }
                let at = entry & 0x0000_ffff_ffff_f000;
                let pool = BASES.iter().position(|base| (*base..base + 0x1_0000).contains(&at));
                let pool = pool.unwrap();
                let table = &self.pools[pool][((at - BASES[pool]) / PAGE_SIZE) as usize];
                entry = table.descriptors()[(address >> shift) as usize % 512];
                if entry & 0b11 == if shift == 12 { 0b11 } else { 0b01 } {
                    let offset = address & ((1 << shift) - 1);
                    return Some((entry & 0x0000_ffff_ffff_f000 & !((1 << shift) - 1)) | offset);
                }
            }
            None
        }
    }

    fn memory() -> impl Strategy<Value = Region<Pa>> {
        // Within 1 GiB, across several, and up to the last address.
        let start = prop_oneof![0..4_u64, Just(509)];
        let offset = prop_oneof![0..3_u64, 510..520_u64, (510..512_u64).prop_map(|it| it * 512)];
        let pages = prop_oneof![1..4_u64, 500..1600_u64, Just(0x4_0000), Just(0x6_0203)];
        (start, offset, pages).prop_map(|(start, offset, pages)| {
            let start = start * GIB + offset * PAGE_SIZE;
            Region::new(Pa::new(start), pages * PAGE_SIZE).unwrap()
        })
    }

    /// Addresses in and around a region.
    fn probes(of: Region<Pa>) -> [u64; 5] {
        let (start, end) = (of.start().get(), of.end().get());
        [start, end - 1, start + of.size() / 2, start.wrapping_sub(1), end]
    }

    proptest! {
        #[test]
        fn a_window_shows_its_memory_and_nothing_else(
            memory in [memory(), memory(), memory()],
            (first, second) in (0..3_usize, 0..3_usize),
            (of_first, of_second) in (0..3_usize, 0..3_usize),
        ) {
            let mut cpu = Cpu::new(&memory);
            let mut open = [None; 3];
            for (slot, of) in [(first, of_first), (second, of_second)] {
                cpu.open(ALL[slot], of);
                open[slot] = Some(memory[of]);
            }
            for (slot, open) in ALL.into_iter().zip(open) {
                for probe in memory.into_iter().flat_map(probes) {
                    let byte = Region::new(Pa::new(probe), 1).unwrap_or(Region::EMPTY);
                    if byte.is_empty() || probe >> 39 != 0 {
                        continue;
                    }
                    let at = slot.place(byte).start().get();
                    let shown = open.filter(|memory| memory.covers(&byte)).map(|_| probe);
                    prop_assert_eq!(cpu.translate(at), shown, "{:?} {:#x}", slot, probe);
                    prop_assert_eq!(cpu.translate(probe), None, "at its own address");
                }
            }
            cpu.close(ALL[first]);
            cpu.close(ALL[second]);
            for probe in memory.into_iter().flat_map(probes) {
                let reached = (0..4).find_map(|slot| cpu.translate(probe | slot << 39));
                prop_assert_eq!(reached, None);
            }
        }
    }

    #[test]
    fn places_are_where_their_slots_are() {
        let memory = Region::new(Pa::new(0x4000_1000), 0x2000).unwrap();
        let places = ALL.map(|slot| slot.place(memory));
        let starts = [0x80_4000_1000, 0x100_4000_1000, 0x180_4000_1000];
        assert_eq!(places.map(|place| place.start().get()), starts);
        assert!(places.iter().all(|place| place.size() == 0x2000));
    }
}
