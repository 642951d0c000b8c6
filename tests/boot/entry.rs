//! How Bulkhead is entered, and how the machine ends without anybody who asks how it went.

use std::time::Duration;

use crate::support::{Gic, Machine, file, on_both_gics};

on_both_gics!(
    at_el1_one_line_says_what_is_missing,
    at_el3_one_line_says_so,
    machine_powers_off_by_psci
);

fn at_el1_one_line_says_what_is_missing(gic: Gic) {
    let machine = Machine::new(gic).machine(&format!("virt,gic-version={}", gic.version()));
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

/// Without a kernel QEMU starts the CPU at EL3 and leaves its tree at the start of RAM; two
/// instructions stand in for the firmware that jumps to the image.
fn at_el3_one_line_says_so(gic: Gic) {
    const MOV_X0_TREE_MOV_X1_IMAGE: u64 = 0xd2a8_0401_d2a8_0000;
    const BR_X1: u64 = 0xd61f_0020;
    let image = file("target/bulkhead.img");
    let outcome = Machine::new(gic)
        .machine(&format!("virt,secure=on,virtualization=on,gic-version={}", gic.version()))
        .cpus(1)
        .without_kernel()
        .option("-device", format!("loader,file={},addr=0x40200000,force-raw=on", image.display()))
        .option("-device", loader_data(0x4700_0000, MOV_X0_TREE_MOV_X1_IMAGE))
        .option("-device", loader_data(0x4700_0008, BR_X1))
        .option("-device", "loader,addr=0x47000000,cpu-num=0")
        .unplug_after("EL3", Duration::from_secs(1))
        .boot();
    let said = outcome.lines().0.iter().filter(|line| !line.is_empty()).count();
    outcome.check(said == 1, &format!("{said} lines are printed at EL3, not 1"));
    outcome.says("bulkhead", "EL3").says("bulkhead", "EL2");
}

fn loader_data(address: u64, data: u64) -> String {
    format!("loader,addr={address:#x},data={data:#x},data-len=8")
}
