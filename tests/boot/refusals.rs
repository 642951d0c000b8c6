//! Mistakes in a description: each is refused in one sentence before any guest runs. The check that
//! needs no boot (`make check`) refuses the same in the same sentence, and reports what boot reports.

use std::fs;
use std::path::{Path, PathBuf};

use bulkhead_check::{ACCEPTED, REFUSED as CHECK_REFUSED};
use common::{Gic, Machine, Outcome, REFUSED, compile, compile_machine, machine_tree};
use common::{dtc, file, scratch};

/// A valid description, which each test changes in one place.
const GOOD: &str = r#"/dts-v1/;
/ {
    compatible = "bulkhead,system";
    partitions {
        a {
            cpus = <1>;
            memory = <0x0 0x1000000>;
            kernel { data = /incbin/("guests/hello.img"); };
        };
        b {
            cpu-ids = <0x1>;
            memory = <0x0 0x2000000>;
            host-base = <0x0 0x70000000>;
            devices = "/pl061@9030000";
            kernel { data = /incbin/("guests/smp.img"); };
        };
    };
};
"#;

/// Makes a test for each mistake: the text that is replaced, its replacement, and what the sentence
/// must contain.
macro_rules! refusals {
    ($($name:ident: $good:literal => $bad:literal, says $($text:literal),+;)+) => {
        $(#[test]
        fn $name() {
            refuse($good, $bad, &[$($text),+]);
        })+
    };
}

