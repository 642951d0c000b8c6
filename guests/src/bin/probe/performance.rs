//! The performance monitor: the cycle counter and its overflow interrupt.

use runtime::tree::machine;
use runtime::{gic, println, read_register, write_register};

use crate::interrupts::taken;
use crate::report::report;

/// PMCR_EL0: E, C and LC: enable, reset the cycle counter, let it overflow at 64 bits.
const ON: u64 = 1 << 6 | 1 << 2 | 1;
const CYCLES: u64 = 1 << 31;

/// Runs the checks.
pub fn check() {
    let version = read_register!("id_aa64dfr0_el1") >> 8 & 0xf;
    let Some(intid) = machine().pmu_interrupt.filter(|_| version != 0 && version != 0xf) else {
        return println!("skip pmu: none");
    };
    write_register!("pmccfiltr_el0", 0);
    write_register!("pmcntenset_el0", CYCLES);
    write_register!("pmcr_el0", ON);
    let before = read_register!("pmccntr_el0");
    for _ in 0..1_000 {
        core::hint::spin_loop();
    }
    report("pmu-cycles", read_register!("pmccntr_el0") > before, true);

    gic::enable(intid);
    write_register!("pmovsclr_el0", CYCLES);
    write_register!("pmccntr_el0", 100_000_u64.wrapping_neg());
    write_register!("pmintenset_el1", CYCLES);
    report("pmu-overflow", taken(1), (1, [intid]));
    write_register!("pmcr_el0", 0);
    gic::disable(intid);
}
