//! Debian's kernel, as it is.

use std::collections::BTreeSet;

use crate::support::{
    Gic, Lines, Machine, Outcome, Partition, SUCCESS, compile, compile_file, decompile, dump,
    dumped_tree, file, in_all_modes, system,
};

in_all_modes!(
    two_cpus_beside_a_bare_metal_guest,
    four_cpus_alone,
    all_is_as_on_a_bare_machine,
    shell_session,
);

/// A description in `dts/`, on the machine of README.md.
fn boot_description(name: &str, cpu: &str, gic: Gic) -> Outcome {
    let description = compile_file(&file(&format!("dts/{name}.dts")));
    Machine::new(gic).cpu(cpu).memory("2G").initrd(&description).deadline(120).boot()
}

fn two_cpus_beside_a_bare_metal_guest(gic: Gic) {
    beside_a_bare_metal_guest("cortex-a53", gic);
}

#[test]
fn two_cpus_beside_a_bare_metal_guest_on_the_newest_core() {
    beside_a_bare_metal_guest("max", Gic::V3);
}

fn beside_a_bare_metal_guest(cpu: &str, gic: Gic) {
    let outcome = boot_description("linux", cpu, gic);
    outcome.ends_well();
    expect_userspace(&outcome, "linux", 2, 512);
    let done = outcome.lines().with("hello: done, ").0.len();
    outcome.check(done == 1, "the bare-metal guest does not come to its end");
}

fn four_cpus_alone(gic: Gic) {
    let outcome = boot_description("linux-alone", "cortex-a53", gic);
    outcome.ends_well();
    expect_userspace(&outcome, "linux", 4, 512);
}

/// What the init in `guests/linux/` prints.
#[track_caller]
pub fn expect_userspace(outcome: &Outcome, name: &str, cpus: usize, memory: u64) {
    let reached = format!("bulkhead-linux: userspace reached, cpus={cpus} memory={memory}MiB");
    outcome.says(name, &reached).says(name, "reboot: Power down");
    let interrupts = outcome.of(name).with("bulkhead-linux: interrupts");
    let timer = counts(&interrupts.with("arch_timer"));
    outcome.check(
        timer.len() == cpus && timer.iter().all(|&count| count > 0),
        &format!("the timer's interrupts on each CPU are {timer:?}"),
    );
    outcome.check(!interrupts.with("uart-pl011").is_empty(), "the UART has no interrupt");
}

/// The counts of a line of /proc/interrupts, one for each CPU.
fn counts(line: &Lines<'_>) -> Vec<u64> {
    let counts = line.0.first().and_then(|line| line.rsplit_once(": "));
    let words = counts.map(|(_, rest)| rest.split_ascii_whitespace()).into_iter().flatten();
    words.map_while(|word| word.parse().ok()).collect()
}

/// The kernel's errors and warnings, what it calls the CPUs' features, and its tree.
fn all_is_as_on_a_bare_machine(gic: Gic) {
    // The GICv2 of the machine that is the default, the GICv3 of the newest.
    let cpu = if gic == Gic::V2 { "cortex-a53" } else { "max" };
    let bootargs = "console=ttyAMA0 bulkhead.dump=dmesg bulkhead.dump=cpuinfo bulkhead.dump=fdt";
    let linux = linux("linux", bootargs);
    let guest = Machine::new(gic).cpu(cpu).initrd(&compile(&system(&[linux]))).deadline(120);
    let guest = guest.boot();
    guest.ends_well();
    let bare = Machine::bare(gic, file("target/linux/Image")).cpu(cpu).cpus(2).memory("512M");
    let bare = bare.command_line(bootargs).initrd(&file("target/linux/initramfs.cpio.gz")).boot();
    bare.ends_with(SUCCESS);

    let known = complaints(&bare, &bare.lines());
    let lines = guest.of("linux");
    let new: Vec<_> = complaints(&guest, &lines).difference(&known).cloned().collect();
    guest.check(new.is_empty(), &format!("the kernel complains as on no bare machine: {new:#?}"));

    let known = features(&bare, &bare.lines());
    let seen = features(&guest, &lines);
    guest.check(seen == known, &format!("the features are {seen:?}, on a bare machine {known:?}"));

    let path = dumped_tree(&guest, &lines);
    let (_, warnings) = decompile(&path);
    guest.check(warnings.is_empty(), &format!("dtc says of the guest's tree:\n{warnings}"));
}

/// Debian's kernel with the project's init.
pub fn linux(name: &str, bootargs: &str) -> Partition {
    let initramfs = "ramdisk { data = /incbin/(\"linux/initramfs.cpio.gz\"); };";
    let linux = Partition::with_kernel(name, "linux/Image").cpus(2).memory(512 << 20);
    linux.bootargs(bootargs).property(initramfs)
}

/// What a kernel says where the host is busy, with and without Bulkhead.
const SLOW_HOST: &str = "hrtimer: interrupt took";

/// The lines of the kernel's log that are at least warnings, without level and time, apart from the
/// one that tells of the host.
#[track_caller]
fn complaints(outcome: &Outcome, lines: &Lines<'_>) -> BTreeSet<String> {
    let text = |line: &str| Some(line.strip_prefix('<')?.split_once("] ")?.1.trim().to_owned());
    let complaints = dump(outcome, lines, "dmesg").0.into_iter();
    let complaints = complaints.filter(|line| !line.contains(SLOW_HOST));
    complaints.filter_map(text).collect()
}

#[track_caller]
fn features(outcome: &Outcome, lines: &Lines<'_>) -> BTreeSet<String> {
    let cpuinfo = dump(outcome, lines, "cpuinfo").with("Features");
    let words = cpuinfo.0.iter().filter_map(|line| line.split_once(": "));
    let features: BTreeSet<_> =
        words.flat_map(|(_, rest)| rest.split_ascii_whitespace()).map(String::from).collect();
    outcome.check(features.contains("asimd"), "the CPUs' features are not told");
    features
}

/// What is typed is echoed, carried out, and counted as interrupts of the UART.
fn shell_session(gic: Gic) {
    let linux = linux("linux", "console=ttyAMA0 quiet bulkhead.shell");
    let description = compile(&system(&[linux, Partition::new("neighbour", "hello")]));
    let machine = Machine::new(gic).initrd(&description).deadline(120);
    let outcome = machine
        .type_after("bulkhead-linux: shell", "echo $((6 * 7)) is the answer\r")
        .type_after("42 is the answer", "grep pl011 /proc/interrupts; echo \"co\"unted\r")
        .type_after("counted", "poweroff -f\r")
        .boot();
    outcome.ends_well().says("linux", "echo $((6 * 7)) is the answer").says("linux", "poweroff -f");
    let uart: u64 = counts(&outcome.of("linux").with(": ").with("uart-pl011").last()).iter().sum();
    outcome.check(uart > 0, "what is typed does not interrupt Linux");
    outcome.says("neighbour", "hello: done, ticks=10");
}
