//! Device trees: as QEMU makes them, and through dtc.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::description::compile;
use crate::files::scratch;
use crate::machine::Gic;

/// Returns the tree that QEMU makes for the machine given to `-M`, with these further options.
#[track_caller]
pub fn qemu_tree(machine: &str, options: &[&str]) -> Vec<u8> {
    let file = scratch("machine.dtb");
    let machine = format!("{machine},dumpdtb={}", file.display());
    let mut qemu = Command::new("qemu-system-aarch64");
    qemu.args(["-M", &machine, "-display", "none", "-nic", "none"]).args(options);
    run(&mut qemu);
    fs::read(&file).expect("QEMU has written its tree")
}

/// Returns whether QEMU has this version or a newer one.
#[track_caller]
pub fn qemu_is_at_least(version: [u32; 3]) -> bool {
    let output = run(Command::new("qemu-system-aarch64").arg("--version"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let numbers = text.split_once("version ").map_or("", |(_, rest)| rest);
    let numbers = numbers.split(|it: char| !it.is_ascii_digit()).map_while(|it| it.parse().ok());
    let numbers: Vec<u32> = numbers.take(3).collect();
    assert!(numbers.len() == 3, "QEMU has no version: {text}");
    numbers.as_slice() >= version.as_slice()
}

/// Returns the source of the tree that QEMU makes for the `virt` machine of the boot tests.
#[track_caller]
pub fn machine_tree(gic: Gic) -> String {
    let machine = format!("virt,virtualization=on,gic-version={}", gic.version());
    let tree = qemu_tree(&machine, &["-cpu", "cortex-a53", "-smp", "4", "-m", "1G"]);
    String::from_utf8(dtc(&["-q", "-I", "dtb", "-O", "dts"], &tree)).expect("a source is text")
}

/// Compiles the source of a machine's tree and returns the path of the blob.
#[track_caller]
pub fn compile_machine(text: &str) -> PathBuf {
    let tree = scratch("machine.dtb");
    fs::rename(compile(text), &tree).expect("the tests' directory can be written");
    tree
}

/// Decompiles a blob and returns its source, and dtc's warnings.
#[track_caller]
pub fn decompile(tree: &Path) -> (String, String) {
    let output = run(Command::new("dtc").args(["-I", "dtb", "-O", "dts"]).arg(tree));
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// Runs dtc on `input` and returns its output.
///
/// # Panics
///
/// If dtc fails or prints a message.
#[track_caller]
pub fn dtc(arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut dtc = Command::new("dtc");
    let dtc = dtc.args(arguments).stdin(Stdio::piped());
    let dtc = dtc.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut dtc = dtc.spawn().expect("dtc can be started");
    dtc.stdin.take().expect("it is a pipe").write_all(input).expect("dtc reads its input");
    let output = dtc.wait_with_output().expect("a child can be waited for");
    let messages = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && messages.is_empty(), "dtc {arguments:?}: {messages}");
    output.stdout
}

/// Runs a program that `make setup` installs, and returns its output.
///
/// # Panics
///
/// If the program fails.
#[track_caller]
pub(crate) fn run(command: &mut Command) -> Output {
    let program = command.get_program().display().to_string();
    let output = match command.output() {
        Ok(output) => output,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            panic!("{program} is not installed: run `make setup`")
        }
        Err(error) => panic!("{program} cannot be started: {error}"),
    };
    let messages = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{program} fails, are all images made?\n{command:?}\n{messages}"
    );
    output
}
