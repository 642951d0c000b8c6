//! What firmware and boot loaders leave behind: state of the CPU and of the devices, and trees that
//! lack something.

use std::fs;
use std::time::Duration;

use common::{
    Gic, Leaves, Machine, Partition, REFUSED, compile, compile_machine, file, function,
    instruction, machine_tree, on_both_gics, patched, scratch, source,
};

const HELLO_DONE: &str = "hello: done, ticks=10";

on_both_gics!(
    interrupt_that_firmware_has_not_ended_masks_no_others,
    frequency_is_that_of_the_tree_if_firmware_has_set_none,
    unset_frequency_is_refused,
    pending_serror_is_reported_and_not_blamed_on_a_guest,
    refused_machine_is_powered_off_as_its_tree_says,
    refused_machine_without_a_way_to_power_it_off_says_so
);

fn hello() -> String {
    source(&[Partition::new("first", "hello")])
}

/// Returns a tree with one change, which must apply.
fn changed(tree: &str, from: &str, to: &str) -> String {
    assert!(tree.contains(from), "`{from}` is not in the machine's tree:\n{tree}");
    tree.replacen(from, to, 1)
}

/// The active priority of the SGI masks the guest's timer. Where interrupts are direct, the start
/// of a guest clears it.
fn interrupt_that_firmware_has_not_ended_masks_no_others(gic: Gic) {
    let guest = Partition::new("first", "hello").property("interrupts = \"trapped\";");
    let description = source(&[guest]);
    let machine =
        Machine::with_untidy_firmware(gic, &description, Leaves::Interrupts, &str::to_string);
    machine.deadline(20).boot().expect_status(0).expect_line("first", HELLO_DONE);
}

/// An LPI that stays enabled is taken for another interrupt, or masks all others because nothing
/// ends it.
#[test]
fn lpi_that_firmware_has_enabled_is_disabled() {
    let machine = Machine::with_untidy_firmware(Gic::V3, &hello(), Leaves::Lpi, &str::to_string);
    machine.deadline(20).boot().expect_status(0).expect_line("first", HELLO_DONE);
}

fn frequency_is_that_of_the_tree_if_firmware_has_set_none(gic: Gic) {
    let with_frequency = |tree: &str| {
        changed(tree, "timer {", "timer { clock-frequency = <62500000>; fsl,erratum-a008585;")
    };
    let outcome =
        Machine::with_untidy_firmware(gic, &hello(), Leaves::NoFrequency, &with_frequency).boot();
    outcome.expect_status(0).expect_line("first", HELLO_DONE);
    // With the frequency 0 a millisecond would be one tick.
    let end = outcome.of("bulkhead").containing("first: powered off after ");
    let seconds = end.0.first().and_then(|line| line.split("after ").nth(1)?.split(' ').next());
    let seconds: Option<f64> = seconds.and_then(|seconds| seconds.parse().ok());
    let is_plausible = seconds.is_some_and(|seconds| seconds < 60.0);
    outcome.check(is_plausible, &format!("the guest ran {seconds:?} s"));
}

fn unset_frequency_is_refused(gic: Gic) {
    let machine =
        Machine::with_untidy_firmware(gic, &hello(), Leaves::NoFrequency, &str::to_string);
    machine
        .boot()
        .expect_status(REFUSED)
        .expect_line("bulkhead", "refused: firmware has left CNTFRQ_EL0 at 0")
        .expect_line("bulkhead", "clock-frequency");
}

/// QEMU has no SErrors: an HVC in place of the instruction that unmasks them is taken in their
/// place.
fn pending_serror_is_reported_and_not_blamed_on_a_guest(gic: Gic) {
    const MSR_DAIFCLR_A: u32 = 0xd503_44ff;
    const HVC_0: u32 = 0xd400_0002;
    let start = function(&["6serror", "unmask_shortly"]);
    let unmask =
        (start..start + 64).step_by(4).find(|offset| instruction(*offset) == MSR_DAIFCLR_A);
    let image = patched(&[(unmask.expect("it unmasks SErrors"), &[HVC_0])]);
    let outcome = Machine::new(gic).kernel(&image).initrd(&compile(&hello())).boot();
    outcome.expect_success().expect_line("first", HELLO_DONE);
    // The guest's CPU and the console's.
    for cpu in ["0x0", "0x1"] {
        let text = format!("CPU {cpu} had a pending SError (ESR_EL2 0x5a000000)");
        outcome.expect_line("bulkhead", &text);
    }
    outcome.check(
        Machine::new(gic)
            .initrd(&compile(&hello()))
            .boot()
            .of("bulkhead")
            .containing("SError")
            .is_empty(),
        "an SError is reported although none is pending",
    );
}

/// Returns QEMU's tree without the timer, and so without something that Bulkhead needs.
fn tree_without_timer(gic: Gic) -> String {
    changed(&machine_tree(gic), "arm,armv8-timer", "acme,timer")
}

