//! What time is measured by: the counter, or the cycles that the performance monitor counts.

use core::arch::asm;
use core::sync::atomic::{AtomicBool, Ordering};

use runtime::tree::machine;
use runtime::{read_register, write_register};

/// A counter that can be read in one instruction.
pub trait Counter {
    /// Its count, once everything before has been done.
    fn read() -> u64;
}

/// CNTVCT_EL0.
pub struct Ticks;

/// PMCCNTR_EL0.
pub struct Cycles;

macro_rules! read {
    ($name:literal) => {{
        let value: u64;
        // SAFETY: a barrier and a register whose reading has no effect.
        unsafe { asm!("isb", concat!("mrs {}, ", $name), out(reg) value, options(nostack)) };
        value
    }};
}

impl Counter for Ticks {
    #[inline(always)]
    fn read() -> u64 {
        read!("cntvct_el0")
    }
}

impl Counter for Cycles {
    #[inline(always)]
    fn read() -> u64 {
        read!("pmccntr_el0")
    }
}

static IS_CYCLES: AtomicBool = AtomicBool::new(false);

/// Whether the command line asks for cycles.
pub fn is_cycles() -> bool {
    IS_CYCLES.load(Ordering::Relaxed)
}

/// What the figures are in.
pub fn unit() -> &'static str {
    if is_cycles() { "cycles" } else { "ticks" }
}

/// Chooses the counter. Lets that of the cycles run on this CPU, at EL2 too where the partition may count that.
pub fn start() {
    if machine().argument("cycles").is_none() {
        return;
    }
    const ENABLE_LONG: u64 = 1 << 6 | 1;
    const CYCLES: u64 = 1 << 31;
    /// PMCCFILTR_EL0.NSH: count at EL2.
    const HYPERVISOR: u64 = 1 << 27;
    write_register!("pmccfiltr_el0", HYPERVISOR);
    write_register!("pmcntenset_el0", CYCLES);
    write_register!("pmcr_el0", read_register!("pmcr_el0") | ENABLE_LONG);
    IS_CYCLES.store(true, Ordering::Relaxed);
}
