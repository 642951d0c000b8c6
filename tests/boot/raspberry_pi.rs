//! The same image on QEMU's `raspi4b`, with Linux's tree.

use std::fs;

use crate::linux::expect_userspace;
use crate::watchdog::{expect_starved_guest, starved_guest};
use common::{
    Machine, Outcome, Partition, REFUSED, board_tree, compile, compile_file, compile_machine,
    decompile, file, scratch, source,
};

const HELLO_DONE: &str = "hello: done, ticks=10";

/// Returns a Raspberry Pi 4 with these partitions, whose console is the PL011: the tree's alias
/// `serial0`.
pub fn machine_with_pl011(partitions: &[Partition]) -> Machine {
    let tree = decompile(&board_tree()).0.replace("\"serial1:115200n8\"", "\"serial0:115200n8\"");
    assert!(tree.contains("serial0:115200n8"), "the board's tree has changed");
    // On a board the PMUs raise SPIs, as the tree says; in QEMU they raise PPI 7.
    let spis = "interrupts = <0x00 0x10 0x04 0x00 0x11 0x04 0x00 0x12 0x04 0x00 0x13 0x04>";
    assert!(tree.contains(spis), "the board's tree has changed");
    let tree = tree.replace(spis, "interrupts = <0x01 0x07 0x04>");
    let tree = compile_machine(&tree);
    Machine::raspberry_pi(&compile(&source(partitions))).tree(&tree)
}

/// Boots one of the descriptions in `dts/`.
fn boot_description(name: &str) -> Outcome {
    Machine::raspberry_pi(&compile_file(&file(&format!("dts/{name}.dts")))).deadline(240).boot()
}

#[test]
fn one_guest() {
    let outcome = boot_description("hello");
    outcome
        .expect_success()
        .expect_line("hello", HELLO_DONE)
        .expect_line("hello", "interrupts  GICv2");
    outcome.expect_line("bulkhead", "CPUs        4 (0-3), started by a spin table");
    outcome.expect_line("bulkhead", "console     /soc/serial@7e215040");
    outcome.expect_no_line("remark");
}

#[test]
fn four_guests_on_four_cpus() {
    let outcome = boot_description("four");
    outcome.expect_success();
    for name in ["north", "east", "south", "west"] {
        outcome.expect_line(name, HELLO_DONE);
    }
}

#[test]
fn smp_guest_on_four_cpus() {
    boot_description("smp")
        .expect_success()
        .expect_line("smp", "smp: done, cpus=4 sgis=12 ticks=20");
}

#[test]
fn linux_on_two_cpus_beside_two_bare_metal_guests() {
    let outcome = boot_description("rpi4");
    outcome.expect_success().expect_line("motor", HELLO_DONE).expect_line("sensor", HELLO_DONE);
    expect_userspace(&outcome, "linux", 2, 512);
}

#[test]
fn linux_on_four_cpus() {
    let outcome = boot_description("linux-alone");
    outcome.expect_success();
    expect_userspace(&outcome, "linux", 4, 512);
}

/// The firmware has no PSCI: without the watchdog, the machine would not end.
#[test]
fn machine_powers_off_by_its_watchdog() {
    let machine = Machine::raspberry_pi(&compile_file(&file("dts/hello.dts")));
    machine.without_semihosting().boot().expect_success();
}

/// The guest gets all devices in the page of the mini-UART.
#[test]
fn mini_uart_for_a_guest_and_the_pl011_for_bulkhead() {
    let mini_uart = scratch("mini-uart");
    let guest = Partition::new("guest", "hello").bootargs("say=0xfe215040");
    let guest = guest.property("devices = \"serial1\", \"/soc/aux@7e215000\";");
    let outcome = machine_with_pl011(&[guest]).second_uart_to(&mini_uart).boot();
    outcome.expect_success().expect_line("guest", HELLO_DONE);
    outcome.expect_line("bulkhead", "console     /soc/serial@7e201000");
    let text = fs::read_to_string(&mini_uart).expect("QEMU has made the file");
    outcome.check(
        text == "hello: on a UART of the machine\r\n",
        &format!("the output of the mini-UART is {text:?}"),
    );
}

