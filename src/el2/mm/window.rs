//! EL2's view of the partitions' memory: it has one only while it fills a partition.

use aarch64_cpu::asm::barrier;
use bulkhead::arch::addr::{PAGE_SIZE, Pa, Region};
use core::arch::asm;

use super::mmu;

/// Makes memory accessible that boot has mapped.
pub fn open(memory: Region<Pa>) {
    set_open(memory, true);
}

/// Makes memory inaccessible to EL2, on every CPU, until it is opened again.
pub fn close(memory: Region<Pa>) {
    set_open(memory, false);
}

// Out of line, for there are several callers.
#[inline(never)]
fn set_open(memory: Region<Pa>, is_open: bool) {
    let mut live = mmu::LIVE.lock();
    let Some(tables) = live.as_mut() else { return };
    tables.set_open(memory, is_open, |leaf| {
        // An entry that goes from invalid to valid needs no invalidation (Arm ARM D8.17.1).
        if !is_open {
            let page = leaf.get() / PAGE_SIZE;
            // SAFETY: drops a translation that has just become invalid, once the walks can see it so.
            unsafe { asm!("dsb ishst", "tlbi vae2is, {}", in(reg) page, options(nostack)) };
        }
    });
    barrier::dsb(barrier::ISH);
    barrier::isb(barrier::SY);
}
