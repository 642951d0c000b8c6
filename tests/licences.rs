//! The crates of the image, and their licences.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// All crates of the image, with those that they depend on.
const CRATES: [&str; 15] = [
    "aarch64-cpu",
    "block-buffer",
    "buddy_system_allocator",
    "bulkhead",
    "cfg-if",
    "chacha20",
    "cipher",
    "crypto-common",
    "fdt",
    "hybrid-array",
    "inout",
    "log",
    "spin",
    "tock-registers",
    "typenum",
];

/// Returns the names and licences of the image's crates, as cargo resolves them.
fn crates() -> Vec<(String, String)> {
    let mut tree = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()));
    tree.current_dir(ROOT).args(["tree", "--offline", "--locked", "-p", "bulkhead"]);
    tree.args(["--features", "image", "--target", "aarch64-unknown-none-softfloat"]);
    tree.args(["-e", "normal,build", "--prefix", "none", "--format", "{p}|{l}"]);
    let output = tree.output().expect("cargo can be started");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).expect("names are UTF-8");
    let split = |line: &str| {
        let (package, licence) = line.split_once('|')?;
        let name = package.split(' ').next()?;
        // cargo marks crates that it has listed already.
        Some((name.to_string(), licence.trim_end_matches(" (*)").to_string()))
    };
    let mut crates: Vec<_> = lines.lines().filter_map(split).collect();
    crates.sort();
    crates.dedup();
    crates
}

/// Returns the licences that deny.toml allows.
fn allowed() -> Vec<String> {
    let text = fs::read_to_string(Path::new(ROOT).join("deny.toml")).expect("deny.toml is there");
    let list = text.lines().find_map(|line| line.strip_prefix("allow = [")?.strip_suffix(']'));
    let list = list.expect("deny.toml allows licences in one line").split(',');
    list.map(|licence| licence.trim().trim_matches('"').to_string()).collect()
}

/// Returns whether one of the alternative licences is allowed.
fn may_be_used(licence: &str, allowed: &[String]) -> bool {
    let mut choices = licence.split(" OR ").flat_map(|choice| choice.split('/'));
    choices.any(|choice| allowed.iter().any(|allowed| allowed == choice.trim()))
}

#[test]
fn image_has_only_these_crates_under_allowed_licences() {
    let (crates, allowed) = (crates(), allowed());
    let names: Vec<_> = crates.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, CRATES);
    for (name, licence) in &crates {
        assert!(may_be_used(licence, &allowed), "{name} is under {licence}, not {allowed:?}");
    }
}

#[test]
fn licence_that_is_not_allowed_is_found() {
    let allowed = [String::from("MIT")];
    assert!(may_be_used("Apache-2.0 OR MIT", &allowed) && may_be_used("MIT/Apache-2.0", &allowed));
    assert!(!may_be_used("MIT AND GPL-3.0-only", &allowed) && !may_be_used("MPL-2.0", &allowed));
}
