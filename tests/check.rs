//! The check without a boot (`make check`): its exit statuses, its options, and its map. The tests of
//! refusals compare its decisions with those of boot (`tests/boot/refusals.rs`).

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use bulkhead_check::{ACCEPTED, REFUSED, USAGE};
use common::{Gic, compile, compile_machine, file, machine_tree, scratch};

/// A description of two partitions.
const SYSTEM: &str = r#"/dts-v1/;
/ {
    compatible = "bulkhead,system";
    partitions {
        first {
            cpus = <1>;
            memory = <0x0 0x1000000>;
            host-base = <0x0 0x60000000>;
            kernel { data = /incbin/("guests/hello.img"); };
        };
        second {
            cpu-ids = <0x2 0x3>;
            memory = <0x0 0x2000000>;
            devices = "/pl061@9030000", "/pl031@9010000";
            kernel { data = /incbin/("guests/smp.img"); };
        };
    };
};
"#;

/// What a run of the program gave.
struct Run {
    status: u8,
    out: String,
    errors: String,
}

fn run(arguments: &[&str]) -> Run {
    let arguments = [&["check"], arguments].concat();
    let (mut out, mut errors) = (Vec::new(), Vec::new());
    let status = bulkhead_check::run(arguments.iter().map(OsString::from), &mut out, &mut errors);
    let text = |bytes| String::from_utf8(bytes).expect("what is printed is text");
    Run { status, out: text(out), errors: text(errors) }
}

/// Checks a description on a machine, with further options.
#[track_caller]
fn check(system: &str, machine: &Path, options: &[&str]) -> Run {
    let system = compile(system);
    let image = file("target/bulkhead.img");
    let paths = [&system, &image].map(|path| path.to_str().expect("paths are text"));
    let machine = machine.to_str().expect("paths are text");
    run(&[&[paths[0], "--image", paths[1], "--machine", machine], options].concat())
}

/// Returns the tree of QEMU's machine, as a blob.
#[track_caller]
fn virt(gic: Gic) -> PathBuf {
    compile_machine(&machine_tree(gic))
}

/// Returns the description with a change, which must apply.
#[track_caller]
fn changed(from: &str, to: &str) -> String {
    assert!(SYSTEM.contains(from), "`{from}` is not in the description");
    SYSTEM.replacen(from, to, 1)
}

#[test]
fn exit_status_is_the_decision() {
    // docs/description.md promises these numbers.
    assert_eq!([ACCEPTED, REFUSED, USAGE], [0, 1, 2]);
    let machine = virt(Gic::V2);
    let run = check(SYSTEM, &machine, &[]);
    assert_eq!((run.status, &*run.errors), (ACCEPTED, ""), "{}", run.out);
    assert!(run.out.ends_with("\naccepted\n") && run.out.contains("not checked "), "{}", run.out);
    let run = check(&changed("cpus = <1>", "cpus = <9>"), &machine, &[]);
    assert_eq!((run.status, &*run.errors), (REFUSED, ""));
    let is_one = run.out.starts_with("refused: /partitions/first: cpus = <9> ");
    assert!(is_one && !run.out.contains("accepted"), "{}", run.out);
}

#[test]
fn what_cannot_be_checked_is_said_in_one_sentence() {
    let machine = virt(Gic::V2);
    let machine = machine.to_str().expect("paths are text");
    let image = file("target/bulkhead.img");
    let image = image.to_str().expect("paths are text");
    for (arguments, sentence) in [
        (&[][..], "--machine <FILE>"),
        (&["--machine", "/nonexistent"], "/nonexistent cannot be read: "),
        (&["--machine", machine, "--image", image, "/none.dtb"], "/none.dtb cannot be read: "),
        (&["--machine", machine, "--image", machine], "is not an arm64 Image: give bulkhead.img"),
        (&["--machine", machine, "--image-at", "4x"], "hexadecimal one that begins with 0x"),
        (
            &["--machine", machine, "--image", image, "--last-direct-spi", "31"],
            "--last-direct-spi 31: give an SPI",
        ),
        (&["--machine", machine, "--image", image, "--load", "4"], "--load 4: give ADDRESS=FILE"),
    ] {
        let run = run(arguments);
        assert_eq!((run.status, &*run.out), (USAGE, ""), "{arguments:?}");
        let is_said = run.errors.starts_with("bulkhead-check: ") && run.errors.contains(sentence);
        assert!(is_said, "{arguments:?}: {}", run.errors);
    }
    let run = run(&["--help"]);
    assert_eq!((run.status, &*run.errors), (ACCEPTED, ""));
    assert!(run.out.contains("Exit status: "), "{}", run.out);
}

#[test]
fn map_that_cannot_be_written_is_no_acceptance() {
    let run = check(SYSTEM, &virt(Gic::V2), &["--svg", "/nonexistent/map.svg"]);
    assert_eq!((run.status, &*run.out), (USAGE, ""));
    assert!(run.errors.contains("/nonexistent/map.svg cannot be written: "), "{}", run.errors);
}

