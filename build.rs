//! Passes the linker script and its options for the EL2 program, and the path of the embedded
//! system description.

use std::env;

const LINKER_ARGUMENTS: [&str; 7] = [
    "-pie",
    "--no-dynamic-linker",
    "-Bsymbolic",
    "-znotext",
    "-znorelro",
    "--no-eh-frame-hdr",
    // The image must also run on Cortex-A53 revisions with this erratum.
    "--fix-cortex-a53-843419",
];

fn main() {
    println!("cargo::rerun-if-changed=linker/bulkhead.ld");
    println!("cargo::rerun-if-env-changed=BULKHEAD_DEFAULT_SYSTEM");
    if env::var_os("CARGO_FEATURE_IMAGE").is_none() {
        return;
    }
    let root = env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
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
