//! The same image on other boards of QEMU, with the trees that Linux has for them: Debian's kernel
//! beside bare-metal guests, and guests that touch what is not theirs or fail.

use std::time::Duration;

use crate::linux::expect_userspace;
use crate::watchdog::{expect_starved_guest, starved_guest};
use common::{Machine, Outcome, Partition, compile, compile_file, file, qemu_is_at_least, source};

const HELLO_DONE: &str = "hello: done, ticks=10";

/// Before this version QEMU does not wire the virtual interrupts of the i.MX 8M Plus.
const QEMU_FOR_IMX8MP: [u32; 3] = [10, 0, 13];

/// Boots the description in `dts/` that has the board's name.
fn boot_description(board: &str) -> Outcome {
    let description = compile_file(&file(&format!("dts/{board}.dts")));
    Machine::board(board, &description).deadline(240).boot()
}

/// Boots a guest that reads outside its memory, beside one that is restarted twice.
fn boot_failing_guests(board: &str) {
    // Memory of each of these boards, and not of the partition.
    let prying = Partition::new("prying", "hello").bootargs("poke=0x70000000");
    let guests = [prying, starved_guest()];
    let outcome = Machine::board(board, &compile(&source(&guests))).boot();
    expect_starved_guest(&outcome);
    outcome
        .expect_line("prying", "poke: 0x70000000 ESR 0x96000010, FAR 0x70000000")
        .expect_line("prying", HELLO_DONE);
}

#[test]
fn zcu102() {
    let outcome = boot_description("zcu102");
    outcome
        .expect_success()
        .expect_line("bulkhead", "interrupts  GICv2")
        .expect_line("bulkhead", "console     /axi/serial@ff000000, by all CPUs")
        .expect_line("motor", HELLO_DONE)
        .expect_line("sensor", HELLO_DONE);
    outcome.expect_no_line("remark");
    expect_userspace(&outcome, "linux", 2, 512);
    boot_failing_guests("zcu102");
}

#[test]
fn versal() {
    let outcome = boot_description("versal");
    outcome
        .expect_success()
        .expect_line("bulkhead", "interrupts  GICv3, trapped")
        .expect_line("bulkhead", "console     /uart@ff000000, by all CPUs")
        .expect_line("motor", HELLO_DONE);
    outcome.expect_no_line("remark");
    expect_userspace(&outcome, "linux", 1, 512);
    boot_failing_guests("versal");
}

/// In a QEMU that is too old the guests get no interrupts. They start and print.
#[test]
fn imx8mp() {
    let console = "console     /soc@0/bus@30800000/serial@30890000";
    if qemu_is_at_least(QEMU_FOR_IMX8MP) {
        let outcome = boot_description("imx8mp");
        outcome
            .expect_success()
            .expect_line("bulkhead", "interrupts  GICv3, trapped")
            .expect_line("bulkhead", console)
            .expect_line("motor", HELLO_DONE)
            .expect_line("sensor", HELLO_DONE);
        outcome.expect_no_line("remark");
        expect_userspace(&outcome, "linux", 2, 512);
        boot_failing_guests("imx8mp");
        return;
    }
    println!("QEMU is too old for guests' interrupts on the i.MX 8M Plus: only output is checked");
    let smp = Partition::new("smp", "smp").cpus(2);
    let machine = Machine::board("imx8mp", &compile(&source(&[smp])));
    let outcome = machine.kill_after("smp: CPU 1, MPIDR 0x1", Duration::from_secs(1)).boot();
    outcome.expect_killed().expect_line("bulkhead", console).expect_no_line("remark");
}
