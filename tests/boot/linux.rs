//! Debian's unmodified kernel.

use std::collections::BTreeSet;

use common::{
    Gic, Lines, Machine, Outcome, Partition, SUCCESS, compile, compile_file, decompile, dump,
    dumped_tree, file, in_all_modes, source,
};

in_all_modes!(
    two_cpus_beside_a_bare_metal_guest,
    four_cpus_alone,
    linux_sees_the_same_as_on_a_bare_machine,
    shell_session,
);

/// Boots one of the descriptions in `dts/`, on the machine of README.md.
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
    outcome.expect_success();
    expect_userspace(&outcome, "linux", 2, 512);
    let done = outcome.lines().containing("hello: done, ").0.len();
    outcome.check(done == 1, "the bare-metal guest does not finish");
}

fn four_cpus_alone(gic: Gic) {
    let outcome = boot_description("linux-alone", "cortex-a53", gic);
    outcome.expect_success();
    expect_userspace(&outcome, "linux", 4, 512);
}

/// Expects the lines of the init in `guests/linux/`.
#[track_caller]
pub fn expect_userspace(outcome: &Outcome, name: &str, cpus: usize, memory: u64) {
    let reached = format!("bulkhead-linux: userspace reached, cpus={cpus} memory={memory}MiB");
    outcome.expect_line(name, &reached).expect_line(name, "reboot: Power down");
    let interrupts = outcome.of(name).containing("bulkhead-linux: interrupts");
    let timer = counts(&interrupts.containing("arch_timer"));
    outcome.check(
        timer.len() == cpus && timer.iter().all(|&count| count > 0),
        &format!("the timer's interrupts on each CPU are {timer:?}"),
    );
    outcome.check(!interrupts.containing("uart-pl011").is_empty(), "the UART has no interrupt");
}

/// Returns the counts of a line of /proc/interrupts, one for each CPU.
fn counts(line: &Lines<'_>) -> Vec<u64> {
    let counts = line.0.first().and_then(|line| line.rsplit_once(": "));
    let words = counts.map(|(_, rest)| rest.split_ascii_whitespace()).into_iter().flatten();
    words.map_while(|word| word.parse().ok()).collect()
}

/// Compares the kernel's errors and warnings and the CPUs' features, and checks the guest's tree.
fn linux_sees_the_same_as_on_a_bare_machine(gic: Gic) {
    // The default CPU with GICv2, the newest with GICv3.
    let cpu = if gic == Gic::V2 { "cortex-a53" } else { "max" };
    let bootargs = "console=ttyAMA0 bulkhead.dump=dmesg bulkhead.dump=cpuinfo bulkhead.dump=fdt";
    let linux = linux("linux", bootargs);
    let guest = Machine::new(gic).cpu(cpu).initrd(&compile(&source(&[linux]))).deadline(120);
    let guest = guest.boot();
    guest.expect_success();
    let bare = Machine::bare(gic, file("target/linux/Image")).cpu(cpu).cpus(2).memory("512M");
    let bare = bare.command_line(bootargs).initrd(&file("target/linux/initramfs.cpio.gz")).boot();
    bare.expect_status(SUCCESS);

    let known = warnings(&bare, &bare.lines());
    let lines = guest.of("linux");
    let new: Vec<_> = warnings(&guest, &lines).difference(&known).cloned().collect();
    guest.check(
        new.is_empty(),
        &format!("the kernel has warnings that it does not have on a bare machine: {new:#?}"),
    );

    let known = features(&bare, &bare.lines());
    let seen = features(&guest, &lines);
    guest.check(seen == known, &format!("the features are {seen:?}, on a bare machine {known:?}"));

    let path = dumped_tree(&guest, &lines);
    let (_, warnings) = decompile(&path);
    guest.check(warnings.is_empty(), &format!("dtc warns about the guest's tree:\n{warnings}"));
}

/// Returns a partition of two CPUs for Debian's kernel.
pub fn linux(name: &str, bootargs: &str) -> Partition {
    Partition::linux(name).cpus(2).bootargs(bootargs)
}

/// A message of the kernel on a busy host, with and without Bulkhead.
const SLOW_HOST: &str = "hrtimer: interrupt took";

/// Returns the errors and warnings of the kernel's log without level and time, apart from
/// [`SLOW_HOST`].
#[track_caller]
fn warnings(outcome: &Outcome, lines: &Lines<'_>) -> BTreeSet<String> {
    let text = |line: &str| Some(line.strip_prefix('<')?.split_once("] ")?.1.trim().to_owned());
    let lines = dump(outcome, lines, "dmesg").0.into_iter();
    let lines = lines.filter(|line| !line.contains(SLOW_HOST));
    lines.filter_map(text).collect()
}

#[track_caller]
fn features(outcome: &Outcome, lines: &Lines<'_>) -> BTreeSet<String> {
    let cpuinfo = dump(outcome, lines, "cpuinfo").containing("Features");
    let words = cpuinfo.0.iter().filter_map(|line| line.split_once(": "));
    let features: BTreeSet<_> =
        words.flat_map(|(_, rest)| rest.split_ascii_whitespace()).map(String::from).collect();
    outcome.check(features.contains("asimd"), "the features of the CPUs are missing");
    features
}

/// Input is echoed and executed, and interrupts the guest by the UART.
fn shell_session(gic: Gic) {
    let linux = linux("linux", "console=ttyAMA0 quiet bulkhead.shell");
    let description = compile(&source(&[linux, Partition::new("neighbour", "hello")]));
    let machine = Machine::new(gic).initrd(&description).deadline(120);
    let outcome = machine
        .type_after("bulkhead-linux: shell", "echo $((6 * 7)) is the answer\r")
        .type_after("42 is the answer", "grep pl011 /proc/interrupts; echo \"co\"unted\r")
        .type_after("counted", "poweroff -f\r")
        .boot();
    outcome
        .expect_success()
        .expect_line("linux", "echo $((6 * 7)) is the answer")
        .expect_line("linux", "poweroff -f");
    let uart: u64 =
        counts(&outcome.of("linux").containing(": ").containing("uart-pl011").last()).iter().sum();
    outcome.check(uart > 0, "input does not interrupt Linux");
    outcome.expect_line("neighbour", "hello: done, ticks=10");
}
