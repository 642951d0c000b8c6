//! Loads all over the memory, which is far more than any TLB holds.

use core::arch::asm;

use runtime::tree::machine;

use crate::figures::{keep, samples};

const LOADS: u64 = 1_000_000;
const SPAN: u64 = 64 << 20;
/// From one load to the next, modulo [`SPAN`]: another page each time, and all lines in the end.
const STRIDE: u64 = 4096 + 64;
const TIMES: usize = 3;

pub fn measure() {
    let Some(memory) = machine().memory().iter().find(|memory| memory.size > SPAN) else { return };
    let base = memory.base + memory.size - SPAN;
    keep("loads", samples(TIMES, || (), || load_all(base)));
}

fn load_all(base: u64) {
    // SAFETY: all addresses are in memory that is mapped; what is loaded is not used.
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
