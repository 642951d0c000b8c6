//! The counter that measures: the virtual count, or the cycle counter of the performance monitor.

use core::arch::asm;
use core::sync::atomic::{AtomicBool, Ordering};

use runtime::tree::machine;
use runtime::{read_register, write_register};

/// A counter that can be read in one instruction.
pub trait Counter {
    /// Returns the count once all earlier instructions have completed.
    fn read() -> u64;
}

/// CNTVCT_EL0.
pub struct Ticks;

/// PMCCNTR_EL0.
pub struct Cycles;

macro_rules! read {
    ($name:literal) => {{
        let value: u64;
        // SAFETY: a barrier, and a register that is read without effect.
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

/// Returns whether the command line requests cycles.
pub fn is_cycles() -> bool {
    IS_CYCLES.load(Ordering::Relaxed)
}

/// Returns the unit of the figures.
pub fn unit() -> &'static str {
    if is_cycles() { "cycles" } else { "ticks" }
}

/// Selects the counter, and enables the cycle counter on this CPU if the command line requests it,
/// for EL2 too where the partition may count that.
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
