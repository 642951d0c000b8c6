//! Links each guest as a position-independent arm64 Image.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=../linker/guest.ld");
    if env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("none") {
        return;
    }
    let package = env::var("CARGO_MANIFEST_DIR").expect("cargo tells where the package is");
    for argument in ["-pie", "--no-dynamic-linker", "-Bsymbolic", "-znotext", "--no-eh-frame-hdr"] {
        println!("cargo::rustc-link-arg-bins={argument}");
    }
    println!("cargo::rustc-link-arg-bins=-T{package}/../linker/guest.ld");
}
