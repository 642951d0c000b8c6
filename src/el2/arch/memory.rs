//! memcpy, memset and memcmp, which the compiler calls. They use unaligned accesses once the
//! MMU is on.

use core::arch::global_asm;
use core::sync::atomic::{AtomicBool, Ordering};

global_asm!(include_str!("memory.s"), wide = sym WIDE);

/// Whether unaligned accesses are possible, because the MMU is on. A static, because the signatures
/// of these functions are the compiler's; in `.data`, because it is read before `.bss` is zeroed.
#[unsafe(link_section = ".data")]
static WIDE: AtomicBool = AtomicBool::new(false);

/// Allows unaligned accesses. Called once the MMU is on and memory is Normal.
pub fn mmu_is_on() {
    WIDE.store(true, Ordering::Relaxed);
}
