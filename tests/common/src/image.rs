//! The image and its ELF file, and copies of the image with other instructions: neither a guest nor
//! a user can cause a bug, so the tests plant bugs in copies.

use std::fs;
use std::path::PathBuf;

use object::{Object, ObjectSection, ObjectSymbol};

use crate::files::{file, scratch};

/// Returns the bytes of the image's ELF file.
#[track_caller]
pub fn elf() -> Vec<u8> {
    let elf = file("target/aarch64-unknown-none-softfloat/release/bulkhead");
    fs::read(elf).expect("the ELF file can be read")
}

fn parse(elf: &[u8]) -> object::File<'_> {
    object::File::parse(elf).expect("the image is an ELF file")
}

/// Returns the offset in the image of the function whose mangled name has all of these parts, the
/// last of them at its end.
#[track_caller]
pub fn function(parts: &[&str]) -> usize {
    let elf = elf();
    let is_meant = |name: &str| {
        parts.iter().all(|part| name.contains(part)) && name.ends_with(parts[parts.len() - 1])
    };
    let file = parse(&elf);
    let symbol = file.symbols().find(|it| it.name().is_ok_and(is_meant));
    symbol.unwrap_or_else(|| panic!("no function is called {parts:?}")).address() as usize
}

/// Returns the mangled name of the function that contains an offset in the image.
pub fn function_at(offset: u64) -> String {
    symbol_at(&parse(&elf()), offset)
}

/// Returns the mangled name of the function that contains an address.
pub fn symbol_at(file: &object::File<'_>, address: u64) -> String {
    // Mapping symbols, which mark code and data, begin with a dollar sign (AAELF64 5.5.5).
    let is_function = |name: object::Result<&str>| name.is_ok_and(|name| !name.starts_with('$'));
    let symbols = file.symbols().filter(|it| it.address() <= address && is_function(it.name()));
    let symbol = symbols.max_by_key(|symbol| symbol.address());
    symbol.and_then(|symbol| Some(symbol.name().ok()?.to_string())).unwrap_or_default()
}

/// Returns the size of a section of the image, in bytes.
pub fn section_size(name: &str) -> u64 {
    let elf = elf();
    let section = parse(&elf).section_by_name(name).map(|section| section.size());
    section.unwrap_or_else(|| panic!("there is no {name}"))
}

/// Returns the instruction at an offset in the image.
pub fn instruction(offset: usize) -> u32 {
    let image = fs::read(file("target/bulkhead.img")).expect("the image can be read");
    u32::from_le_bytes(image[offset..offset + 4].try_into().expect("4 bytes"))
}

/// Returns a branch (B) from one offset in the image to another.
pub fn branch(from: usize, to: usize) -> u32 {
    0x1400_0000 | (to.wrapping_sub(from) / 4) as u32 & 0x03ff_ffff
}

/// Copies the image with other instructions at these offsets, and returns the path of the copy.
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
