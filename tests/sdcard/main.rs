//! The SD card for a Raspberry Pi 4, which `make sdcard` makes, and the script that writes it to a
//! card.

mod boot;
mod flash;
mod image;

use std::path::PathBuf;

/// Returns the path of a file or directory of the repository, or of one that the Makefile makes.
///
/// # Panics
///
/// If there is no such file: a test without its card must not pass.
#[track_caller]
fn product(name: &str) -> PathBuf {
    let path = common::root().join(name);
    assert!(path.exists(), "{} is missing: run `make sdcard` first", path.display());
    path
}

/// Returns the path of an empty directory for one test.
fn scratch(test: &str) -> PathBuf {
    common::scratch_directory(&format!("sdcard/{test}"))
}
