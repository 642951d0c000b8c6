//! The same image on QEMU's `raspi4b`, with the tree of Linux.

use std::fs;
use std::path::{Path, PathBuf};

use crate::linux::expect_userspace;
use crate::support::{
    Machine, Outcome, Partition, REFUSED, compile, compile_file, compile_machine, decompile, file,
    scratch, system,
};
use crate::watchdog::{judge_starved_guest, starved_guest};

const HELLO_DONE: &str = "hello: done, ticks=10";

fn board_tree() -> PathBuf {
    file("target/linux/bcm2711-rpi-4-b.dtb")
}

fn machine(description: &Path) -> Machine {
    Machine::raspberry_pi(file("target/bulkhead.img"), &board_tree(), description)
}

/// The same with these partitions, and with the PL011 as its console: the tree's alias `serial0`.
pub fn machine_with_pl011(partitions: &[Partition]) -> Machine {
    let tree = decompile(&board_tree()).0.replace("\"serial1:115200n8\"", "\"serial0:115200n8\"");
    assert!(tree.contains("serial0:115200n8"), "the board's tree has changed");
    let tree = compile_machine(&tree);
    let description = compile(&system(partitions));
    Machine::raspberry_pi(file("target/bulkhead.img"), &tree, &description)
}

/// Boots one of the descriptions in `dts/`.
fn boot_description(name: &str) -> Outcome {
    machine(&compile_file(&file(&format!("dts/{name}.dts")))).deadline(240).boot()
}

#[test]
fn one_guest() {
    let outcome = boot_description("hello");
    outcome.ends_well().says("hello", HELLO_DONE).says("hello", "interrupts  GICv2");
    outcome.says("bulkhead", "CPUs        4 (0-3), started by a spin table");
    outcome.says("bulkhead", "console     /soc/serial@7e215040");
    outcome.nobody_says("remark");
}

#[test]
fn four_guests_on_four_cpus() {
    let outcome = boot_description("four");
    outcome.ends_well();
    for name in ["north", "east", "south", "west"] {
        outcome.says(name, HELLO_DONE);
    }
}

#[test]
fn smp_guest_on_four_cpus() {
    boot_description("smp").ends_well().says("smp", "smp: done, cpus=4 sgis=12 ticks=20");
}

#[test]
fn linux_on_two_cpus_beside_two_bare_metal_guests() {
    let outcome = boot_description("rpi4");
    outcome.ends_well().says("motor", HELLO_DONE).says("sensor", HELLO_DONE);
    expect_userspace(&outcome, "linux", 2, 512);
}

#[test]
fn linux_on_four_cpus() {
    let outcome = boot_description("linux-alone");
    outcome.ends_well();
    expect_userspace(&outcome, "linux", 4, 512);
}

/// Firmware has no PSCI here: without the watchdog, the machine would never end.
#[test]
fn machine_powers_off_by_its_watchdog() {
    let machine = machine(&compile_file(&file("dts/hello.dts")));
    machine.without_semihosting().tree(&board_tree()).boot().ends_well();
}

/// All that is in the mini-UART's page goes with it.
#[test]
fn mini_uart_for_a_guest_and_the_pl011_for_bulkhead() {
    let mini_uart = scratch("mini-uart");
    let guest = Partition::new("guest", "hello").bootargs("say=0xfe215040");
    let guest = guest.property("devices = \"serial1\", \"/soc/aux@7e215000\";");
    let outcome = machine_with_pl011(&[guest]).second_uart_to(&mini_uart).boot();
    outcome.ends_well().says("guest", HELLO_DONE);
    outcome.says("bulkhead", "console     /soc/serial@7e201000");
    let said = fs::read_to_string(&mini_uart).expect("QEMU has made the file");
    outcome.check(
        said == "hello: on a UART of the machine\r\n",
        &format!("on the mini-UART there is {said:?}"),
    );
}

/// QEMU's PL011 talks without being set up. But its pins' functions can be read back.
#[test]
fn pl011_is_given_its_pins() {
    let guest = Partition::new("guest", "hello").bootargs("poke=0xfe200004");
    let gpio = "dma = \"unprotected\"; devices = \"/soc/gpio@7e200000\";";
    let outcome = machine_with_pl011(&[guest.property(gpio)]).boot();
    outcome.ends_well().says("guest", "poke: 0xfe200004 reads 0x24000");
}

#[test]
fn input_at_the_pl011() {
    let probe = Partition::new("probe", "probe").cpus(2).bootargs("echo");
    let probe = probe.property("watchdog-ms = <60000>;");
    let machine = machine_with_pl011(&[probe]).second_uart_to(&scratch("mini-uart"));
    let machine = machine.type_after("probe: waiting for a line", "a line for the guest\r");
    machine.boot().ends_well().says("probe", ", 0 failed").says("probe", "a line for the guest");
}

#[test]
fn starved_guest_is_restarted() {
    let guests = [starved_guest(), Partition::new("neighbour", "hello")];
    let outcome = machine(&compile(&system(&guests))).boot();
    judge_starved_guest(&outcome);
    outcome.says("neighbour", HELLO_DONE);
}

/// A partition may say that it wants unprotected DMA: then the report says what it is worth.
#[test]
fn unprotected_dma_is_told() {
    let usb = "dma = \"unprotected\"; devices = \"/soc/usb@7e980000\";";
    let outcome =
        machine(&compile(&system(&[Partition::new("guest", "hello").property(usb)]))).boot();
    outcome.ends_well().says("guest", HELLO_DONE);
    outcome.says("bulkhead", "isolation is not enforced for guest");
    let table = outcome.of("bulkhead").with("/soc/usb@7e980000 (105)");
    let row: Vec<_> = table.0.first().map_or("", |row| row).split_ascii_whitespace().collect();
    let identity = row.len() > 5 && row[4] == row[5];
    outcome.check(identity, &format!("the memory is not identity-mapped: {row:?}"));
}

#[test]
fn refused_in_a_sentence() {
    let given = |name: &str, devices: &str| {
        Partition::new(name, "hello").property(&format!("devices = {devices};"))
    };
    for (partitions, told) in [
        (vec![given("a", "\"serial1\"")], "is used by Bulkhead and cannot be passed through"),
        (vec![given("a", "\"/soc/dma@7e007000\"")], "can write to all memory by DMA"),
        (vec![given("a", "\"/soc/gpio@7e200000\"")], "can change what other partitions use"),
        (
            vec![given("a", "\"/soc/i2c@7e205000\""), given("b", "\"/soc/i2c@7e804000\"")],
            "raises interrupt 149, which /soc/i2c@7e804000 of /partitions/b raises too",
        ),
    ] {
        let outcome = machine(&compile(&system(&partitions))).boot();
        outcome.ends_with(REFUSED).nobody_says("hello: ");
        let refusals = outcome.of("bulkhead").with("refused: ");
        outcome.check(refusals.0.len() == 1 && !refusals.with(told).is_empty(), told);
    }
}
