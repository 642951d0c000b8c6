//! EL2's access to the partitions' memory, which it has only while it fills a partition.

use aarch64_cpu::asm::barrier;
use bulkhead::arch::addr::{PAGE_SIZE, Pa, Region};
use core::arch::asm;

use super::live::LIVE;

/// Makes memory that boot mapped accessible to EL2.
pub fn open(memory: Region<Pa>) {
    set_open(memory, true);
}

/// Makes memory inaccessible to EL2 on every CPU, until it is opened again.
pub fn close(memory: Region<Pa>) {
    set_open(memory, false);
}

// One copy for all callers.
#[inline(never)]
fn set_open(memory: Region<Pa>, is_open: bool) {
    let mut live = LIVE.lock();
    let Some(tables) = live.as_mut() else { return };
    tables.set_open(memory, is_open, |leaf| {
        // An entry that becomes valid needs no invalidation (Arm ARM D8.17.1).
        if !is_open {
            let page = leaf.get() / PAGE_SIZE;
            // SAFETY: invalidates the cached translation of a leaf that is invalid in the tables.
            unsafe { asm!("dsb ishst", "tlbi vae2is, {}", in(reg) page, options(nostack)) };
        }
    });
    barrier::dsb(barrier::ISH);
    barrier::isb(barrier::SY);
}
