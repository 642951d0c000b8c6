//! What can be told from the image itself, without running it.

use object::{Object, ObjectSection, ObjectSymbol};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::{env, fs};

/// The goal for the code that stays when guests run.
const TEXT_LIMIT: u64 = 64 << 10;

fn elf() -> Vec<u8> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/target/aarch64-unknown-none-softfloat/release/bulkhead"
    );
    fs::read(path).unwrap_or_else(|error| panic!("{path}: {error}; run `make image` first"))
}

fn section<'a>(file: &object::File<'a>, name: &str) -> (Range<u64>, &'a [u8]) {
    let section = file.section_by_name(name).unwrap_or_else(|| panic!("there is no {name}"));
    let data = section.data().expect("a section of code has data");
    (section.address()..section.address() + section.size(), data)
}

/// Where a branch with an immediate (B, BL) at `address` goes.
fn branch_target(address: u64, instruction: u32) -> Option<u64> {
    let is_branch = instruction & 0x7c00_0000 == 0x1400_0000;
    let words = i64::from((instruction << 6) as i32 >> 6);
    is_branch.then(|| address.wrapping_add_signed(words * 4))
}

/// The function that an address is in.
fn function(file: &object::File<'_>, address: u64) -> String {
    // Those that begin with a dollar sign tell code from data.
    let is_function = |name: object::Result<&str>| name.is_ok_and(|name| !name.starts_with('$'));
    let symbols = file.symbols().filter(|it| it.address() <= address && is_function(it.name()));
    let symbol = symbols.max_by_key(|symbol| symbol.address());
    symbol.and_then(|symbol| Some(symbol.name().ok()?.to_string())).unwrap_or_default()
}

#[test]
fn code_that_stays_never_calls_code_that_goes() {
    let elf = elf();
    let file = object::File::parse(&*elf).expect("the image is an ELF file");
    let (text, code) = section(&file, ".text");
    let (boot, _) = section(&file, ".init.text");
    let addresses = text.step_by(4);
    let instructions = code.chunks_exact(4).map(|it| u32::from_le_bytes(it.try_into().unwrap()));
    let mut branches = 0;
    let mut strays = Vec::new();
    for (address, instruction) in addresses.zip(instructions) {
        if let Some(target) = branch_target(address, instruction) {
            branches += 1;
            if boot.contains(&target) {
                strays.push(format!("{} -> {}", function(&file, address), function(&file, target)));
            }
        }
    }
    assert!(branches > 100, "only {branches} branches in .text: it was not read right");
    assert!(strays.is_empty(), "linker/bulkhead.ld puts these on the wrong side: {strays:#?}");
}

/// Instructions after an ADRP among which its ADD is looked for: the compiler may schedule others between.
const PAIR_DISTANCE: usize = 12;

/// The address that an instruction puts into a register: ADR, or ADRP with one of the ADDs behind it
/// (Arm ARM C6.2).
fn formed_address(address: u64, code: &[u32]) -> Option<u64> {
    let (instruction, next) = code.split_first()?;
    let immediate = (instruction << 8) as i32 >> 13 << 2 | (instruction >> 29 & 3) as i32;
    let immediate = i64::from(immediate);
    let register = instruction & 0x1f;
    match instruction & 0x9f00_0000 {
        0x1000_0000 => Some(address.wrapping_add_signed(immediate)),
        0x9000_0000 => {
            let mut next = next.iter().take(PAIR_DISTANCE);
            let add = next.find(|next| **next & 0xffc0_03e0 == 0x9100_0000 | register << 5)?;
            let page = (address & !0xfff).wrapping_add_signed(immediate << 12);
            Some(page + u64::from(add >> 10 & 0xfff))
        }
        _ => None,
    }
}

/// All addresses that a section's code forms.
fn formed_addresses(file: &object::File<'_>, name: &str) -> BTreeSet<u64> {
    let (range, code) = section(file, name);
    let code = code.chunks_exact(4).map(|it| u32::from_le_bytes(it.try_into().unwrap()));
    let code: Vec<_> = code.collect();
    let at = |(index, address)| formed_address(address, &code[index..]);
    range.step_by(4).enumerate().filter_map(at).collect()
}

/// The longest table of functions, in bytes: that of a trait's.
const TABLE: u64 = 160;

