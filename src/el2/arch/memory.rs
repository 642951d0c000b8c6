//! Copying, filling and comparing memory for the compiler, as wide as the machine is.

use core::arch::global_asm;
use core::sync::atomic::{AtomicBool, Ordering};

global_asm!(include_str!("memory.s"), wide = sym WIDE);

/// Whether memory takes unaligned accesses: the MMU is on. Asked before `.bss` is zeroed.
#[unsafe(link_section = ".data")]
static WIDE: AtomicBool = AtomicBool::new(false);

/// Notes that the MMU is on, and with it that memory is Normal.
pub fn mmu_is_on() {
    WIDE.store(true, Ordering::Relaxed);
}
