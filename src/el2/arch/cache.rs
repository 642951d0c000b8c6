//! Cache maintenance by address (Arm ARM D7.5), for memory that is accessed with the caches off.

use aarch64_cpu::asm::barrier;
use bulkhead::arch::addr::{Address, Pa, Region};
use core::arch::asm;

/// Returns the size of the smallest data cache line, in bytes (CTR_EL0.DminLine).
fn line_size() -> u64 {
    let ctr: u64;
    // SAFETY: reading CTR_EL0 has no side effect.
    unsafe { asm!("mrs {}, ctr_el0", out(reg) ctr, options(nomem, nostack)) };
    4 << (ctr >> 16 & 0xf)
}

/// Executes a `dc` instruction for each block of `$step` bytes from `$start`, a multiple of
/// `$step`, to `$end`, which is not below. The loop is unrolled eight times.
macro_rules! each_step {
    ($operation:literal, $start:expr, $end:expr, $step:expr) => {
        core::arch::asm!(
            "subs {left}, {left}, {step}, lsl #3",
            "b.lt 3f",
            "2:",
            ".rept 8",
            concat!("dc ", $operation, ", {address}"),
            "add {address}, {address}, {step}",
            ".endr",
            "subs {left}, {left}, {step}, lsl #3",
            "b.ge 2b",
            "3:",
            "adds {left}, {left}, {step}, lsl #3",
            "b.le 4f",
            "5:",
            concat!("dc ", $operation, ", {address}"),
            "add {address}, {address}, {step}",
            "subs {left}, {left}, {step}",
            "b.gt 5b",
            "4:",
            address = inout(reg) $start => _,
            step = in(reg) $step,
            left = inout(reg) $end - $start => _,
            options(nostack)
        )
    };
}
pub(in crate::el2) use each_step;

/// Executes a `dc` instruction for each cache line from `$start` to `$end`.
macro_rules! each_line {
    ($operation:literal, $start:expr, $end:expr) => {{
        let line = line_size();
        let (start, end) = ($start & !(line - 1), $end);
        if start < end {
            // SAFETY: `civac` writes lines back and changes no data; `ivac` is used by `invalidate`
            // alone, whose caller guarantees that no line holds data that is needed.
            unsafe { each_step!($operation, start, end, line) };
        }
        barrier::dsb(barrier::SY);
    }};
}

/// Cleans the region's lines to memory, for observers with their caches off, and invalidates them,
/// so that an observer with its caches on cannot hit a stale line later. EL2 accesses the region at
/// these addresses, whatever their type.
#[inline(always)]
pub fn clean_and_invalidate<A: Address>(region: Region<A>) {
    clean_and_invalidate_lines(region.start().get(), region.end().get());
}

// One copy for all callers.
#[inline(never)]
fn clean_and_invalidate_lines(start: u64, end: u64) {
    each_line!("civac", start, end);
}

/// Invalidates the lines of a region that was written with the MMU off.
///
/// # Safety
///
/// No line of the region may be dirty with data that is still needed.
pub unsafe fn invalidate(region: Region<Pa>) {
    each_line!("ivac", region.start().get(), region.end().get());
}

/// Makes code that was written and cleaned to memory visible to instruction fetches of every CPU.
pub fn invalidate_instructions() {
    // SAFETY: instruction caches hold no dirty lines, so invalidating them loses no data.
    unsafe { asm!("ic ialluis", options(nostack)) };
    barrier::dsb(barrier::ISH);
    barrier::isb(barrier::SY);
}
