//! Debian's U-Boot for QEMU as the boot loader, with the files that `make system` makes for it.

use std::fmt::Display;
use std::fs;

use common::{Gic, Machine, Outcome, file, on_both_gics};

on_both_gics!(booti_starts_the_image_with_a_description, bootm_starts_both_from_one_file);

/// Where the files are loaded, which on a board U-Boot does itself, as by `load mmc` or `tftp`.
const FIRST: &str = "0x50000000";
const SECOND: &str = "0x58000000";

/// Boots U-Boot with a file in memory at each address, and gives it this command.
#[track_caller]
fn boot(gic: Gic, files: &[(&str, &str)], command: impl Display) -> Outcome {
    let mut machine = Machine::new(gic)
        .without_kernel()
        .option("-semihosting-config", "enable=on,target=native")
        .option("-bios", file("target/linux/u-boot.bin").display());
    for (name, address) in files {
        let path = file(name);
        let loader = format!("loader,file={},addr={address},force-raw=on", path.display());
        machine = machine.option("-device", loader);
    }
    machine
        .type_after("Hit any key to stop autoboot", " \r")
        .type_after("=> ", &format!("setenv bootargs semihosting; {command} $fdtcontroladdr\r"))
        .boot()
}

/// Expects that the guest runs, with the description that U-Boot has loaded.
#[track_caller]
fn expect_hello(outcome: &Outcome) {
    outcome
        .expect_success()
        .expect_line("bulkhead", "description initrd, 0x")
        .expect_line("bulkhead", "CPUs        4 (0-3), started by PSCI")
        .expect_line("hello", "hello: done, ticks=10");
}

fn booti_starts_the_image_with_a_description(gic: Gic) {
    let files = [("target/bulkhead.img", FIRST), ("target/hello.uimg", SECOND)];
    expect_hello(&boot(gic, &files, format_args!("booti {FIRST} {SECOND}")));
}

/// The file contains the image, byte for byte.
fn bootm_starts_both_from_one_file(gic: Gic) {
    const NAME: &str = "target/hello.itb";
    let [whole, image] = [NAME, "target/bulkhead.img"]
        .map(|name| fs::read(file(name)).expect("the file can be read"));
    let start = whole.windows(64).position(|it| *it == image[..64]).expect("it has the header");
    assert!(whole[start..].starts_with(&image), "{NAME} is not made of this image: make systems");
    let part = format!("{FIRST}#bulkhead");
    expect_hello(&boot(gic, &[(NAME, FIRST)], format_args!("bootm {part} {part}")));
}