refusals! {
    wrong_compatible: "bulkhead,system" => "bulkhead,ship", says "/", "compatible", "bulkhead,ship";
    unknown_node_beside_partitions: "partitions {" => "partition { }; partitions {",
        says "/partition", "partitions";
    unknown_node_like_links: "partitions {" => "link { }; partitions {", says "/link", "links";
    link_to_no_partition: "partitions {" =>
        "links { lan { type = \"vsock\"; partitions = \"a\", \"d\"; }; }; partitions {",
        says "/links/lan", "partitions = \"d\"", "nearest name";
    console_of_another_kind: "cpus = <1>;" => "cpus = <1>; console = \"serial\";",
        says "/partitions/a", "console = \"serial\"", "virtio";
    unknown_property_of_a_partition: "cpus = <1>;" => "cpus = <1>; bootarg = \"\";",
        says "/partitions/a", "bootarg", "bootargs";
    unknown_node_of_a_partition: "kernel {" => "ramdsk { }; kernel {",
        says "/partitions/a/ramdsk", "ramdisk";
    unknown_property_of_a_kernel: "kernel {" => "kernel { dta = <1>;",
        says "/partitions/a/kernel", "dta", "data";
    name_that_is_too_long: "a {" => "a-name-that-goes-on-and-on {",
        says "a-name-that-goes-on-and-on";

    more_cpus_than_there_are: "cpus = <1>;" => "cpus = <5>;", says "/partitions/a", "cpus = <5>";
    more_cpus_than_are_left: "cpus = <1>;" => "cpus = <4>;", says "/partitions/a", "cpus = <4>";
    no_cpu: "cpus = <1>;" => "cpus = <0>;", says "/partitions/a", "cpus = <0>";
    cpus_missing: "cpus = <1>;" => "", says "/partitions/a", "cpus";
    cpus_of_the_wrong_type: "cpus = <1>;" => "cpus = \"one\";", says "/partitions/a", "cpus";
    cpus_beside_cpu_ids: "cpus = <1>;" => "cpus = <1>; cpu-ids = <0x2>;",
        says "/partitions/a", "cpus", "cpu-ids";
    cpu_given_twice: "cpus = <1>;" => "cpu-ids = <0x1>;", says "/partitions/", "cpu-ids", "<0x1>";
    cpu_given_twice_to_one: "cpus = <1>;" => "cpu-ids = <0x2 0x2>;",
        says "/partitions/a", "cpu-ids", "0x2";
    unknown_cpu: "cpus = <1>;" => "cpu-ids = <0x100>;", says "/partitions/a", "cpu-ids", "0x100";

    memory_missing: "memory = <0x0 0x1000000>;" => "", says "/partitions/a", "memory";
    memory_of_one_cell: "<0x0 0x1000000>" => "<0x1000000>", says "/partitions/a", "memory";
    no_memory: "<0x0 0x1000000>" => "<0x0 0x0>", says "/partitions/a", "memory = <0x0 0x0>";
    memory_that_does_not_fit: "<0x0 0x1000000>" => "<0x1 0x0>",
        says "/partitions/a", "memory = <0x1 0x0>";
    memory_that_overlaps: "cpus = <1>;" => "cpus = <1>; host-base = <0x0 0x71000000>;",
        says "/partitions/", "host-base", "0x7";
    memory_that_is_not_there: "cpus = <1>;" => "cpus = <1>; host-base = <0x4 0x0>;",
        says "/partitions/a", "host-base = <0x4 0x0>";
    memory_that_is_partly_there: "cpus = <1>;" => "cpus = <1>; host-base = <0x0 0x7f800000>;",
        says "/partitions/a", "host-base = <0x0 0x7f800000>";
    memory_of_bulkhead: "cpus = <1>;" => "cpus = <1>; host-base = <0x0 0x40000000>;",
        says "/partitions/a", "host-base = <0x0 0x40000000>";
    memory_of_the_description: "cpus = <1>;" => "cpus = <1>; host-base = <0x0 0x48000000>;",
        says "/partitions/a", "host-base = <0x0 0x48000000>";
    memory_not_in_whole_pages: "<0x0 0x1000000>" => "<0x0 0x1000800>",
        says "/partitions/a", "memory = <0x0 0x1000800>", "page";
    host_base_not_page_aligned: "cpus = <1>;" => "cpus = <1>; host-base = <0x0 0x60000800>;",
        says "/partitions/a", "host-base = <0x0 0x60000800>", "page";
    guest_base_not_page_aligned: "cpus = <1>;" => "cpus = <1>; guest-base = <0x0 0x60000800>;",
        says "/partitions/a", "guest-base = <0x0 0x60000800>", "page";
    guest_memory_over_devices: "cpus = <1>;" => "cpus = <1>; guest-base = <0x0 0x8000000>;",
        says "/partitions/a", "guest-base = <0x0 0x8000000>";
    guest_memory_beyond_the_address_space: "cpus = <1>;" => "cpus = <1>; guest-base = <0x80 0x0>;",
        says "/partitions/a", "guest-base = <0x80 0x0>";

    unknown_device: "cpus = <1>;" => "cpus = <1>; devices = \"/pl031@9020000\";",
        says "/partitions/a", "devices = \"/pl031@9020000\"", "/pl031@9010000";
    device_given_twice: "cpus = <1>;" => "cpus = <1>; devices = \"/pl061@9030000\";",
        says "/partitions/", "devices", "/pl061@9030000";
    console_of_bulkhead: "cpus = <1>;" => "cpus = <1>; devices = \"/pl011@9000000\";",
        says "/partitions/a", "devices", "/pl011@9000000", "Bulkhead";
    interrupt_controller: "cpus = <1>;" => "cpus = <1>; devices = \"/intc@8000000\";",
        says "/partitions/a", "devices", "/intc@8000000", "Bulkhead";
    device_with_unprotected_dma: "cpus = <1>;" => "cpus = <1>; devices = \"/virtio_mmio@a000000\";",
        says "/partitions/a", "devices", "/virtio_mmio@a000000", "dma";

    direct_interrupts_with_gicv2: "cpus = <1>;" => "cpus = <1>; interrupts = \"direct\";",
        says "/partitions/a", "interrupts = \"direct\"", "GICv3", "trapped";
    cpu_of_the_console_that_is_not_there:
        "partitions {" => "console-cpu = <9>; partitions {",
        says "/: console-cpu = <0x9>", "0x3";
    unknown_action_on_a_crash: "cpus = <1>;" => "cpus = <1>; on-crash = \"reboot\";",
        says "/partitions/a", "on-crash = \"reboot\"", "restart", "stop";
    restarts_of_the_wrong_type: "cpus = <1>;" => "cpus = <1>; max-restarts = \"many\";",
        says "/partitions/a", "max-restarts", "one cell";
    watchdog_without_time: "cpus = <1>;" => "cpus = <1>; watchdog-ms = <0>;",
        says "/partitions/a", "watchdog-ms = <0>", "1 to 3600000";
    watchdog_in_another_unit: "cpus = <1>;" => "cpus = <1>; watchdog-ms = <30000000>;",
        says "/partitions/a", "watchdog-ms = <30000000>", "an hour";
    monitor_with_a_value: "cpus = <1>;" => "cpus = <1>; monitor = \"yes\";",
        says "/partitions/a", "monitor", "without a value";
    monitor_of_the_console_with_a_value:
        "compatible = \"bulkhead,system\";" => "compatible = \"bulkhead,system\"; monitor = <1>;",
        says "/: monitor", "without a value";

    copies_that_are_more_than_the_cpus: "cpus = <1>;" => "cpus = <1>; copies = <4>;",
        says "/partitions/a", "cpus = <1>", "0 of 4";
    copies_at_one_address: "cpus = <1>;" => "cpus = <1>; copies = <2>; host-base = <0x0 0x60000000>;",
        says "/partitions/a: copies = <2>", "host-base";
    image_without_a_node: "data = /incbin/(\"guests/hello.img\");" => "image = \"hello\";",
        says "/partitions/a/kernel", "image = \"hello\"", "images";

    kernel_missing: "kernel { data = /incbin/(\"guests/hello.img\"); };" => "",
        says "/partitions/a", "kernel";
    kernel_without_data: "data = /incbin/(\"guests/hello.img\");" => "",
        says "/partitions/a/kernel", "data";
    kernel_empty: "/incbin/(\"guests/hello.img\")" => "[ ]", says "/partitions/a/kernel", "data";
    kernel_larger_than_its_memory: "<0x0 0x1000000>" => "<0x0 0x4000>",
        says "/partitions/a", "kernel";
    kernel_of_32_bits: "/incbin/(\"guests/hello.img\")" => "[ 7f 45 4c 46 01 01 01 00 ]",
        says "/partitions/a/kernel", "data", "32-bit";
    kernel_that_is_compressed: "/incbin/(\"guests/hello.img\")" => "[ 1f 8b 08 00 00 00 00 00 ]",
        says "/partitions/a/kernel", "data", "compressed";
    ramdisk_empty: "kernel {" => "ramdisk { data = [ ]; }; kernel {",
        says "/partitions/a/ramdisk", "data";
    command_line_of_the_wrong_type: "cpus = <1>;" => "cpus = <1>; bootargs = <1>;",
        says "/partitions/a", "bootargs";
}

