//! Files of the repository, files that the Makefile makes, and files of the tests' own.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

/// Returns the directory of the repository.
pub fn root() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.ancestors().nth(2).expect("the package is tests/common of the repository")
}

/// Returns the path of a file of the repository, or of one that the Makefile makes, such as
/// `target/bulkhead.img`.
///
/// # Panics
///
/// If there is no such file: a test without its image must not pass.
#[track_caller]
pub fn file(name: &str) -> PathBuf {
    let path = root().join(name);
    assert!(
        path.is_file(),
        "{} is missing: run `make image guests guests-linux` first, or `make test` for all of it",
        path.display()
    );
    path
}

/// Returns the path of Linux's tree of the Raspberry Pi 4.
#[track_caller]
pub fn board_tree() -> PathBuf {
    file("target/linux/bcm2711-rpi-4-b.dtb")
}

/// Returns the path of a file that the running test may write, named after the test. It is kept, so
/// that a failed run can be repeated by hand.
pub fn scratch(extension: &str) -> PathBuf {
    let test = thread::current().name().unwrap_or("test").replace("::", "-");
    temporary().join(format!("{test}.{extension}"))
}

/// Returns the path of an empty directory that a test may fill.
pub fn scratch_directory(name: &str) -> PathBuf {
    let path = temporary().join(name);
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).expect("the tests' directory can be written");
    path
}

fn temporary() -> PathBuf {
    let path = root().join("target/tmp");
    fs::create_dir_all(&path).expect("target/tmp can be made");
    path
}
