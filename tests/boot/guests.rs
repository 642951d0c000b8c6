//! The bare-metal guests, alone and together, on both interrupt controllers.

use std::fs;
use std::path::PathBuf;

use common::{
    Gic, Machine, Outcome, Partition, SUCCESS, compile, compile_file, compile_machine, file,
    in_all_modes, machine_tree, on_both_gics, scratch, source,
};

in_all_modes!(
    one_guest,
    four_guests_on_four_cpus,
    smp_guest_on_four_cpus,
    flat_binary,
    flat_binary_clears_what_follows_it,
    probe_finds_a_bare_machine,
);

on_both_gics!(
    embedded_description_boots_two_guests,
    description_with_nops,
    description_in_the_machines_tree,
);

/// The machine does not matter: the guest tests functions.
#[test]
fn memory_is_copied_filled_and_compared() {
    let memory = compile(&source(&[Partition::new("memory", "memory")]));
    let outcome = Machine::new(Gic::V3).initrd(&memory).boot();
    outcome.expect_success().expect_no_line("FAIL").expect_line("memory", "memory: done, ");
}

/// A guest with direct interrupts can disturb its neighbours, so that one with neighbours has to
/// ask for them.
#[test]
fn interrupts_are_direct_for_a_lone_guest_and_on_request() {
    let hello = |name| Partition::new(name, "hello");
    let direct = hello("direct").property("interrupts = \"direct\";");
    for (guests, line) in [
        (vec![hello("alone")], "interrupts  GICv3, direct"),
        (vec![hello("one"), hello("two")], "interrupts  GICv3, trapped"),
        (vec![hello("one"), direct], "interrupts  GICv3, trapped, but direct for direct"),
    ] {
        let outcome = Machine::new(Gic::V3).initrd(&compile(&source(&guests))).boot();
        outcome.expect_success();
        let lines = outcome.of("bulkhead").containing("interrupts  ").0;
        outcome.check(lines == [line], &format!("{lines:?} instead of {line}"));
        let warned = !outcome.of("bulkhead").containing("direct      direct: can end").0.is_empty();
        outcome.check(warned == line.contains("but direct"), "what is not promised is reported");
        let done = outcome.lines().containing(HELLO_DONE).0.len();
        outcome.check(done == guests.len(), &format!("{done} guests finish"));
    }
}

/// The CPU of the console belongs to the second partition, to none, or is the only one left.
#[test]
fn console_is_served_by_the_cpu_that_is_named() {
    let waiting = Partition::new("waiting", "probe").bootargs("echo");
    let guests = [waiting, Partition::new("hello", "hello")];
    for (property, cpu) in [("console-cpu = <1>;", 1), ("console-cpu = <3>;", 3), ("", 2)] {
        let text = source(&guests).replace("partitions {", &format!("{property} partitions {{"));
        let outcome = Machine::new(Gic::V3)
            .initrd(&compile(&text))
            .type_after("probe: waiting for a line", "a line for the guest\r")
            .boot();
        outcome.expect_success().expect_line("waiting", "echo a line for the guest");
        outcome.expect_line("bulkhead", &format!("console     /pl011@9000000, by CPU {cpu}"));
    }
}

/// Of the CPUs that no partition owns, Bulkhead starts the one for the console: QEMU's log of
/// executed blocks names the CPUs that run Bulkhead's code.
#[test]
fn only_one_cpu_without_a_guest_is_started() {
    let log = scratch("executed.log");
    let description = compile(&source(&[Partition::new("hello", "hello")]));
    let machine = Machine::new(Gic::V3).initrd(&description).option("-d", "exec,nochain");
    let machine = machine.option("-dfilter", "0x40200000+0x200000");
    machine.option("-D", log.display()).boot().expect_success();
    let lines = fs::read_to_string(&log).expect("QEMU has written its log");
    fs::remove_file(&log).expect("the log is there");
    let runs = |cpu: &usize| lines.lines().any(|line| line.starts_with(&format!("Trace {cpu}:")));
    assert_eq!((0..4).filter(runs).collect::<Vec<_>>(), [0, 1]);
}

/// The last line of `hello`.
const HELLO_DONE: &str = "hello: done, ticks=10";

fn embedded_description_boots_two_guests(gic: Gic) {
    let outcome = Machine::new(gic).boot();
    outcome.expect_success();
    let done = outcome.lines().containing(": done, ").0.len();
    outcome.check(done == 2, &format!("{done} guests finish, not 2"));
}

