//! How Bulkhead is entered, and how the machine ends without anybody who asks how it went.

use std::time::Duration;

use crate::support::{Gic, Machine, on_both_gics};

on_both_gics!(at_el1_one_line_says_what_is_missing, machine_powers_off_by_psci);

fn at_el1_one_line_says_what_is_missing(gic: Gic) {
    let machine = Machine::new(gic).machine(&format!("virt,gic-version={}", gic as u8));
    let outcome = machine.unplug_after("EL1", Duration::from_secs(1)).boot();
    let said = outcome.lines().0.iter().filter(|line| !line.is_empty()).count();
    outcome.check(said == 1, &format!("{said} lines are printed at EL1, not 1"));
    outcome.says("bulkhead", "EL1").says("bulkhead", "EL2");
}

/// Without the word, QEMU's status is that of a machine that is switched off.
fn machine_powers_off_by_psci(gic: Gic) {
    let outcome = Machine::new(gic).without_semihosting().boot();
    outcome.ends_well();
}
