//! What the Makefile has made, and where the tests put what they make themselves.

use std::path::{Path, PathBuf};
use std::thread;

/// A file that is part of the package or that the Makefile makes, such as `target/bulkhead.img`.
///
/// # Panics
///
/// If it is not there: a test without its image has not passed.
#[track_caller]
pub fn file(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    assert!(
        path.is_file(),
        "{} is missing: run `make image guests guests-linux` first, or `make test` for all of it",
        path.display()
    );
    path
}

/// A file that this test makes, and that stays for whoever wants to run the machine again.
pub fn scratch(extension: &str) -> PathBuf {
    let test = thread::current().name().unwrap_or("test").replace("::", "-");
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{test}.{extension}"))
}