fn one_guest(gic: Gic) {
    let outcome = boot_description("hello", gic);
    outcome.expect_success().expect_line("hello", HELLO_DONE);
    let version = format!("interrupts  GICv{}", gic.version());
    for line in [
        "partition   hello",
        "memory      0x40000000..0x41000000, 16 MiB",
        "CPU         1 of 1, MPIDR 0x0",
        &version,
    ] {
        outcome.expect_line("hello", line);
    }
    outcome.expect_line("bulkhead", "hello: powered off");
}

fn four_guests_on_four_cpus(gic: Gic) {
    let outcome = boot_description("four", gic);
    outcome.expect_success();
    for name in ["north", "east", "south", "west"] {
        let partition = format!("partition   {name}");
        outcome.expect_line(name, &partition).expect_line(name, HELLO_DONE);
    }
}

fn smp_guest_on_four_cpus(gic: Gic) {
    let outcome = boot_description("smp", gic);
    outcome.expect_success().expect_line("smp", "smp: done, cpus=4 sgis=12 ticks=20");
}

/// Boots one of the descriptions in `dts/`.
fn boot_description(name: &str, gic: Gic) -> Outcome {
    let description = compile_file(&file(&format!("dts/{name}.dts")));
    Machine::new(gic).initrd(&description).boot()
}

/// The kernel is four instructions that call PSCI SYSTEM_OFF, without an arm64 Image header.
fn flat_binary(gic: Gic) {
    let text = source(&[Partition::new("flat", "hello")]);
    let code = "[ 00 01 80 52  00 80 b0 72  02 00 00 d4  00 00 00 14 ]";
    let description = compile(&text.replace("/incbin/(\"guests/hello.img\")", code));
    let outcome = Machine::new(gic).initrd(&description).boot();
    outcome.expect_success().expect_line("bulkhead", "flat: powered off");
}

/// The kernel clears 8 MiB right above itself, finds the magic of a tree at x0, and calls PSCI
/// SYSTEM_OFF; without the tree it executes an undefined instruction. The code is
///
/// ```text
///     adr x1, end; mov x2, #0x800000
/// 1:  stp xzr, xzr, [x1], #16; subs x2, x2, #16; b.ne 1b
///     ldr w3, [x0]; mov w4, #0xdd0; movk w4, #0xedfe, lsl #16; cmp w3, w4; b.ne 2f
///     mov w0, #8; movk w0, #0x8400, lsl #16; hvc #0
/// 2:  udf #0; b 2b; nop
/// end:
/// ```
fn flat_binary_clears_what_follows_it(gic: Gic) {
    let text = source(&[Partition::new("flat", "hello")]);
    let code = "[ 01 02 00 10  02 10 a0 d2  3f 7c 81 a8  42 40 00 f1  c1 ff ff 54 \
                  03 00 40 b9  04 ba 81 52  c4 bf bd 72  7f 00 04 6b  81 00 00 54 \
                  00 01 80 52  00 80 b0 72  02 00 00 d4  00 00 00 00  ff ff ff 17 \
                  1f 20 03 d5 ]";
    let description = compile(&text.replace("/incbin/(\"guests/hello.img\")", code));
    let outcome = Machine::new(gic).initrd(&description).boot();
    outcome.expect_success().expect_line("bulkhead", "flat: powered off");
    outcome.expect_no_line("undefined instruction");
}

fn probe_finds_a_bare_machine(gic: Gic) {
    probe("cortex-a53", gic);
}

/// Runs all checks of `probe`, with two CPUs so that it can start one at an invalid address, and
/// types the line that it echoes.
pub fn probe(cpu: &str, gic: Gic) -> Outcome {
    let probe = Partition::new("probe", "probe").cpus(2).bootargs("echo");
    let probe = probe.property("watchdog-ms = <60000>;");
    let description = compile(&source(&[probe]));
    let machine = Machine::new(gic).cpu(cpu).initrd(&description);
    let outcome = machine.type_after("probe: waiting for a line", "a line for the guest\r").boot();
    outcome
        .expect_success()
        .expect_line("probe", ", 0 failed")
        .expect_line("probe", "a line for the guest");
    let passed = outcome.of("probe").0.iter().filter(|line| line.starts_with("ok ")).count();
    outcome.check(passed >= 79, &format!("the probe makes only {passed} checks"));
    outcome
}

