//! memcpy, memmove, memset and memcmp for the compiler, with wide accesses once the MMU is on.

use core::arch::global_asm;
use core::sync::atomic::{AtomicBool, Ordering};

global_asm!(include_str!("memory.s"), wide = sym WIDE);

/// Whether memory takes unaligned accesses, because the MMU is on. A static, because the compiler calls
/// these functions with no more arguments; in `.data`, because it is read before `.bss` is zeroed.
#[unsafe(link_section = ".data")]
static WIDE: AtomicBool = AtomicBool::new(false);

/// Notes that the MMU is on, so that memory is Normal.
pub fn mmu_is_on() {
    WIDE.store(true, Ordering::Relaxed);
}
