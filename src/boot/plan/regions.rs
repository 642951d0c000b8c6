//! Regions of whole pages.

use alloc::vec::Vec;

use crate::arch::addr::{PAGE_SIZE, Pa, Region};

/// Returns the pages that `region` has bytes in, or `region` itself if its last page is not below
/// the end of 64 bits; `None` if it is empty.
pub(super) fn pages(region: &Region<Pa>) -> Option<Region<Pa>> {
    let pages = region.page_aligned().unwrap_or(*region);
    (!region.is_empty()).then_some(pages)
}

/// Returns whether a page has bytes of both regions.
pub(super) fn share_page(one: &Region<Pa>, other: &Region<Pa>) -> bool {
    match (pages(one), pages(other)) {
        (Some(one), Some(other)) => one.overlaps(&other),
        _ => false,
    }
}

/// Returns the whole pages within `region`; `None` if there are none.
pub(super) fn whole_pages(region: &Region<Pa>) -> Option<Region<Pa>> {
    let start = region.start().get().checked_next_multiple_of(PAGE_SIZE)?;
    let end = region.end().get() & !(PAGE_SIZE - 1);
    let pages = Region::between(Pa::new(start), Pa::new(end))?;
    (!pages.is_empty()).then_some(pages)
}

/// Removes `taken` from `regions`, which ascend, do not overlap and are few.
pub(super) fn remove(regions: &mut Vec<Region<Pa>>, taken: &Region<Pa>) {
    let Some(first) = regions.iter().position(|it| taken.start() < it.end()) else { return };
    let overlapping = regions[first..].iter().take_while(|it| it.start() < taken.end()).count();
    if overlapping == 0 || taken.is_empty() {
        return;
    }
    let last = first + overlapping - 1;
    let part = |start, end| Region::between(start, end).filter(|part| !part.is_empty());
    let below = part(regions[first].start(), taken.start());
    let above = part(taken.end(), regions[last].end());
    regions.drain(first..last);
    match (below, above) {
        (Some(below), Some(above)) => {
            regions[first] = above;
            regions.insert(first, below);
        }
        (Some(part), None) | (None, Some(part)) => regions[first] = part,
        (None, None) => _ = regions.remove(first),
    }
}

/// Adds `region` to `regions`, which ascend and do not touch, and merges it with those it touches.
pub(super) fn add(regions: &mut Vec<Region<Pa>>, mut region: Region<Pa>) {
    regions.retain(|other| {
        let touching = other.start() <= region.end() && region.start() <= other.end();
        if touching {
            let (start, end) = (region.start().min(other.start()), region.end().max(other.end()));
            region = Region::between(start, end).unwrap_or(region);
        }
        !touching
    });
    let index = regions.partition_point(|other| other.start() < region.start());
    regions.insert(index, region);
}