/// The firmware keeps SGIs 8 to 15 Secure, and Bulkhead uses one of the others itself. The guest
/// has all sixteen.
#[test]
fn guest_has_sgis_that_are_secure() {
    let description = source(&[Partition::new("probe", "probe")]);
    let outcome = Machine::with_firmware(Gic::V2, &description).boot();
    outcome
        .expect_status(0)
        .expect_line("probe", "ok sixteen-pending")
        .expect_line("probe", "ok priority-order");
    outcome.expect_line("probe", ", 0 failed");
}

/// A tree may have NOPs between any two of its tokens (Devicetree Specification, 5.4.1).
fn description_with_nops(gic: Gic) {
    let description = compile(&source(&[Partition::new("first", "hello")]));
    let tree = with_nops(&std::fs::read(&description).expect("dtc wrote it"));
    std::fs::write(&description, tree).expect("the tests' directory can be written");
    let outcome = Machine::new(gic).initrd(&description).boot();
    outcome.expect_success().expect_line("first", HELLO_DONE);
}

/// Without an initrd, the description is the node /chosen/bulkhead.
fn description_in_the_machines_tree(gic: Gic) {
    let tree = machine_tree_with(gic, &source(&[Partition::new("inside", "hello")]));
    let outcome = Machine::new(gic).tree(&tree).boot();
    outcome.expect_success().expect_line("inside", HELLO_DONE);
}

/// Compiles a machine's tree with a description, given as source, and returns the path of the blob.
#[track_caller]
pub fn machine_tree_with(gic: Gic, description: &str) -> PathBuf {
    let (_, node) = description.split_once("/ {").expect("a description has a root");
    let mut tree = machine_tree(gic);
    let chosen = tree.find("chosen {").expect("QEMU's tree has a node /chosen");
    let end = chosen + tree[chosen..].find("};").expect("the node has an end");
    tree.insert_str(end, &format!("bulkhead {{{node}"));
    compile_machine(&tree)
}

/// Returns the tree with a NOP before each of its tokens.
fn with_nops(tree: &[u8]) -> Vec<u8> {
    const TOTAL_SIZE: usize = 4;
    const STRUCTURE: usize = 8;
    const STRINGS: usize = 12;
    const STRUCTURE_SIZE: usize = 36;
    let number = |at: usize| u32::from_be_bytes(tree[at..at + 4].try_into().expect("4 bytes"));
    let start = number(STRUCTURE) as usize;
    let end = start + number(STRUCTURE_SIZE) as usize;
    let mut with_nops = tree[..start].to_vec();
    let mut at = start;
    while at < end {
        let length = match number(at) {
            1 => 4 + tree[at + 4..].iter().position(|&byte| byte == 0).expect("a name ends") + 1,
            3 => 12 + number(at + 4) as usize,
            _ => 4,
        };
        let next = at + length.next_multiple_of(4);
        with_nops.extend(4_u32.to_be_bytes());
        with_nops.extend(&tree[at..next]);
        at = next;
    }
    let strings = with_nops.len() as u32;
    let grown = strings - end as u32;
    with_nops.extend(&tree[number(STRINGS) as usize..]);
    assert_eq!(number(STRINGS) as usize, end, "dtc writes the strings after the structure");
    for (field, value) in [
        (TOTAL_SIZE, number(TOTAL_SIZE) + grown),
        (STRINGS, strings),
        (STRUCTURE_SIZE, number(STRUCTURE_SIZE) + grown),
    ] {
        with_nops[field..field + 4].copy_from_slice(&value.to_be_bytes());
    }
    with_nops
}

/// What the guests check is true of a bare machine too; only then do they test Bulkhead.
#[test]
fn guests_pass_on_a_bare_machine() {
    for gic in [Gic::V2, Gic::V3] {
        for (guest, done) in [
            ("hello", HELLO_DONE),
            ("smp", "smp: done, cpus=4 sgis=12 ticks=20"),
            ("probe", ", 0 failed"),
        ] {
            let outcome = Machine::bare(gic, file(&format!("target/guests/{guest}.img"))).boot();
            outcome.expect_status(SUCCESS).expect_no_line("FAIL").expect_no_line("PANIC");
            let is_done = !outcome.lines().containing(done).is_empty();
            outcome.check(is_done, &format!("{guest} does not print `{done}`"));
        }
    }
}
