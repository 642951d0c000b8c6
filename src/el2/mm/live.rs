//! EL2's own translation tables in use.

use bulkhead::arch::addr::{Pa, Region};
use bulkhead::mm::tables::Tables;
use core::arch::asm;

use crate::el2::arch::sync::Mutex;

/// EL2's tables, once the MMU is on. A static, because the allocator and device drivers map memory
/// at any time during boot, and partitions open and close theirs from every CPU.
pub static LIVE: Mutex<Option<Tables<'static>>> = Mutex::new(None);

/// Unmaps code on every CPU, for good.
///
/// # Safety
///
/// No CPU may run that code or return to it.
pub unsafe fn unmap(code: &[Region<Pa>]) {
    let mut live = LIVE.lock();
    if let Some(tables) = live.as_mut() {
        for code in code {
            let unmapped = tables.unmap(code.start(), code.size());
            assert!(unmapped.is_ok(), "code is mapped as pages");
        }
    }
    // SAFETY: invalidating translations only has the CPUs walk the tables again; the caller vouches
    // for those that are gone.
    unsafe {
        asm!(
            "dsb ishst",
            "tlbi alle2is",
            "dsb ish",
            "ic ialluis",
            "dsb ish",
            "isb",
            options(nostack)
        );
    }
}
