//! The command that `make run` makes of `BOARD=` and the other variables, without running it.

use std::process::Command;

use common::qemu_is_at_least;

/// Returns the commands of `make run` with these variables, or its message of refusal.
fn make_run(variables: &[&str]) -> Result<String, String> {
    let mut make = Command::new("make");
    make.current_dir(env!("CARGO_MANIFEST_DIR")).args(["--dry-run", "run"]).args(variables);
    // The variables of the user, and of a make that runs this test, must not matter.
    for name in ["MAKEFLAGS", "MFLAGS", "MAKELEVEL", "SYSTEM", "BOARD", "GIC", "SMP", "CPU", "MEM"]
    {
        make.env_remove(name);
    }
    let output = make.output().expect("make can be started");
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

#[test]
fn board_determines_the_options_of_qemu() {
    for (variables, options) in [
        (&[][..], "-M virt,virtualization=on,gic-version=2 -cpu cortex-a53 -smp 4 -m 2G "),
        (&["GIC=3", "SMP=8", "CPU=max", "MEM=512M"], "gic-version=3 -cpu max -smp 8 -m 512M "),
        (&["BOARD=rpi4"], "-M raspi4b -dtb target/linux/bcm2711-rpi-4-b.dtb "),
        (&["BOARD=rpi4", "SYSTEM=dts/rpi4.dts"], "-initrd target/rpi4.dtb"),
        (&["BOARD=zcu102"], "-M xlnx-zcu102,virtualization=on -smp 4 -m 2G -dtb target/linux/"),
        (&["BOARD=zcu102", "SYSTEM=dts/zcu102.dts"], "-initrd target/zcu102.dtb"),
        (&["BOARD=versal", "SYSTEM=dts/versal.dts"], "-M xlnx-versal-virt -m 2G "),
        (&["BOARD=rpi4", "GIC=2", "SMP=4", "CPU=cortex-a72", "MEM=2G"], "-M raspi4b "),
    ] {
        let commands = make_run(variables).unwrap_or_else(|error| panic!("{variables:?}: {error}"));
        assert!(commands.contains(options), "{variables:?}: no `{options}` in:\n{commands}");
    }
}

#[test]
fn options_that_a_board_lacks_are_refused() {
    for (variables, reason) in [
        (["BOARD=rpi5", "GIC=2"], "BOARD=rpi5: the boards are imx8mp rpi4 versal virt zcu102"),
        (["BOARD=rpi4", "GIC=3"], "GIC=3: the board rpi4 has a GIC-400"),
        (["BOARD=rpi4", "SMP=2"], "SMP=2: the board rpi4 has 4 CPUs"),
        (["BOARD=rpi4", "CPU=cortex-a53"], "the CPUs of the board rpi4 are cortex-a72"),
        (["BOARD=rpi4", "MEM=8G"], "MEM=8G: the board rpi4 has 2G"),
        (["BOARD=zcu102", "MEM=4G"], "MEM=4G: the board zcu102 has 2G"),
        (["BOARD=versal", "SMP=4"], "SMP=4: the board versal has 2 CPUs"),
        (["BOARD=virt", "GIC=4"], "GIC=4: the board virt has interrupt controller 2 or 3"),
        (["BOARD=virt", "SMP=0"], "SMP=0: the number of CPUs is a whole number from 1"),
        (["BOARD=virt", "MEM=1"], "MEM=1: the size of the memory is a number of M or G"),
    ] {
        let message = make_run(&variables).expect_err("it is not refused");
        assert!(message.contains(reason), "{variables:?}: no `{reason}` in: {message}");
    }
}

/// In an older QEMU no guest on the i.MX 8M Plus gets an interrupt.
#[test]
fn imx8mp_needs_a_newer_qemu() {
    match (qemu_is_at_least([10, 0, 13]), make_run(&["BOARD=imx8mp"])) {
        (true, Ok(commands)) => {
            assert!(commands.contains("-serial null -serial mon:stdio"), "{commands}");
        }
        (false, Err(message)) => {
            assert!(message.contains("install QEMU 10.0.13 or newer"), "{message}");
        }
        (is_new, result) => panic!("QEMU is new: {is_new}; {result:?}"),
    }
    // Checking a description needs no guest.
    let mut check = Command::new("make");
    check.current_dir(env!("CARGO_MANIFEST_DIR")).args(["--dry-run", "check", "BOARD=imx8mp"]);
    assert!(check.output().expect("make can be started").status.success());
}
