//! Boots the files of the card, as they are on the card.

use common::Machine;

use super::image::copy_out;

#[test]
fn files_of_the_card_boot() {
    let files = copy_out("boot");
    let tree = files.join("bcm2711-rpi-4-b.dtb");
    let (kernel, description) = (files.join("kernel8.img"), files.join("system.dtb"));
    let machine = Machine::raspberry_pi(&description).kernel(&kernel).tree(&tree);
    let outcome = machine.deadline(120).boot();
    outcome.expect_success();
    outcome.expect_line("linux", "bulkhead-linux: userspace reached, cpus=2 memory=512MiB");
    outcome.expect_line("linux", "reboot: Power down");
    for name in ["motor", "sensor"] {
        outcome.expect_line(name, "hello: done, ticks=10");
    }
}
