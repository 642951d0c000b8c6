//! Writing a card, and the devices that are refused. A script takes the place of `lsblk` and prints
//! what the test has set.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{product, scratch};

/// A file that takes the place of a device, and the answers of `lsblk`.
struct Device {
    directory: PathBuf,
    kind: &'static str,
    removable: bool,
    read_only: bool,
    mounts: &'static str,
    kinds: &'static str,
    size: u64,
}

const IMAGE: &[u8] = b"the card's new content";
/// The content of the device before: longer than the image, so that its end must stay.
const BEFORE: &[u8] = b"what has been on the device before";

impl Device {
    /// Returns a card that may be written.
    fn card(test: &str) -> Self {
        let directory = scratch(&format!("flash-{test}"));
        let (kind, kinds) = ("disk", "disk\npart");
        let (removable, read_only, mounts) = (true, false, "");
        Self { directory, kind, removable, read_only, mounts, kinds, size: 1 << 30 }
    }

    fn path(&self) -> PathBuf {
        self.directory.join("device")
    }

    /// Writes the image to the device. Returns the output if it was written, the messages if not,
    /// and checks the content of the device in either case.
    fn flash(&self, answer: &str) -> Result<String, String> {
        let Self { kind, removable, read_only, mounts, kinds, size, .. } = self;
        let (removable, read_only) = (u8::from(*removable), u8::from(*read_only));
        let lsblk = format!(
            "#!/bin/sh\ncase \"$1 $2\" in\n'-dnro TYPE') echo '{kind}' ;;\n\
             '-dnro RM') echo {removable} ;;\n'-dnro RO') echo {read_only} ;;\n\
             '-dnro PKNAME') echo sdx ;;\n'-nro MOUNTPOINT') echo '{mounts}' ;;\n\
             '-nro TYPE') echo '{kinds}' ;;\n'-bdnro SIZE') echo {size} ;;\n\
             -o*) echo 'a card reader' ;;\n*) exit 1 ;;\nesac\n"
        );
        let program = self.directory.join("lsblk");
        fs::write(&program, lsblk).expect("the tests' directory can be written");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("it is ours");
        fs::write(self.path(), BEFORE).expect("the tests' directory can be written");
        let before = std::env::var("PATH").unwrap_or_default();
        let path = format!("{}:{before}", self.directory.display());
        let said = run(&path, &self.directory, &self.path(), answer);
        let mut expected = BEFORE.to_vec();
        if said.is_ok() {
            expected[..IMAGE.len()].copy_from_slice(IMAGE);
        }
        assert_eq!(fs::read(self.path()).expect("it is ours"), expected, "{said:?}");
        said
    }
}

fn run(path: &str, directory: &Path, device: &Path, answer: &str) -> Result<String, String> {
    let image = directory.join("image");
    fs::write(&image, IMAGE).expect("the tests' directory can be written");
    let mut command = Command::new(product("boards/rpi4/flash"));
    command.arg(image).arg(device).env("PATH", path);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the script can be started");
    // It may have refused before it reads.
    let _ = child.stdin.take().map(|mut stdin| stdin.write_all(answer.as_bytes()));
    let output = child.wait_with_output().expect("a child can be waited for");
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let (said, complaints) = (text(&output.stdout), text(&output.stderr));
    if output.status.success() { Ok(said) } else { Err(complaints) }
}

/// Expects that the device is refused, before any question, in one line that contains `reason`.
#[track_caller]
fn expect_refusal(device: &Device, reason: &str) {
    let said = device.flash("yes\n").expect_err("the device was written");
    assert!(said.contains(reason), "`{reason}` is not printed: {said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn card_is_shown_and_written_after_a_yes() {
    let said = Device::card("yes").flash("yes\n").expect("a card can be written");
    assert!(said.contains("a card reader"), "the device is not shown: {said}");
    assert_eq!(said.matches("(yes/no)").count(), 1, "the question is not asked once: {said}");
}

#[test]
fn nothing_is_written_without_a_yes() {
    for (test, answer) in [("no", "no\n"), ("enter", "\n"), ("end", "")] {
        let said = Device::card(test).flash(answer).expect_err("the device was written");
        assert!(said.contains("nothing was written"), "{said}");
    }
}

#[test]
fn partition_is_refused() {
    let device = Device { kind: "part", ..Device::card("part") };
    expect_refusal(&device, "is a partition: name the whole card, /dev/sdx");
}

#[test]
fn device_that_is_not_a_disk_is_refused() {
    expect_refusal(&Device { kind: "loop", ..Device::card("loop") }, "of type loop");
}

#[test]
fn disk_that_is_not_removable_is_refused() {
    expect_refusal(&Device { removable: false, ..Device::card("fixed") }, "not removable");
}

#[test]
fn write_protected_card_is_refused() {
    expect_refusal(&Device { read_only: true, ..Device::card("locked") }, "write-protected");
}

#[test]
fn mounted_card_is_refused() {
    expect_refusal(&Device { mounts: "\n/media/card", ..Device::card("mounted") }, "/media/card");
}

#[test]
fn card_that_holds_a_volume_in_use_is_refused() {
    let device = Device { kinds: "disk\npart\ncrypt", ..Device::card("crypt") };
    expect_refusal(&device, "in use as crypt");
}

#[test]
fn card_that_is_too_small_is_refused() {
    let size = IMAGE.len() as u64;
    expect_refusal(&Device { size: size - 1, ..Device::card("small") }, "too small");
    Device { size, ..Device::card("exact") }.flash("yes\n").expect("it is large enough");
}

/// Uses the machine's own `lsblk`.
#[test]
fn file_that_is_not_a_device_is_refused() {
    let directory = scratch("flash-file");
    let file = directory.join("file");
    fs::write(&file, BEFORE).expect("the tests' directory can be written");
    let path = std::env::var("PATH").unwrap_or_default();
    for (device, reason) in [
        (file.as_path(), "is not a block device"),
        (&directory, "is not a block device"),
        (Path::new("/dev/null"), "is not a block device"),
        (Path::new("/dev/nothing-of-this-name"), "there is no /dev/nothing-of-this-name"),
        (Path::new(""), "name the card, DEV="),
    ] {
        let said = run(&path, &directory, device, "yes\n").expect_err("the device was written");
        assert!(said.contains(reason), "{}: `{reason}` is not printed: {said}", device.display());
    }
    assert_eq!(fs::read(&file).expect("it is ours"), BEFORE);
}
