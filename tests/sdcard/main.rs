//! The SD card for a Raspberry Pi 4, which `make sdcard` makes, and how it is written.

use std::path::{Path, PathBuf};

mod boot;
mod flash;
mod image;
// What the boot tests have more of than is needed here.
#[allow(dead_code, unused_imports, unused_macros)]
#[path = "../boot/support/mod.rs"]
mod support;

/// A file or directory of the package, or one that the Makefile makes.
///
/// # Panics
///
/// If it is not there: a test without its card has not passed.
#[track_caller]
fn product(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    assert!(path.exists(), "{} is missing: run `make sdcard` first", path.display());
    path
}

/// A directory of this test's own, empty.
fn scratch(test: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sdcard").join(test);
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).expect("the tests' directory can be written");
    path
}
