//! Entry at each exception level, and power-off without semihosting.

use std::time::Duration;

use common::{Gic, Machine, file, instruction, on_both_gics, patched};

on_both_gics!(
    entry_at_el1_is_refused_in_one_line,
    entry_at_el3_is_refused_in_one_line,
    machine_powers_off_by_psci
);

fn entry_at_el1_is_refused_in_one_line(gic: Gic) {
    let machine = Machine::new(gic).machine(&format!("virt,gic-version={}", gic.version()));
    let outcome = machine.kill_after("EL1", Duration::from_secs(1)).boot();
    let lines = outcome.lines().0.iter().filter(|line| !line.is_empty()).count();
    outcome.check(lines == 1, &format!("{lines} lines are printed at EL1, not 1"));
    outcome.expect_line("bulkhead", "EL1").expect_line("bulkhead", "EL2");
}

/// Without semihosting, QEMU's exit status is that of a machine that was powered off.
fn machine_powers_off_by_psci(gic: Gic) {
    let outcome = Machine::new(gic).without_semihosting().boot();
    outcome.expect_success();
}

/// Without a kernel QEMU starts the CPU at EL3 and puts its tree at the start of RAM; two
/// instructions take the place of firmware that jumps to the image.
fn entry_at_el3_is_refused_in_one_line(gic: Gic) {
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
        .kill_after("EL3", Duration::from_secs(1))
        .boot();
    let lines = outcome.lines().0.iter().filter(|line| !line.is_empty()).count();
    outcome.check(lines == 1, &format!("{lines} lines are printed at EL3, not 1"));
    outcome.expect_line("bulkhead", "EL3").expect_line("bulkhead", "EL2");
}

/// No CPU of QEMU has E2H fixed to 1, so that the image is changed to set it.
#[test]
fn cpu_without_e2h_0_is_refused_in_one_line() {
    const MSR_HCR_EL2_X1: u32 = 0xd51c_1101;
    const MOV_X1_RW: u32 = 0xd2b0_0001;
    /// MOV X1, #0x780000000: RW, CD, ID, E2H.
    const MOV_X1_RW_AND_E2H: u32 = 0xb261_0fe1;
    let write = (4..0x1000).step_by(4).find(|it| instruction(*it) == MSR_HCR_EL2_X1);
    let value = write.expect("the entry code writes HCR_EL2") - 4;
    assert_eq!(instruction(value), MOV_X1_RW);
    let image = patched(&[(value, &[MOV_X1_RW_AND_E2H])]);
    let machine = Machine::new(Gic::V3).cpu("cortex-a76").kernel(&image);
    let outcome = machine.kill_after("E2H0", Duration::from_secs(1)).boot();
    let lines = outcome.lines().0.iter().filter(|line| !line.is_empty()).count();
    outcome.check(lines == 1, &format!("{lines} lines are printed with E2H = 1, not 1"));
    outcome.expect_line("bulkhead", "needs HCR_EL2.E2H = 0");
}

fn loader_data(address: u64, data: u64) -> String {
    format!("loader,addr={address:#x},data={data:#x},data-len=8")
}