/// Bulkhead, the description and the machine's tree are where the options put them.
#[test]
fn options_place_what_boot_uses() {
    let machine = virt(Gic::V2);
    for (option, owner) in [
        ("--image-at", "Bulkhead"),
        ("--system-at", "the system description"),
        ("--tree-at", "the machine's tree"),
    ] {
        let run = check(SYSTEM, &machine, &[option, "0x60400000"]);
        assert_eq!(run.status, REFUSED, "{option}: {}", run.out);
        let is_said = run.out.starts_with("refused: /partitions/first: host-base")
            && run.out.lines().next().is_some_and(|line| line.contains(owner));
        assert!(is_said, "{option}: {}", run.out);
    }
    let run = check(SYSTEM, &machine, &["--boot-cpu", "0x700"]);
    let sentence = "refused: the CPU that booted, MPIDR 0x700, is not in the machine's tree\n";
    assert!(run.status == REFUSED && run.out.starts_with(sentence), "{}", run.out);
}

#[test]
fn direct_interrupts_depend_on_who_owns_the_groups() {
    let (machine, system) =
        (virt(Gic::V3), changed("cpus = <1>", "cpus = <1>; interrupts = \"direct\""));
    let run = check(&system, &machine, &[]);
    assert_eq!(run.status, ACCEPTED, "{}", run.out);
    assert!(run.out.contains("assumed     firmware owns no interrupt group"), "{}", run.out);
    let run = check(&system, &machine, &["--last-direct-spi", "0"]);
    assert_eq!(run.status, REFUSED, "{}", run.out);
    assert!(run.out.contains("interrupts = \"direct\""), "{}", run.out);
}

#[test]
fn image_in_memory_is_read_from_the_file_that_is_loaded_there() {
    let machine = virt(Gic::V2);
    let reg = "reg = <0x0 0x70000000 0x0 0x1000>";
    let system = changed("data = /incbin/(\"guests/hello.img\")", reg);
    let run = check(&system, &machine, &[]);
    assert_eq!(run.status, ACCEPTED, "{}", run.out);
    assert!(run.out.contains("assumed     the image at 0x70000000-0x70000fff"), "{}", run.out);
    let kernel = scratch("gz");
    fs::write(&kernel, [&[0x1f, 0x8b][..], &[0; 0x1000]].concat()).expect("it can be written");
    let load = format!("0x70000000={}", kernel.display());
    let run = check(&system, &machine, &["--load", &load]);
    assert_eq!(run.status, REFUSED, "{}", run.out);
    assert!(run.out.contains("is compressed"), "{}", run.out);
}

/// Returns what follows each `<` of an SVG up to the end of the name, and checks that every element
/// is closed.
fn elements(map: &str) -> Vec<&str> {
    let (mut all, mut open) = (Vec::new(), Vec::new());
    for part in map.split('<').skip(1) {
        let (tag, _) = part.split_once('>').expect("each tag ends");
        let name = tag.split([' ', '/']).find(|it| !it.is_empty()).expect("each tag has a name");
        match (tag.starts_with('/'), tag.ends_with('/')) {
            (true, _) => assert_eq!(open.pop(), Some(name)),
            (false, true) => all.push(name),
            (false, false) => {
                all.push(name);
                open.push(name);
            }
        }
    }
    assert!(open.is_empty(), "{open:?} are not closed");
    all
}

#[test]
fn map_shows_what_each_partition_owns() {
    let map = scratch("svg");
    let path = map.to_str().expect("paths are text");
    let run = check(SYSTEM, &virt(Gic::V2), &["--svg", path]);
    assert_eq!(run.status, ACCEPTED, "{}", run.out);
    let map = fs::read_to_string(&map).expect("the map is written");
    elements(&map);
    for text in [
        ">first<",
        ">second<",
        ">CPUs      2-3<",
        ">memory    32 MiB, trapped interrupts<",
        ">physical  0x60000000-0x60ffffff<",
        ">owns      /pl061@9030000 (39)<",
        ">owns      /pl031@9010000 (34)<",
        ">console   /pl011@9000000<",
        "prefers-color-scheme: dark",
    ] {
        assert!(map.contains(text), "no `{text}` in:\n{map}");
    }
    // Two CPUs, the part of the memory, and the heading of the card.
    assert_eq!(map.matches("class=\"p1\"").count(), 4, "{map}");
}

/// Text of a tree is no markup, and long text is cut.
#[test]
fn map_escapes_text() {
    let text = machine_tree(Gic::V2);
    let model = "model = \"linux,dummy-virt\"";
    assert!(text.contains(model), "QEMU's tree has changed:\n{text}");
    let name = format!("a</text><script>&\\\"'{}", "x".repeat(200));
    let machine = compile_machine(&text.replacen(model, &format!("model = \"{name}\""), 1));
    let map = scratch("svg");
    let run = check(SYSTEM, &machine, &["--svg", map.to_str().expect("paths are text")]);
    assert_eq!(run.status, ACCEPTED, "{}", run.out);
    let map = fs::read_to_string(&map).expect("the map is written");
    assert!(!elements(&map).contains(&"script"), "{map}");
    assert!(map.contains("a&lt;/text&gt;&lt;script&gt;&amp;&quot;'xxx"), "{map}");
    assert!(map.contains("xx..xx"), "{map}");
}