/// QEMU's PL011 works without being set up, but the functions of its pins can be read back.
#[test]
fn pl011_is_given_its_pins() {
    let guest = Partition::new("guest", "hello").bootargs("poke=0xfe200004");
    let gpio = "trusted-devices = \"/soc/gpio@7e200000\";";
    let outcome = machine_with_pl011(&[guest.property(gpio)]).boot();
    outcome.expect_success().expect_line("guest", "poke: 0xfe200004 reads 0x24000");
    let trusted = "trusted     guest: /soc/gpio@7e200000 ";
    outcome.expect_line("bulkhead", &format!("{trusted}steers the pins of other devices"));
    outcome.expect_line("bulkhead", &format!("{trusted}serves /soc/"));
}

#[test]
fn input_at_the_pl011() {
    let probe = Partition::new("probe", "probe").cpus(2).bootargs("echo");
    let probe = probe.property("watchdog-ms = <60000>;");
    let machine = machine_with_pl011(&[probe]).second_uart_to(&scratch("mini-uart"));
    let machine = machine.type_after("probe: waiting for a line", "a line for the guest\r");
    machine
        .boot()
        .expect_success()
        .expect_line("probe", ", 0 failed")
        .expect_line("probe", "a line for the guest");
}

#[test]
fn starved_guest_is_restarted() {
    let guests = [starved_guest(), Partition::new("neighbour", "hello")];
    let outcome = Machine::raspberry_pi(&compile(&source(&guests))).boot();
    expect_starved_guest(&outcome);
    outcome.expect_line("neighbour", HELLO_DONE);
}

/// The report says that isolation is not enforced for a partition with unprotected DMA.
#[test]
fn unprotected_dma_is_reported() {
    let usb = "dma = \"unprotected\"; devices = \"/soc/usb@7e980000\";";
    let outcome =
        Machine::raspberry_pi(&compile(&source(&[Partition::new("guest", "hello").property(usb)])))
            .boot();
    outcome.expect_success().expect_line("guest", HELLO_DONE);
    outcome.expect_line("bulkhead", "isolation is not enforced for guest");
    let table = outcome.of("bulkhead").containing("/soc/usb@7e980000 (105)");
    let row: Vec<_> = table.0.first().map_or("", |row| row).split_ascii_whitespace().collect();
    let identity = row.len() > 5 && row[4] == row[5];
    outcome.check(identity, &format!("the memory is not identity-mapped: {row:?}"));
}

#[test]
fn wrong_devices_are_refused_in_one_sentence() {
    let given = |name: &str, devices: &str| {
        Partition::new(name, "hello").property(&format!("devices = {devices};"))
    };
    for (partitions, reason) in [
        (vec![given("a", "\"serial1\"")], "is used by Bulkhead and cannot be passed through"),
        (vec![given("a", "\"/soc/dma@7e007000\"")], "can write to all memory by DMA"),
        (vec![given("a", "\"/soc/gpio@7e200000\"")], "steers the pins of other devices"),
        (
            vec![given("a", "\"/soc/timer@7e003000\"")],
            "is not known to leave other partitions alone",
        ),
        (
            vec![given("a", "\"/soc/i2c@7e205000\""), given("b", "\"/soc/i2c@7e804000\"")],
            "raises interrupt 149, which /soc/i2c@7e804000 of /partitions/b raises too",
        ),
    ] {
        let outcome = Machine::raspberry_pi(&compile(&source(&partitions))).boot();
        outcome.expect_status(REFUSED).expect_no_line("hello: ");
        let refusals = outcome.of("bulkhead").containing("refused: ");
        outcome.check(refusals.0.len() == 1 && !refusals.containing(reason).is_empty(), reason);
    }
}
