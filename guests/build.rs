//! Links each guest in `src/bin` as a position-independent arm64 Image.

use std::path::Path;
use std::{env, fs};

const ARGUMENTS: [&str; 5] =
    ["-pie", "--no-dynamic-linker", "-Bsymbolic", "-znotext", "--no-eh-frame-hdr"];

fn main() {
    println!("cargo::rerun-if-changed=../linker/guest.ld");
    println!("cargo::rerun-if-changed=src/bin");
    if env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("none") {
        return;
    }
    let package = env::var("CARGO_MANIFEST_DIR").expect("cargo sets the directory of the package");
    let guests = fs::read_dir(Path::new(&package).join("src/bin")).expect("there are guests");
    for guest in guests {
        let path = guest.expect("the guests can be listed").path();
        let name = path.file_stem().expect("a guest has a name").display();
        for argument in ARGUMENTS {
            println!("cargo::rustc-link-arg-bin={name}={argument}");
        }
        println!("cargo::rustc-link-arg-bin={name}=-T{package}/../linker/guest.ld");
    }
}
