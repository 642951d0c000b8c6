//! EL2's own translation tables while the MMU is on, which all CPUs share. They map neither
//! partitions' memory nor, once the partitions are built, their images.

use bulkhead::arch::addr::{Pa, Region};
use bulkhead::mm::tables::Tables;
use core::arch::asm;

use crate::el2::arch::sync::Mutex;

/// EL2's tables from level 1 on, once the MMU is on. A static, because all steps of boot map memory
/// and devices. Nothing changes them once guests run.
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
    invalidate();
    // SAFETY: instruction caches hold no dirty lines, so invalidating them loses no data.
    unsafe { asm!("ic ialluis", "dsb ish", "isb", options(nostack)) };
}

/// Invalidates all CPUs' cached translations of EL2, after mappings were removed.
pub fn invalidate() {
    // SAFETY: CPUs walk the tables again, which are complete; invalidating TLBs loses no data.
    unsafe {
        asm!(
            "dsb ishst",
            "tlbi alle2is",
            "dsb ish",
            "tlbi alle2is", // see `mm`
            "dsb ish",
            "isb",
            options(nostack)
        );
    }
}
