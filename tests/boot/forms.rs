//! Loads and stores of emulated registers that a syndrome does not describe.

use common::{Gic, Machine, Outcome, Partition, SUCCESS, compile, file, in_all_modes, source};

in_all_modes!(loads_and_stores_of_every_form_are_carried_out);

/// The partition has every emulated device.
fn loads_and_stores_of_every_form_are_carried_out(gic: Gic) {
    let forms = Partition::new("forms", "forms").property("monitor; watchdog-ms = <60000>;");
    let forms = forms.cpus(2);
    let outcome = Machine::new(gic).initrd(&compile(&source(&[forms]))).boot();
    outcome.expect_success();
    let refused = outcome.of("bulkhead").containing("that cannot be emulated (use");
    outcome.check(refused.0.len() >= 6, "there is a line about each form that is not emulated");
    // At nine sites the loads, at four of them the stores, but for those by the stack pointer; and
    // the six others, and the one that changes.
    expect_checks(&outcome, 9 * 26 + 4 * 18 + 7);
}

/// On a bare machine with GICv2: QEMU makes one access of 64 bits of a pair of W registers, to which
/// its GICv3 does not answer.
#[test]
fn a_bare_machine_and_the_newest_core_agree_about_every_form() {
    let forms = compile(&source(&[Partition::new("forms", "forms")]));
    let outcome = Machine::new(Gic::V3).cpu("max").initrd(&forms).boot();
    outcome.expect_success();
    expect_checks(&outcome, 5 * 26);
    let outcome = Machine::bare(Gic::V2, file("target/guests/forms.img")).boot();
    outcome.expect_status(SUCCESS);
    expect_checks(&outcome, 5 * 26);
}

#[track_caller]
fn expect_checks(outcome: &Outcome, least: u64) {
    outcome.expect_no_line("FAIL").expect_no_line("PANIC");
    let done = outcome.lines().containing("forms: done, ").0;
    let checks = done.first().and_then(|line| line.rsplit_once("done, ")?.1.split_once(' '));
    let checks: u64 = checks.and_then(|(checks, _)| checks.parse().ok()).unwrap_or(0);
    outcome.check(checks >= least, &format!("{checks} checks, not {least} or more"));
}
