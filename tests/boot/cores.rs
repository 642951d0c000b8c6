//! CPU models: the newest that QEMU has, and those of real machines.

use crate::guests;
use common::{Gic, Machine, Partition, REFUSED, compile, in_all_modes, source};

in_all_modes!(newest_core_runs_hello_and_smp, newest_core_passes_the_probe);

fn newest_core_runs_hello_and_smp(gic: Gic) {
    hello_and_smp("max", gic);
}

fn newest_core_passes_the_probe(gic: Gic) {
    guests::probe("max", gic);
}

#[test]
fn cortex_a57() {
    hello_and_smp("cortex-a57", Gic::V2);
}

#[test]
fn cortex_a72() {
    hello_and_smp("cortex-a72", Gic::V2);
}

#[test]
fn cortex_a76() {
    hello_and_smp("cortex-a76", Gic::V3);
}

#[test]
fn neoverse_n1() {
    hello_and_smp("neoverse-n1", Gic::V3);
}

/// The firmware of the tests enables no extension for EL2, and each access to one's registers hangs
/// there, so that none may be left.
#[test]
fn features_that_firmware_does_not_enable_can_be_left_out() {
    let description = source(&[Partition::new("hello", "hello")]);
    let words = "without=mpam,mte,sve,sme,fgt,hcx,pauth,scxt,pie";
    let machine = Machine::with_firmware_and_words(Gic::V2, &description, words).cpu("max");
    let outcome = machine.boot();
    outcome.expect_status(0).expect_line("hello", "hello: done, ticks=10");
    outcome.expect_line("bulkhead", "features    without mpam, mte, sve, sme, fgt, hcx, pauth");
}

#[test]
fn unknown_feature_is_refused_in_a_sentence() {
    let machine = Machine::new(Gic::V3).command_line("semihosting without=mpam,svee");
    let outcome = machine.boot();
    outcome.expect_status(REFUSED);
    let sentence = "refused: /chosen: bootargs has without=mpam,svee, but \"svee\"";
    outcome.expect_line("bulkhead", sentence);
}

fn hello_and_smp(cpu: &str, gic: Gic) {
    let guests = [Partition::new("hello", "hello"), Partition::new("smp", "smp").cpus(2)];
    let description = compile(&source(&guests));
    let outcome = Machine::new(gic).cpu(cpu).cpus(3).initrd(&description).boot();
    outcome.expect_success().expect_line("hello", "hello: done, ticks=10");
    outcome.expect_line("smp", "smp: done, cpus=2 sgis=2 ticks=10");
}