/// What code that stays only holds the address of, it may call all the same: the functions themselves, and
/// those in the tables of traits. But nobody calls a table's destructor.
#[test]
fn code_that_stays_has_no_pointers_to_code_that_goes() {
    let elf = elf();
    let file = object::File::parse(&*elf).expect("the image is an ELF file");
    let (boot, _) = section(&file, ".init.text");
    let formed = formed_addresses(&file, ".text");
    let all = &formed | &formed_addresses(&file, ".init.text");
    // R_AARCH64_RELATIVE alone: offset, type, addend.
    let (_, relocations) = section(&file, ".rela.dyn");
    let words = relocations.chunks_exact(8).map(|it| u64::from_le_bytes(it.try_into().unwrap()));
    let words: Vec<_> = words.collect();
    let pointers: BTreeMap<_, _> = words.chunks_exact(3).map(|it| (it[0], it[2])).collect();
    let mut followed = 0;
    let mut strays = Vec::new();
    for &address in &formed {
        // The sections' own ends are told to the MMU.
        if boot.contains(&address) && address != boot.start {
            strays.push(function(&file, address));
        }
        let next = all.range(address + 1..).next().copied().unwrap_or(u64::MAX);
        for (_, &pointer) in pointers.range(address..next.min(address + TABLE)) {
            followed += 1;
            let name = function(&file, pointer);
            if boot.contains(&pointer) && !name.contains("drop_in_place") {
                strays.push(name);
            }
        }
    }
    assert!(
        formed.len() > 100 && followed > 100,
        "{} addresses, {followed} pointers",
        formed.len()
    );
    assert!(strays.is_empty(), "linker/bulkhead.ld puts these on the wrong side: {strays:#?}");
}

/// Below each stack lies one page that is not mapped: a function that took more at once could step over
/// it, unless it touches what it takes, which the compiler calls a stack probe.
const GUARD: u64 = 4 << 10;
/// STR XZR, \[SP\].
const PROBE: u32 = 0xf900_03ff;

#[test]
fn no_frame_steps_over_the_guard_page() {
    let elf = elf();
    let file = object::File::parse(&*elf).expect("the image is an ELF file");
    let (mut frames, mut probes) = (0, 0);
    for name in [".text", ".init.text"] {
        let (range, code) = section(&file, name);
        let code = code.chunks_exact(4).map(|it| u32::from_le_bytes(it.try_into().unwrap()));
        let code: Vec<_> = code.collect();
        for (index, instruction) in code.iter().enumerate() {
            let at = || function(&file, range.start + 4 * index as u64);
            // SUB SP, SP, #imm12{, LSL #12} (Arm ARM C6.2); the same with a register.
            if instruction & 0xff80_03ff == 0xd100_03ff {
                let shift = if instruction & 1 << 22 == 0 { 0 } else { 12 };
                let frame = u64::from(instruction >> 10 & 0xfff) << shift;
                frames += 1;
                if frame >= GUARD {
                    probes += 1;
                    let is_probed = code[index + 1..].iter().take(16).any(|it| *it == PROBE);
                    assert!(frame == GUARD && is_probed, "{}: {frame} bytes unprobed", at());
                }
            }
            assert!(instruction & 0xffe0_03ff != 0xcb20_03ff, "{}: a frame of any size", at());
        }
    }
    assert!(frames > 100 && probes > 0, "{frames} frames, {probes} probes: is this the image?");
}

#[test]
fn the_code_that_stays_is_small() {
    let elf = elf();
    let file = object::File::parse(&*elf).expect("the image is an ELF file");
    let (text, _) = section(&file, ".text");
    let size = text.end - text.start;
    assert!(size <= TEXT_LIMIT, ".text has {size} bytes, more than {TEXT_LIMIT}");
}

/// The type of relocation that the entry applies (AAELF64 5.7.16).
const R_AARCH64_RELATIVE: u64 = 1027;

#[test]
fn the_entry_knows_every_relocation() {
    let elf = elf();
    let file = object::File::parse(&*elf).expect("the image is an ELF file");
    let (_, entries) = section(&file, ".rela.dyn");
    let words = entries.chunks_exact(8).map(|it| u64::from_le_bytes(it.try_into().unwrap()));
    // Each has a place, what it is (type and symbol), and an addend.
    let words: Vec<_> = words.collect();
    let kinds = words.chunks_exact(3).map(|entry| entry[1]);
    assert!(kinds.clone().count() > 100 && words.len().is_multiple_of(3));
    assert!(kinds.clone().all(|kind| kind == R_AARCH64_RELATIVE), "entry.s does not look at it");
}
