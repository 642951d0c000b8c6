//! Unmaps memory that boot has read at its own addresses.

use crate::arch::addr::{Address, Region};
use crate::mm::tables::{INPUT_BITS, Tables};

impl Tables<'_> {
    /// Unmaps those leaves of the input `region` that do not reach beyond it. The caller
    /// invalidates the TLBs.
    pub fn unmap_leaves<A: Address>(&mut self, region: Region<A>) {
        let (mut address, end) = (region.start().get(), region.end().get());
        while address < end && address >> INPUT_BITS == 0 {
            let (index, slot, span) = self.find(address);
            let start = address & !(span - 1);
            // It does not wrap: an input has INPUT_BITS.
            address = start.wrapping_add(span);
            if start >= region.start().get() && address <= end {
                self.pool[index].0[slot] = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use std::vec;
    use std::vec::Vec;

    use super::*;
    use crate::arch::addr::{PAGE_SIZE, Pa};
    use crate::mm::tables::{Attributes, Table};

    fn region(first: u64, pages: u64) -> Region<Pa> {
        Region::new(Pa::new(first * PAGE_SIZE), pages * PAGE_SIZE).unwrap()
    }

    /// Returns all leaves of the first 32 MiB.
    fn leaves(tables: &Tables<'_>) -> Vec<Region<Pa>> {
        let (mut leaves, mut address) = (Vec::new(), 0);
        while address < 32 << 20 {
            let (index, slot, span) = tables.find(address);
            if tables.pool[index].0[slot] != 0 {
                leaves.push(Region::new(Pa::new(address), span).unwrap());
            }
            address += span;
        }
        leaves
    }

    proptest! {
        #[test]
        fn unmapping_leaves_all_leaves_that_reach_beyond_the_region(
            mapped in (0_u64..600, 1_u64..3000),
            unmapped in (0_u64..1200, 0_u64..3000),
        ) {
            let mut pool = vec![Table::EMPTY; 16];
            let mut tables = Tables::new(&mut pool, Pa::new(0x7000_0000)).unwrap();
            let (mapped, unmapped) = (region(mapped.0, mapped.1), region(unmapped.0, unmapped.1));
            tables.map(mapped.start(), mapped.start(), mapped.size(), Attributes::DATA).unwrap();
            let mut expected = leaves(&tables);
            expected.retain(|leaf| !unmapped.covers(leaf));
            tables.unmap_leaves(unmapped);
            prop_assert_eq!(leaves(&tables), expected);
        }
    }

    #[test]
    fn unmapping_all_addresses_ends() {
        let mut pool = vec![Table::EMPTY; 4];
        let mut tables = Tables::new(&mut pool, Pa::new(0x7000_0000)).unwrap();
        tables.map(Pa::new(0x20_0000), Pa::new(0x20_0000), 0x20_1000, Attributes::DATA).unwrap();
        tables.unmap_leaves(Region::new(Pa::new(0), u64::MAX).unwrap());
        assert_eq!(leaves(&tables), []);
    }
}
