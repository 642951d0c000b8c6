//! CPU models: the newest that QEMU has, and those of real machines.

use crate::guests;
use common::{Gic, Machine, Partition, compile, in_all_modes, source};

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

fn hello_and_smp(cpu: &str, gic: Gic) {
    let guests = [Partition::new("hello", "hello"), Partition::new("smp", "smp").cpus(2)];
    let description = compile(&source(&guests));
    let outcome = Machine::new(gic).cpu(cpu).cpus(3).initrd(&description).boot();
    outcome.expect_success().expect_line("hello", "hello: done, ticks=10");
    outcome.expect_line("smp", "smp: done, cpus=2 sgis=2 ticks=10");
}
