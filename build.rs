//! Links the EL2 program as a position-independent image and finds the system description that it
//! falls back on.

use std::env;

const LINKER_ARGUMENTS: [&str; 7] = [
    "-pie",
    "--no-dynamic-linker",
    "-Bsymbolic",
    "-znotext",
    "-znorelro",
    "--no-eh-frame-hdr",
    // The image runs on every board, so also on those Cortex-A53 that have this erratum.
    "--fix-cortex-a53-843419",
];

fn main() {
    println!("cargo::rerun-if-changed=linker/bulkhead.ld");
    println!("cargo::rerun-if-env-changed=BULKHEAD_DEFAULT_SYSTEM");
    if env::var_os("CARGO_FEATURE_IMAGE").is_none() {
        return;
    }
    let root = env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    for argument in LINKER_ARGUMENTS {
        println!("cargo::rustc-link-arg-bins={argument}");
    }
    println!("cargo::rustc-link-arg-bins=-T{root}/linker/bulkhead.ld");

    let Some(system) = env::var_os("BULKHEAD_DEFAULT_SYSTEM") else {
        panic!(
            "BULKHEAD_DEFAULT_SYSTEM must name the embedded system description: use `make image`"
        );
    };
    println!("cargo::rerun-if-changed={}", system.display());
    println!("cargo::rustc-env=BULKHEAD_DEFAULT_SYSTEM={}", system.display());
}
