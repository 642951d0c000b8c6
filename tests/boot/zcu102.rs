//! The same image on QEMU's `xlnx-zcu102`, whose interrupt controller repeats its pages over 64
//! KiB.

use common::{Machine, Partition, source};

#[test]
fn guests_on_four_cpus() {
    let hello = Partition::new("first", "hello");
    let smp = Partition::new("smp", "smp").cpus(2);
    let outcome = Machine::zcu102(&source(&[hello, smp])).boot();
    outcome
        .expect_success()
        .expect_line("bulkhead", "interrupts  GICv2")
        .expect_line("bulkhead", "console     /serial@ff000000, by CPU 3")
        .expect_line("first", "hello: done, ticks=10")
        .expect_line("smp", "smp: done, cpus=2 sgis=2 ticks=10");
    // The UART acknowledges its interrupts, which is code that stays for such ones only.
    outcome.expect_line("bulkhead", "(monitor, entropy, links, pcie, dma left out)");
    outcome.expect_no_line("remark");
}

/// GICC_DIR deactivates the interrupts that the probe raises and does not end itself.
#[test]
fn probe_finds_no_fault() {
    let machine = Machine::zcu102(&source(&[Partition::new("probe", "probe")]));
    let outcome = machine.type_after("probe: waiting for a line", "a line\r").boot();
    outcome.expect_success().expect_line("probe", ", 0 failed").expect_line("probe", "a line");
}
