//! A copy of the image with a bug in it, since nothing that a guest or a user does should lead to one.

use std::fs;
use std::path::PathBuf;

use object::{Object, ObjectSection, ObjectSymbol};

use super::products::{file, scratch};

/// The offset in the image of the function whose symbol has all of these parts, the last at its end.
#[track_caller]
pub fn function(parts: &[&str]) -> usize {
    let elf = fs::read(file("target/aarch64-unknown-none-softfloat/release/bulkhead"));
    let elf = elf.expect("the ELF file can be read");
    let parsed = object::File::parse(&*elf).expect("the image is an ELF file");
    let is_meant = |name: &str| {
        parts.iter().all(|part| name.contains(part)) && name.ends_with(parts[parts.len() - 1])
    };
    let symbol = parsed.symbols().find(|it| it.name().is_ok_and(is_meant));
    symbol.unwrap_or_else(|| panic!("no function is called {parts:?}")).address() as usize
}

/// The symbol of the function that an offset in the image is in.
pub fn function_at(offset: u64) -> String {
    let elf = fs::read(file("target/aarch64-unknown-none-softfloat/release/bulkhead"));
    let elf = elf.expect("the ELF file can be read");
    let parsed = object::File::parse(&*elf).expect("the image is an ELF file");
    // Those that begin with a dollar sign tell code from data.
    let is_before = |it: &object::Symbol<'_, '_>| {
        it.address() <= offset && it.name().is_ok_and(|name| !name.starts_with('$'))
    };
    let symbols = parsed.symbols().filter(is_before);
    let symbol = symbols.max_by_key(|symbol| symbol.address());
    symbol.and_then(|symbol| Some(symbol.name().ok()?.to_string())).unwrap_or_default()
}

/// How many bytes a section of the image has.
pub fn section_size(name: &str) -> u64 {
    let elf = fs::read(file("target/aarch64-unknown-none-softfloat/release/bulkhead"));
    let elf = elf.expect("the ELF file can be read");
    let parsed = object::File::parse(&*elf).expect("the image is an ELF file");
    parsed.section_by_name(name).unwrap_or_else(|| panic!("there is no {name}")).size()
}

/// The instruction at an offset in the image.
pub fn instruction(offset: usize) -> u32 {
    let image = fs::read(file("target/bulkhead.img")).expect("the image can be read");
    u32::from_le_bytes(image[offset..offset + 4].try_into().expect("4 bytes"))
}

/// A branch (B) from an offset in the image to another.
pub fn branch(from: usize, to: usize) -> u32 {
    0x1400_0000 | (to.wrapping_sub(from) / 4) as u32 & 0x03ff_ffff
}

/// The image with other instructions at these offsets.
pub fn patched(patches: &[(usize, &[u32])]) -> PathBuf {
    let mut image = fs::read(file("target/bulkhead.img")).expect("the image can be read");
    for (offset, instructions) in patches {
        let bytes: Vec<u8> = instructions.iter().flat_map(|it| it.to_le_bytes()).collect();
        image[*offset..offset + bytes.len()].copy_from_slice(&bytes);
    }
    let path = scratch("img");
    fs::write(&path, image).expect("the image can be written");
    path
}