/// Boots the description with one change and expects a refusal.
#[track_caller]
fn refuse(good: &str, bad: &str, texts: &[&str]) {
    assert!(GOOD.contains(good), "`{good}` is not in the good description");
    let description = compile(&GOOD.replacen(good, bad, 1));
    expect_refusal(&boot(&description), texts);
}

/// Boots the description, and expects that the check without a boot decides the same.
#[track_caller]
fn boot(description: &Path) -> Outcome {
    let machine = machine_blob(&machine_tree(Gic::V2));
    let outcome = Machine::new(Gic::V2).initrd(description).boot();
    expect_same_decision(&outcome, description, &machine);
    outcome
}

/// Compiles the source of a machine's tree, and returns the path of the blob. QEMU's trees are not
/// as dtc wants them.
#[track_caller]
fn machine_blob(text: &str) -> PathBuf {
    let path = scratch("checked-machine.dtb");
    let blob = dtc(&["-q", "-I", "dts", "-O", "dtb"], text.as_bytes());
    fs::write(&path, blob).expect("the tests' directory can be written");
    path
}

/// Checks the description on the machine with this tree, without booting. Returns the exit status
/// and the lines.
#[track_caller]
fn check(description: &Path, machine: &Path) -> (u8, Vec<String>) {
    let image = file("target/bulkhead.img");
    let options = [Path::new("check"), description];
    let options = options.into_iter().chain([Path::new("--image"), &image]);
    let options = options.chain([Path::new("--machine"), machine]);
    let (mut out, mut errors) = (Vec::new(), Vec::new());
    let arguments = options.map(|option| option.as_os_str().to_owned());
    let status = bulkhead_check::run(arguments, &mut out, &mut errors);
    assert_eq!(String::from_utf8_lossy(&errors), "");
    let text = String::from_utf8(out).expect("the report is text");
    (status, text.lines().map(String::from).collect())
}

/// Expects that the check without a boot says what the boot said: the sentence of a refusal, or
/// each line of the report, in the same order.
#[track_caller]
fn expect_same_decision(outcome: &Outcome, description: &Path, machine: &Path) {
    let (status, lines) = check(description, machine);
    let is_decision = |line: &&String| !line.starts_with("assumed ");
    let decision: Vec<_> = lines.iter().take_while(is_decision).map(|line| line.trim()).collect();
    let booted = outcome.of("bulkhead");
    let is_refused = booted.0.iter().any(|line| line.starts_with("refused: "));
    let expected = if is_refused { CHECK_REFUSED } else { ACCEPTED };
    outcome.check(status == expected, &format!("the check ends with {status}: {lines:#?}"));
    let mut rest = booted.0.iter();
    for line in &decision {
        let is_there = rest.any(|booted| booted == line);
        outcome.check(is_there, &format!("boot does not say, in this order: `{line}`"));
    }
    let least = if is_refused { 1 } else { 7 };
    outcome.check(decision.len() >= least, &format!("the check says too little: {lines:#?}"));
}

