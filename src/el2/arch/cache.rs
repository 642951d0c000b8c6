//! Cache maintenance by address (Arm ARM D7.5), for memory that someone reads past the caches.

use aarch64_cpu::asm::barrier;
use bulkhead::arch::addr::{Pa, Region};
use core::arch::asm;

/// The smallest data cache line of this machine, in bytes (CTR_EL0.DminLine).
fn line_size() -> u64 {
    let ctr: u64;
    // SAFETY: reading CTR_EL0 has no effect on anything.
    unsafe { asm!("mrs {}, ctr_el0", out(reg) ctr, options(nomem, nostack)) };
    4 << (ctr >> 16 & 0xf)
}

/// Runs one `dc` instruction on each step of so many bytes from `start`, which is a multiple of them, as
/// long as `end` lies behind; on eight at once where there are eight.
macro_rules! each_step {
    ($operation:literal, $start:expr, $end:expr, $step:expr) => {
        core::arch::asm!(
            "2:",
            "sub {left}, {end}, {address}",
            "cmp {left}, {step}, lsl #3",
            "b.lo 3f",
            ".rept 8",
            concat!("dc ", $operation, ", {address}"),
            "add {address}, {address}, {step}",
            ".endr",
            "b 2b",
            "3:",
            "cmp {address}, {end}",
            "b.hs 4f",
            concat!("dc ", $operation, ", {address}"),
            "add {address}, {address}, {step}",
            "b 3b",
            "4:",
            address = inout(reg) $start => _,
            end = in(reg) $end,
            step = in(reg) $step,
            left = out(reg) _,
            options(nostack)
        )
    };
}
pub(in crate::el2) use each_step;

/// Runs one `dc` instruction on each line that `region` touches.
macro_rules! each_line {
    ($operation:literal, $region:expr) => {{
        let line = line_size();
        let (start, end) = ($region.start().get() & !(line - 1), $region.end().get());
        if start < end {
            // SAFETY: see the caller: the operation moves data between caches and memory, or
            // drops lines that the caller vouches for.
            unsafe { each_step!($operation, start, end, line) };
        }
        barrier::dsb(barrier::SY);
    }};
}

/// Writes the region's lines back to memory, for observers with their caches off, and drops them, so that nothing
/// of them is left that an observer with its caches on could find later.
// Out of line, for there are several callers.
#[inline(never)]
pub fn clean_and_invalidate(region: Region<Pa>) {
    each_line!("civac", region);
}

/// Drops what the caches hold of a region that was written with the MMU off: memory is right.
///
/// # Safety
///
/// No line of the region may hold the only copy of something.
pub unsafe fn invalidate(region: Region<Pa>) {
    each_line!("ivac", region);
}

/// Makes code that was written and cleaned visible to every CPU's instruction fetches.
pub fn invalidate_instructions() {
    // SAFETY: dropping clean instruction cache lines changes no program's meaning.
    unsafe { asm!("ic ialluis", options(nostack)) };
    barrier::dsb(barrier::ISH);
    barrier::isb(barrier::SY);
}
