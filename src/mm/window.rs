//! Closes and opens mappings after boot, when no table may be allocated or freed any more.

use super::tables::Tables;
use crate::arch::addr::{Pa, Region};

impl Tables<'_> {
    /// Sets or clears the valid bit of the leaves in `region`, and calls `changed` with the first
    /// address of each leaf that this changes. Leaves that reach beyond the region stay as they
    /// are, and unmapped addresses stay unmapped.
    ///
    /// The caller makes the change visible: after closing by invalidating the TLB entries of the
    /// addresses that `changed` got, after opening by `DSB ISHST; ISB`.
    pub fn set_open(&mut self, region: Region<Pa>, is_open: bool, mut changed: impl FnMut(Pa)) {
        let (mut address, end) = (region.start().get(), region.end().get());
        while address < end {
            let leaf = self.leaf_mut(address);
            let Some((entry, start, span)) = leaf else { return };
            let is_inside = start >= region.start().get() && start + span <= end;
            let new = *entry & !1 | u64::from(is_open);
            if is_inside && *entry >> 1 != 0 && *entry != new {
                *entry = new;
                changed(Pa::new(start));
            }
            address = start + span;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use std::vec;
    use std::vec::Vec;

    use super::*;
    use crate::arch::addr::PAGE_SIZE;
    use crate::mm::tables::{Attributes, Table};

    fn region(first: u64, pages: u64) -> Region<Pa> {
        Region::new(Pa::new(first * PAGE_SIZE), pages * PAGE_SIZE).unwrap()
    }

    /// The addresses of the valid leaves, and all leaves without their valid bit.
    fn state(tables: &mut Tables<'_>, all: Region<Pa>) -> (Vec<u64>, Vec<(u64, u64)>) {
        let (mut open, mut leaves) = (Vec::new(), Vec::new());
        let mut address = all.start().get();
        while address < all.end().get() {
            let (entry, start, span) = tables.leaf_mut(address).unwrap();
            if *entry & 1 != 0 {
                open.push(start);
            }
            leaves.push((start, *entry & !1));
            address = start + span;
        }
        (open, leaves)
    }

    proptest! {
        #[test]
        fn closing_and_opening_change_only_the_leaves_in_the_region(
            mapped in (0_u64..600, 1_u64..3000),
            window in (0_u64..1200, 0_u64..3000),
        ) {
            let mut pool = vec![Table::EMPTY; 16];
            let mut tables = Tables::new(&mut pool, Pa::new(0x7000_0000)).unwrap();
            let (mapped, window) = (region(mapped.0, mapped.1), region(window.0, window.1));
            tables.map(mapped.start(), mapped.start(), mapped.size(), Attributes::DATA).unwrap();
            let all = region(0, 8192);
            let (before, leaves) = state(&mut tables, all);
            let mut closed = Vec::new();
            tables.set_open(window, false, |address| closed.push(address.get()));
            let (during, same) = state(&mut tables, all);
            prop_assert_eq!(&same, &leaves);
            let left: Vec<_> = before.iter().copied().filter(|it| !closed.contains(it)).collect();
            prop_assert_eq!(during, left);
            prop_assert!(closed.iter().all(|it| window.contains(Pa::new(*it))));
            if window.covers(&mapped) {
                prop_assert_eq!(&closed, &before);
            }
            let mut opened = Vec::new();
            tables.set_open(window, true, |address| opened.push(address.get()));
            prop_assert_eq!(opened, closed);
            prop_assert_eq!(state(&mut tables, all), (before, leaves));
        }
    }
}
