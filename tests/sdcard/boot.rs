//! The card's files, as they are on the card, make a machine that runs.

use super::image::copy_out;
use crate::support::Machine;

#[test]
fn files_of_the_card_boot() {
    let files = copy_out("boot");
    let tree = files.join("bcm2711-rpi-4-b.dtb");
    let (kernel, description) = (files.join("kernel8.img"), files.join("system.dtb"));
    let outcome = Machine::raspberry_pi(kernel, &tree, &description).deadline(120).boot();
    outcome.ends_well();
    outcome.says("linux", "bulkhead-linux: userspace reached, cpus=2 memory=512MiB");
    outcome.says("linux", "reboot: Power down");
    for name in ["motor", "sensor"] {
        outcome.says(name, "hello: done, ticks=10");
    }
}
