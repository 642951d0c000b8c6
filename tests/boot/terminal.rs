//! A partition's console by virtio.

use common::{
    Gic, Machine, MakeMachine, Outcome, Partition, compile, in_all_modes, on_all_machines, source,
    system,
};

on_all_machines!(stock_kernel_has_its_shell_on_hvc0);

in_all_modes!(
    no_line_is_lost_or_torn_by_restarts,
    a_flood_of_lines_holds_only_its_authors_up,
    a_hostile_driver_harms_nobody,
);

/// The property that gives a partition the console.
const CONSOLE: &str = "console = \"virtio\";";

/// A link of consoles, whose end is the second console of Linux.
const LINKS: &str =
    "    links { serial { type = \"console\"; partitions = \"linux\", \"neighbour\"; }; };\n";

/// Returns the numbers of `messenger: line K of N ...`, each of which ends as it must.
#[track_caller]
fn lines(outcome: &Outcome, name: &str) -> Vec<u64> {
    let number = |line: &str| {
        let (_, rest) = line.split_once("messenger: line ")?;
        let (number, rest) = rest.split_once(" of ")?;
        let number: u64 = number.parse().ok()?;
        let dots = rest.split_once(' ').map_or("", |it| it.1);
        let is_whole = dots == ".".repeat(number as usize * 37 % 96);
        is_whole.then_some(number)
    };
    let all = outcome.of(name);
    let printed = all.containing("messenger: ").0;
    let whole: Vec<_> = printed.iter().filter_map(|line| number(line)).collect();
    let torn = printed.len() - whole.len();
    outcome.check(torn == 0, &format!("{torn} lines of {name} are not as they were printed"));
    whole
}

/// Returns a guest that prints this number of lines by virtio, and resets itself.
fn printer(name: &str, bootargs: &str, restarts: u32) -> Partition {
    let properties = format!("{CONSOLE} max-restarts = <{restarts}>;");
    Partition::new(name, "messenger").memory(2 << 20).bootargs(bootargs).property(&properties)
}

/// Debian's kernel with its own driver, beside a link of consoles and a disk by virtio: what it prints
/// is in the form of all lines, what is typed reaches its shell, and the PL011 is idle then.
fn stock_kernel_has_its_shell_on_hvc0(machine: MakeMachine) {
    let linux = Partition::linux("linux")
        .ramdisk("linux/links.cpio.gz")
        .memory(192 << 20)
        .bootargs("console=ttyAMA0 console=hvc0 quiet bulkhead.links bulkhead.hvc bulkhead.lines=100 bulkhead.shell")
        .property(CONSOLE)
        .property("disks { own { size = <0x0 0x200000>; interface = \"virtio\"; }; };");
    let neighbour = Partition::new("neighbour", "hello");
    let outcome = machine(&compile(&system(LINKS, &[linux, neighbour])))
        .memory("2G")
        .deadline(180)
        .type_after("bulkhead-linux: shell", "echo $((6 * 7)) is the answer\r")
        .type_after("42 is the answer", "head -n 1 /proc/consoles; grep pl011 /proc/interrupts\r")
        .type_after("uart-pl011", "poweroff -f\r")
        .boot();
    outcome.expect_success().expect_no_line("FAIL");
    outcome
        .expect_line("linux", "bulkhead-linux: link console virtio0 virtio_console")
        .expect_line("linux", "bulkhead-linux: link serial virtio1 virtio_console")
        .expect_line("linux", "bulkhead-linux: link own virtio2")
        .expect_line("linux", "echo $((6 * 7)) is the answer")
        .expect_line("linux", "hvc0")
        .expect_line("neighbour", "hello: done, ticks=10");
    for line in 1..=100 {
        outcome
            .expect_line("linux", &format!("bulkhead-linux: line {line} of 100, with more text"));
    }
    let interrupts = outcome.of("linux").containing("uart-pl011").containing(": ");
    let counts = interrupts.0.last().and_then(|line| line.split_once(": ")).map_or("", |it| it.1);
    let first = counts.split_ascii_whitespace().next();
    outcome.check(first == Some("0"), "the PL011 has had input");
}

/// A guest restarts 100 times while its output is on its way; the driver of each life begins anew.
fn no_line_is_lost_or_torn_by_restarts(gic: Gic) {
    const LINES: u64 = 40;
    let guests = [printer("a", "lines=40", 100), Partition::new("neighbour", "hello")];
    let outcome = Machine::new(gic).initrd(&compile(&source(&guests))).deadline(180).boot();
    outcome.expect_success().expect_no_line("FAIL");
    outcome.expect_line("bulkhead", "it stays stopped, restarted 100 times already");
    outcome.expect_line("neighbour", "hello: done, ticks=10");
    let expected: Vec<_> = (0..101).flat_map(|_| 1..=LINES).collect();
    let found = lines(&outcome, "a");
    outcome.check(found == expected, &format!("{} lines, not {}", found.len(), expected.len()));
}

/// Two partitions print as fast as the console takes it. Each waits for itself alone, and a third
/// one keeps its deadlines.
fn a_flood_of_lines_holds_only_its_authors_up(gic: Gic) {
    const LINES: u64 = 1000;
    let guests = [
        printer("a", "lines=1000 last", 0),
        printer("b", "lines=1000 last", 0),
        Partition::new("third", "hello"),
    ];
    let outcome = Machine::new(gic).initrd(&compile(&source(&guests))).deadline(180).boot();
    outcome.expect_success().expect_no_line("FAIL");
    for name in ["a", "b"] {
        let found = lines(&outcome, name);
        let is_whole = found.iter().copied().eq(1..=LINES);
        outcome.check(is_whole, &format!("{} lines of {name}", found.len()));
    }
    outcome.expect_line("third", "hello: done, ticks=10");
}

/// A driver, one CPU of which changes rings while they are read, has its device marked as in need of
/// a reset, and nobody else notices.
fn a_hostile_driver_harms_nobody(gic: Gic) {
    let attacker = Partition::new("attacker", "attacker").cpus(2).property(CONSOLE);
    let guests = [
        attacker.bootargs("only=links rounds=300 seed=1"),
        printer("a", "lines=200 last", 0),
        Partition::new("third", "hello"),
    ];
    let description = compile(&source(&guests));
    let outcome = Machine::new(gic).cpus(5).initrd(&description).deadline(180).boot();
    outcome.expect_success().expect_no_line("FAIL");
    outcome.expect_line("third", "hello: done, ticks=10");
    outcome.expect_line("attacker", "attacker: 300 rounds on links");
    let found = lines(&outcome, "a");
    outcome.check(found.iter().copied().eq(1..=200), &format!("{} lines", found.len()));
    let reset = outcome.of("bulkhead").containing("attacker: its virtio console needs a reset");
    outcome.check(!reset.is_empty(), "no device needed a reset");
    let harmed = outcome.of("bulkhead").containing("] a: its virtio console");
    outcome.check(harmed.is_empty(), "a needs a reset too");
}
