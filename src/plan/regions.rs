//! Sets of physical memory, as lists of regions.

use alloc::vec::Vec;

use crate::addr::{PAGE_SIZE, Pa, Region};

/// The pages that `region` has bytes in, as far as they are all below the end of 64 bits. `None`
/// if it has no bytes.
pub(super) fn pages(region: &Region<Pa>) -> Option<Region<Pa>> {
    let pages = region.page_aligned().unwrap_or(*region);
    (!region.is_empty()).then_some(pages)
}

/// The whole pages within `region`; `None` if there are none.
pub(super) fn whole_pages(region: &Region<Pa>) -> Option<Region<Pa>> {
    let start = region.start().get().checked_next_multiple_of(PAGE_SIZE)?;
    let end = region.end().get() & !(PAGE_SIZE - 1);
    let pages = Region::between(Pa::new(start), Pa::new(end))?;
    (!pages.is_empty()).then_some(pages)
}

/// The same memory, by ascending address and with neighbours made one.
pub(super) fn merge(mut regions: Vec<Region<Pa>>) -> Vec<Region<Pa>> {
    regions.sort_unstable_by_key(Region::start);
    regions.dedup_by(|next, last| {
        let touching = next.start() <= last.end();
        if touching {
            let end = last.end().max(next.end());
            *last = Region::between(last.start(), end).unwrap_or(*last);
        }
        touching
    });
    regions
}

/// What is left of `regions` without `taken`.
pub(super) fn subtract(regions: &[Region<Pa>], taken: &Region<Pa>) -> Vec<Region<Pa>> {
    let mut left = Vec::with_capacity(regions.len() + 1);
    for region in regions {
        if !region.overlaps(taken) {
            left.push(*region);
            continue;
        }
        let below = Region::between(region.start(), taken.start());
        let above = Region::between(taken.end(), region.end());
        left.extend(below.into_iter().chain(above).filter(|part| !part.is_empty()));
    }
    left
}
