//! EL2's window: its access to a partition's memory, which exists only while the partition is
//! filled.

use aarch64_cpu::asm::barrier;
use bulkhead::arch::addr::{PAGE_SIZE, Pa, Region};
use core::arch::asm;

use super::live::LIVE;
use crate::el2::arch::sync;

/// The number of leaves that are opened or closed at once, for which a CPU needs 11,000
/// instructions.
const LEAVES: usize = 256;

/// Makes a partition's memory, which boot has mapped, accessible to EL2. Calls `between` after each
/// piece of the work.
pub fn open(memory: Region<Pa>, between: fn()) {
    set_open(memory, true, between);
}

/// Makes a partition's memory inaccessible to EL2 on every CPU, until it is opened again. Calls
/// `between` after each piece of the work.
pub fn close(memory: Region<Pa>, between: fn()) {
    set_open(memory, false, between);
}

// One copy for all callers.
#[inline(never)]
fn set_open(memory: Region<Pa>, is_open: bool, between: fn()) {
    let mut next = Some(memory.start());
    while let Some(from) = next {
        next = set_piece_open(memory, from, is_open);
        between();
    }
}

/// Opens or closes the next leaves of a partition's memory, unless the tables are in use for another
/// partition. Returns where to continue.
fn set_piece_open(memory: Region<Pa>, from: Pa, is_open: bool) -> Option<Pa> {
    let Some(mut live) = LIVE.attempt() else {
        sync::relax();
        return Some(from);
    };
    let next = live.as_mut()?.set_open(memory, (from, LEAVES), is_open, |leaf| {
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
    next
}
