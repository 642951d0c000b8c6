//! The same image on QEMU's `raspi4b`.

use crate::support::{Machine, compile_file, file};

#[test]
fn four_guests_on_four_cpus() {
    let description = compile_file(&file("dts/four.dts"));
    let tree = file("target/linux/bcm2711-rpi-4-b.dtb");
    let outcome = Machine::raspberry_pi(file("target/bulkhead.img"), &tree, &description).boot();
    outcome.ends_well();
    for name in ["north", "east", "south", "west"] {
        outcome.says(name, "hello: done, ticks=10");
    }
}