fn refused_machine_is_powered_off_as_its_tree_says(gic: Gic) {
    let tree = compile_machine(&changed(&tree_without_timer(gic), "arm,armv7-timer", "acme,old"));
    let outcome = Machine::new(gic).without_semihosting().tree(&tree).deadline(20).boot();
    outcome
        .expect_status(0)
        .expect_line("bulkhead", "refused: the machine's tree: the machine's tree has no timer")
        .expect_line("bulkhead", "the machine powers off");
}

fn refused_machine_without_a_way_to_power_it_off_says_so(gic: Gic) {
    let change = |tree: &str| {
        let tree = changed(tree, "arm,armv8-timer", "acme,timer");
        let tree = changed(&tree, "arm,armv7-timer", "acme,old");
        changed(&changed(&tree, "method = \"smc\"", "method = \"hvc\""), "semihosting", "quiet")
    };
    let machine = Machine::with_untidy_firmware(gic, &hello(), Leaves::Nothing, &change);
    let outcome = machine.kill_after("stops here", Duration::from_secs(1)).boot();
    outcome.expect_killed().expect_no_line("powers off");
}

/// The registers are memory that the machine's tree does not have.
#[test]
fn running_watchdog_is_reported() {
    const CONTROL: &str = "0x7f000008";
    let with_watchdog = |tree: &str| {
        let all = "reg = <0x00 0x40000000 0x00 0x40000000>";
        let tree = changed(tree, all, "reg = <0x00 0x40000000 0x00 0x3f000000>");
        let node = "watchdog@7f000000 { compatible = \"arm,sp805\", \"arm,primecell\"; \
                    reg = <0x00 0x7f000000 0x00 0x1000>; }; timer {";
        changed(&tree, "timer {", node)
    };
    let boot = |value: u32| {
        Machine::with_untidy_firmware(Gic::V2, &hello(), Leaves::Nothing, &with_watchdog)
            .option("-device", format!("loader,addr={CONTROL},data={value},data-len=4"))
            .boot()
    };
    let outcome = boot(3);
    outcome
        .expect_status(0)
        .expect_line("bulkhead", "remark      /watchdog@7f000000 runs and will reset the machine");
    boot(0).expect_status(0).expect_no_line("remark");
}

#[test]
fn initrd_over_the_image_is_refused() {
    let moved = |tree: &str| {
        let tree = tree.replace("0x48000000", "0x40200000");
        assert!(
            tree.contains("linux,initrd-start = <0x40200000>"),
            "the tree has changed:\n{tree}"
        );
        tree.replace("0x48100000", "0x40201000")
    };
    Machine::with_untidy_firmware(Gic::V2, &hello(), Leaves::Nothing, &moved)
        .boot()
        .expect_status(REFUSED)
        .expect_line("bulkhead", "refused: the initrd at 0x40200000-0x40200fff overlaps Bulkhead");
}

/// A Cortex-A53 has pages of 4 KiB and 64 KiB.
#[test]
fn kernel_with_pages_that_the_cpu_lacks_is_refused() {
    let boot = |flags: u8| {
        let mut image = fs::read(file("target/guests/hello.img")).expect("it can be read");
        image[24] = flags;
        let path = scratch(&format!("{flags}.img"));
        fs::write(&path, image).expect("the tests' directory can be written");
        let guest = Partition::with_kernel("first", path.to_str().expect("paths are UTF-8"));
        Machine::new(Gic::V2).initrd(&compile(&source(&[guest]))).boot()
    };
    boot(0b1010).expect_success().expect_line("first", HELLO_DONE);
    boot(0b1110).expect_success().expect_line("first", HELLO_DONE);
    boot(0b1100)
        .expect_status(REFUSED)
        .expect_line("bulkhead", "refused: /partitions/first/kernel")
        .expect_line("bulkhead", "pages of 16 KiB");
}

/// QEMU's four redistributors follow each other at 0x20000: by 0x40000 every second one is found.
#[test]
fn redistributors_are_where_the_stride_of_the_tree_says() {
    let boot = |stride: &str| {
        let properties = format!("redistributor-stride = <0x0 {stride}>; #redistributor-regions");
        let tree = changed(&machine_tree(Gic::V3), "#redistributor-regions", &properties);
        let tree = changed(&tree, "0x80a0000 0x00 0xf60000", "0x80a0000 0x00 0x80000");
        let tree = compile_machine(&tree);
        let smp = Partition::new("smp", "smp").cpus(2);
        Machine::new(Gic::V3).initrd(&compile(&source(&[smp]))).tree(&tree).boot()
    };
    boot("0x20000").expect_success().expect_line("smp", "smp: done, cpus=2");
    boot("0x40000")
        .expect_status(REFUSED)
        .expect_line("bulkhead", "refused: CPU 0x1: none of the GIC's redistributors");
}
