//! Closes and opens mappings after boot, when no table may be allocated or freed any more.

use super::tables::Tables;
use crate::arch::addr::{Pa, Region};

impl Tables<'_> {
    /// Sets or clears the valid bit of the next `most` leaves in `region` from the address `from`
    /// on, and calls `changed` with the first address of each leaf that this changes. Leaves that
    /// reach beyond the region stay as they are, and unmapped addresses stay unmapped. Returns the
    /// address from which to continue, `None` at the end of the region.
    ///
    /// The caller makes the change visible: after closing by invalidating the TLB entries of the
    /// addresses that `changed` got, after opening by `DSB ISHST; ISB`.
    pub fn set_open(
        &mut self,
        region: Region<Pa>,
        (from, most): (Pa, usize),
        is_open: bool,
        mut changed: impl FnMut(Pa),
    ) -> Option<Pa> {
        let (mut address, end) = (from.get(), region.end().get());
        for _ in 0..most {
            if address >= end {
                return None;
            }
            let (entry, start, span) = self.leaf_mut(address)?;
            let next = start.wrapping_add(span);
            let is_inside = start >= region.start().get() && next <= end;
            let new = *entry & !1 | u64::from(is_open);
            if is_inside && *entry >> 1 != 0 && *entry != new {
                *entry = new;
                changed(Pa::new(start));
            }
            address = next;
        }
        (address < end).then(|| Pa::new(address))
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

    /// Sets all leaves of a region, `most` at a time, and returns those that changed.
    fn set_open(
        tables: &mut Tables<'_>,
        region: Region<Pa>,
        is_open: bool,
        most: usize,
    ) -> Vec<u64> {
        let (mut all, mut next) = (Vec::new(), Some(region.start()));
        while let Some(from) = next {
            let before = all.len();
            let changed = |address: Pa| all.push(address.get());
            next = tables.set_open(region, (from, most), is_open, changed);
            assert!(all.len() <= before + most && next.is_none_or(|next| next > from));
        }
        all
    }

    proptest! {
        #[test]
        fn closing_and_opening_change_only_the_leaves_in_the_region(
            mapped in (0_u64..600, 1_u64..3000),
            window in (0_u64..1200, 0_u64..3000),
            most in 1_usize..600,
        ) {
            let mut pool = vec![Table::EMPTY; 16];
            let mut tables = Tables::new(&mut pool, Pa::new(0x7000_0000)).unwrap();
            let (mapped, window) = (region(mapped.0, mapped.1), region(window.0, window.1));
            tables.map(mapped.start(), mapped.start(), mapped.size(), Attributes::DATA).unwrap();
            let all = region(0, 8192);
            let (before, leaves) = state(&mut tables, all);
            let closed = set_open(&mut tables, window, false, most);
            let (during, same) = state(&mut tables, all);
            prop_assert_eq!(&same, &leaves);
            let left: Vec<_> = before.iter().copied().filter(|it| !closed.contains(it)).collect();
            prop_assert_eq!(during, left);
            prop_assert!(closed.iter().all(|it| window.contains(Pa::new(*it))));
            if window.covers(&mapped) {
                prop_assert_eq!(&closed, &before);
            }
            let opened = set_open(&mut tables, window, true, most);
            prop_assert_eq!(opened, closed);
            prop_assert_eq!(state(&mut tables, all), (before, leaves));
        }
    }
}
