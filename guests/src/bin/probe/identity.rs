//! Identification registers of the CPU.

use runtime::exceptions::{Fault, attempt};
use runtime::tree::machine;
use runtime::{cpu, read_register};

use crate::report::{in_partition, report};

const UNKNOWN_REASON: u64 = 0;

/// Returns the field of four bits at `shift` of an ID register.
const fn field(register: u64, shift: u32) -> u64 {
    register >> shift & 0xf
}

/// Runs the checks.
pub fn check() {
    report("mpidr", cpu::affinity(), machine().cpus()[0]);
    report("current-el", read_register!("CurrentEL"), 1 << 2);
    report("counter-frequency", read_register!("cntfrq_el0") > 0, true);

    unsafe extern "C" fn read_hcr(_: u64, _: u64) -> u64 {
        read_register!("hcr_el2")
    }
    // SAFETY: the function has nothing to drop.
    let el2 = unsafe { attempt(read_hcr, 0, 0) };
    report("el2-register-undefined", el2.map_err(|fault| fault.class()), Err(UNKNOWN_REASON));

    unsafe extern "C" fn undefined(_: u64, _: u64) -> u64 {
        // SAFETY: UDF raises an exception and does nothing else.
        unsafe { core::arch::asm!("udf #0", options(nostack)) };
        0
    }
    // SAFETY: as above.
    let fault = unsafe { attempt(undefined, 0, 0) };
    report("undefined", fault.map_err(|Fault { esr, .. }| esr), Err(1 << 25));

    if in_partition() {
        check_hidden();
    }
}

/// Checks that features are hidden which reach beyond the CPU.
fn check_hidden() {
    let features = read_register!("id_aa64pfr0_el1");
    report("no-mpam", field(features, 40), 0);
    report("no-amu", field(features, 44), 0);
    let debug = read_register!("id_aa64dfr0_el1");
    report("no-spe", field(debug, 32), 0);
    report("no-trbe", field(debug, 44), 0);
    report("no-nested-virtualization", field(read_register!("S3_0_C0_C7_2"), 24), 0);
}
