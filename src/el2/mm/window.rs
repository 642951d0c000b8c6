//! EL2's window: its access to a partition's memory, which exists only while the partition is
//! filled.

use aarch64_cpu::asm::barrier;
use bulkhead::arch::addr::{PAGE_SIZE, Pa, Region};
use core::arch::asm;

use super::live::LIVE;

/// Makes a partition's memory, which boot has mapped, accessible to EL2.
pub fn open(memory: Region<Pa>) {
    set_open(memory, true);
}

/// Makes a partition's memory inaccessible to EL2 on every CPU, until it is opened again.
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
            // SAFETY: invalidates the cached translation of a leaf that `set_open` made invalid;
            // EL2 accesses partitions' memory only between `open` and `close`.
            unsafe { asm!("dsb ishst", "tlbi vae2is, {}", in(reg) page, options(nostack)) };
        }
    });
    barrier::dsb(barrier::ISH);
    barrier::isb(barrier::SY);
}
