//! EL2's own translation tables while the MMU is on.

use bulkhead::arch::addr::{Pa, Region};
use bulkhead::mm::tables::Tables;
use core::arch::asm;

use crate::el2::arch::sync::Mutex;

/// EL2's tables, once the MMU is on. A static, because all steps of boot map memory and devices,
/// and every partition's CPUs open and close its memory.
pub static LIVE: Mutex<Option<Tables<'static>>> = Mutex::new(None);

/// Unmaps code permanently, on every CPU.
///
/// # Safety
///
/// No CPU may execute that code or return to it afterwards.
pub unsafe fn unmap(code: &[Region<Pa>]) {
    let mut live = LIVE.lock();
    if let Some(tables) = live.as_mut() {
        for code in code {
            let unmapped = tables.unmap(code.start(), code.size());
            assert!(unmapped.is_ok(), "code is mapped as pages");
        }
    }
    // SAFETY: after the invalidation CPUs walk the tables again, whose only change is that the code
    // is unmapped; the caller guarantees that no CPU needs it.
    unsafe {
        asm!(
            "dsb ishst",
            "tlbi alle2is",
            "dsb ish",
            "tlbi alle2is", // see `mm`
            "dsb ish",
            "ic ialluis",
            "dsb ish",
            "isb",
            options(nostack)
        );
    }
}