/// Expects one line that contains all of these texts, and no output of a guest.
#[track_caller]
fn expect_refusal(outcome: &Outcome, texts: &[&str]) {
    outcome
        .expect_status(REFUSED)
        .expect_no_line("hello: ")
        .expect_no_line("smp: ")
        .expect_no_line("panic");
    let mut sentence = outcome.of("bulkhead");
    for text in texts {
        sentence = sentence.containing(text);
    }
    let count = sentence.0.len();
    outcome.check(count == 1, &format!("{count} lines contain all of {texts:?}"));
}

#[test]
fn good_description_is_not_refused() {
    boot(&compile(GOOD)).expect_success();
}

#[test]
fn no_partitions() {
    let text = "/dts-v1/; / { compatible = \"bulkhead,system\"; partitions { }; };";
    expect_refusal(&boot(&compile(text)), &["/partitions"]);
    let text = "/dts-v1/; / { compatible = \"bulkhead,system\"; };";
    expect_refusal(&boot(&compile(text)), &["partitions"]);
}

#[test]
fn ramdisk_that_does_not_fit() {
    let ramdisk = scratch("ramdisk");
    fs::write(&ramdisk, vec![0; 16 << 20]).expect("the tests' directory can be written");
    let node = format!("ramdisk {{ data = /incbin/(\"{}\"); }}; kernel {{", ramdisk.display());
    refuse("kernel {", &node, &["/partitions/a/ramdisk", "data", "16777216"]);
}

#[test]
fn not_a_device_tree() {
    let noise: Vec<u8> =
        (0..4096_u32).map(|it| (it.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    expect_refusal(&boot_bytes(&noise), &["device tree"]);
}

/// The header gives a larger size than there is.
#[test]
fn truncated_tree() {
    let tree = fs::read(compile(GOOD)).expect("dtc wrote it");
    for length in [3, 39, 64, tree.len() / 2, tree.len() - 1] {
        let texts = ["truncated", &format!(", {length} are there")];
        expect_refusal(&boot_bytes(&tree[..length]), &texts);
    }
}

/// A word of the structure block is not a token.
#[test]
fn tree_with_an_invalid_token() {
    let mut tree = fs::read(compile(GOOD)).expect("dtc wrote it");
    let structure = u32::from_be_bytes(tree[8..12].try_into().expect("4 bytes")) as usize;
    tree[structure + 8..structure + 12].copy_from_slice(&[0xff; 4]);
    expect_refusal(&boot_bytes(&tree), &["malformed", &format!("{:#x}", structure + 8)]);
}

fn boot_bytes(description: &[u8]) -> Outcome {
    let path = scratch("bytes");
    fs::write(&path, description).expect("the tests' directory can be written");
    boot(&path)
}

/// No machine of QEMU has two devices with the same interrupt, so its tree is changed.
#[test]
fn interrupt_given_twice() {
    let text = machine_tree(Gic::V2);
    let (of_gpio, of_clock) = ("interrupts = <0x00 0x07 0x04>", "interrupts = <0x00 0x02 0x04>");
    assert!(text.contains(of_gpio) && text.contains(of_clock), "QEMU's tree has changed:\n{text}");
    let machine = compile_machine(&text.replace(of_gpio, of_clock));

    let given = "cpus = <1>; devices = \"/pl031@9010000\";";
    let description = compile(&GOOD.replacen("cpus = <1>;", given, 1));
    let outcome = Machine::new(Gic::V2).initrd(&description).tree(&machine).boot();
    expect_same_decision(&outcome, &description, &machine);
    expect_refusal(&outcome, &["/partitions/", "devices", "interrupt 34"]);
}

#[test]
fn machine_without_a_timer() {
    let text = machine_tree(Gic::V2);
    assert!(text.contains("arm,armv8-timer"), "QEMU's tree has changed:\n{text}");
    let text = text.replace("arm,armv8-timer", "a").replace("arm,armv7-timer", "b");
    let machine = compile_machine(&text);
    let description = compile(GOOD);
    let outcome = Machine::new(Gic::V2).initrd(&description).tree(&machine).boot();
    expect_same_decision(&outcome, &description, &machine);
    expect_refusal(&outcome, &["the machine's tree", "has no timer"]);
}

/// The report is the same with direct interrupts, trusted devices, a monitor and a watchdog.
#[test]
fn check_reports_what_boot_reports() {
    let with = "cpus = <1>; interrupts = \"direct\"; watchdog-ms = <60000>; monitor; \
        dma = \"unprotected\"; trusted-devices = \"/fw-cfg@9020000\";";
    let description = compile(&GOOD.replacen("cpus = <1>;", with, 1));
    let outcome = Machine::new(Gic::V3).initrd(&description).boot();
    outcome.expect_line("bulkhead", "direct for a").expect_line("bulkhead", "trusted     a:");
    expect_same_decision(&outcome, &description, &machine_blob(&machine_tree(Gic::V3)));
}
