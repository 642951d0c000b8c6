//! The cost of loads all over the memory, which has far more pages than a TLB has entries.

use core::arch::asm;

use runtime::tree::machine;

use crate::figures::{keep, samples};

const LOADS: u64 = 1_000_000;
const SPAN: u64 = 64 << 20;
/// The distance from one load to the next, modulo [`SPAN`]: each is in another page, and all cache
/// lines are loaded in the end.
const STRIDE: u64 = 4096 + 64;
const TIMES: usize = 3;

/// Measures the loads.
pub fn measure() {
    let Some(memory) = machine().memory().iter().find(|memory| memory.size > SPAN) else { return };
    let base = memory.base + memory.size - SPAN;
    keep("loads", samples(TIMES, || (), || load_all(base)));
}

fn load_all(base: u64) {
    // SAFETY: all addresses are in mapped memory; the loaded values are not used.
    unsafe {
        asm!(
            "2: ldr {value}, [{base}, {offset}]",
            "add {offset}, {offset}, {stride}",
            "and {offset}, {offset}, {mask}",
            "subs {count}, {count}, #1",
            "b.ne 2b",
            value = out(reg) _,
            base = in(reg) base,
            offset = inout(reg) 0_u64 => _,
            stride = in(reg) STRIDE,
            mask = in(reg) SPAN - 1,
            count = inout(reg) LOADS => _,
            options(nostack),
        );
    }
}
