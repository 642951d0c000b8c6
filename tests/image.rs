//! Properties of the image that can be checked without running it.

#[path = "image/barriers.rs"]
mod barriers;
#[path = "image/erratum.rs"]
mod erratum;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use common::{elf, symbol_at};
use object::{Object, ObjectSection, ObjectSymbol};

/// The limit for the code that always stays when guests run, in bytes.
const TEXT_LIMIT: u64 = 65_536;
/// The limit for the code that stays when the description uses the monitor, in bytes.
const TEXT_LIMIT_WITH_MONITOR: u64 = 78_592;
/// The limit for the code that stays for networks, and for nothing else by virtio, in bytes.
const NETWORKS_LIMIT: u64 = 12 << 10;

fn section<'a>(file: &object::File<'a>, name: &str) -> (Range<u64>, &'a [u8]) {
    let section = file.section_by_name(name).unwrap_or_else(|| panic!("there is no {name}"));
    let data = section.data().expect("a section of code has data");
    (section.address()..section.address() + section.size(), data)
}

/// The branches with an immediate (Arm ARM C4.1): the bits that are compared, their values, and the
/// lowest bit and the number of bits of the distance in words.
const BRANCHES: [(u32, u32, u32, u32); 4] = [
    (0x7c00_0000, 0x1400_0000, 0, 26), // B, BL
    (0xff00_0010, 0x5400_0000, 5, 19), // B.cond
    (0x7e00_0000, 0x3400_0000, 5, 19), // CBZ, CBNZ
    (0x7e00_0000, 0x3600_0000, 5, 14), // TBZ, TBNZ
];

/// Returns the target of a branch with an immediate at `address`.
fn branch_target(address: u64, instruction: u32) -> Option<u64> {
    let is_it = |branch: &&(u32, u32, u32, u32)| instruction & branch.0 == branch.1;
    let &(_, _, low, bits) = BRANCHES.iter().find(is_it)?;
    let words = i64::from((instruction << (32 - low - bits)) as i32 >> (32 - bits));
    Some(address.wrapping_add_signed(words * 4))
}

/// Parts of the names of the code that is branched to only if it is mapped: by the vectors if the
/// vCPU has devices of links, and by the functions of `MachineUart` if it is not a plain one.
const CHECKED: [&str; 2] = ["link_abort", "7drivers4uart5other"];

/// A wing's section of code.
struct Wing {
    section: &'static str,
    /// The wings that are mapped whenever it is.
    needs: &'static [&'static str],
}

/// The sections of code that is unmapped unless the description or the machine needs it.
const WINGS: [Wing; 11] = [
    Wing { section: ".monitor.text", needs: &[] },
    Wing { section: ".entropy.text", needs: &[] },
    Wing { section: ".streams.text", needs: &[".links.text", ".virtio.text"] },
    Wing { section: ".disks.text", needs: &[".virtio.text"] },
    Wing { section: ".terminal.text", needs: &[".virtio.text"] },
    Wing { section: ".memory.text", needs: &[] },
    Wing { section: ".links.text", needs: &[".virtio.text"] },
    Wing { section: ".virtio.text", needs: &[] },
    Wing { section: ".pcie.text", needs: &[] },
    Wing { section: ".dma.text", needs: &[] },
    Wing { section: ".uart.text", needs: &[] },
];

/// Returns the sections that stay while guests run, each with the sections that may be unmapped
/// while its code runs.
fn that_stay() -> Vec<(&'static str, Vec<&'static str>)> {
    let text = Wing { section: ".text", needs: &[] };
    let unmapped = |wing: &Wing| {
        let others = WINGS.iter().map(|it| it.section);
        let others = others.filter(|it| *it != wing.section && !wing.needs.contains(it));
        others.chain([INIT, INIT_LIBRARY]).collect()
    };
    [text].iter().chain(&WINGS).map(|wing| (wing.section, unmapped(wing))).collect()
}

/// The sections of code that is unmapped before the first guest starts.
const INIT: &str = ".init.text";
const INIT_LIBRARY: &str = ".init.library.text";

/// Returns all sections of code.
fn code_sections() -> impl Iterator<Item = &'static str> {
    [".text", INIT, INIT_LIBRARY].into_iter().chain(WINGS.iter().map(|wing| wing.section))
}

/// Returns whether an address is in one of these sections. The start of the image is not counted:
/// its address has other uses.
fn is_in(file: &object::File<'_>, sections: &[&str], address: u64) -> bool {
    address != 0 && sections.iter().any(|name| section(file, name).0.contains(&address))
}

#[test]
fn code_that_stays_never_branches_to_code_that_is_unmapped() {
    let elf = elf();
    let file = object::File::parse(&*elf).expect("the image is an ELF file");
    let is_checked = |target| {
        let symbol = symbol_at(&file, target);
        CHECKED.iter().any(|part| symbol.contains(part))
    };
    let (mut branches, mut strays) = (0, Vec::new());
    for (name, unmapped) in that_stay() {
        let (text, code) = section(&file, name);
        let instructions =
            code.chunks_exact(4).map(|it| u32::from_le_bytes(it.try_into().unwrap()));
        for (address, instruction) in text.step_by(4).zip(instructions) {
            if let Some(target) = branch_target(address, instruction) {
                branches += 1;
                if is_in(&file, &unmapped, target) && !is_checked(target) {
                    let [from, to] = [address, target].map(|it| symbol_at(&file, it));
                    strays.push(format!("{from} -> {to}"));
                }
            }
        }
    }
    assert!(branches > 100, "only {branches} branches: the code was not read right");
    assert!(strays.is_empty(), "linker/bulkhead.ld puts these into the wrong section: {strays:#?}");
}

/// The number of instructions after an ADRP that are searched for its ADD: the compiler may put
/// others between.
const PAIR_DISTANCE: usize = 12;

/// Returns the address that an instruction forms in a register: ADR, or ADRP with one of the ADDs
/// that follow (Arm ARM C6.2).
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

/// Returns all addresses that the code of a section forms.
fn formed_addresses(file: &object::File<'_>, name: &str) -> BTreeSet<u64> {
    let (range, code) = section(file, name);
    let code = code.chunks_exact(4).map(|it| u32::from_le_bytes(it.try_into().unwrap()));
    let code: Vec<_> = code.collect();
    let at = |(index, address)| formed_address(address, &code[index..]);
    range.step_by(4).enumerate().filter_map(at).collect()
}

/// The size of the longest vtable, in bytes.
const TABLE: u64 = 160;

/// Code can also branch to a function of which it forms the address, or which is in a vtable of
/// which it forms the address. The destructor in a vtable is never called.
#[test]
fn code_that_stays_has_no_pointers_to_code_that_is_unmapped() {
    let elf = elf();
    let file = object::File::parse(&*elf).expect("the image is an ELF file");
    let all: BTreeSet<_> = code_sections().flat_map(|name| formed_addresses(&file, name)).collect();
    // R_AARCH64_RELATIVE alone: offset, type, addend.
    let (_, relocations) = section(&file, ".rela.dyn");
    let words = relocations.chunks_exact(8).map(|it| u64::from_le_bytes(it.try_into().unwrap()));
    let words: Vec<_> = words.collect();
    let pointers: BTreeMap<_, _> = words.chunks_exact(3).map(|it| (it[0], it[2])).collect();
    // The sections' own bounds, which the MMU code forms.
    let bounds: BTreeSet<_> = code_sections()
        .flat_map(|name| {
            let range = section(&file, name).0;
            [range.start, range.end.next_multiple_of(0x1000)]
        })
        .collect();
    let (mut formed_count, mut followed, mut strays) = (0, 0, Vec::new());
    for (name, unmapped) in that_stay() {
        for address in formed_addresses(&file, name) {
            formed_count += 1;
            if is_in(&file, &unmapped, address) && !bounds.contains(&address) {
                strays.push(format!("{name} forms the address of {}", symbol_at(&file, address)));
            }
            let next = all.range(address + 1..).next().copied().unwrap_or(u64::MAX);
            for (_, &pointer) in pointers.range(address..next.min(address + TABLE)) {
                followed += 1;
                let pointee = symbol_at(&file, pointer);
                if is_in(&file, &unmapped, pointer) && !pointee.contains("drop_in_place") {
                    strays.push(format!("{name} has a table with {pointee}"));
                }
            }
        }
    }
    assert!(
        formed_count > 100 && followed > 100,
        "{formed_count} addresses, {followed} pointers: the code was not read right"
    );
    assert!(strays.is_empty(), "linker/bulkhead.ld puts these into the wrong section: {strays:#?}");
}

/// The size of the guard page below each stack. A function with a larger frame could access memory
/// below it, unless it touches every page of its frame, which is called a stack probe.
const GUARD: u64 = 4 << 10;
/// STR XZR, \[SP\]: a stack probe.
const PROBE: u32 = 0xf900_03ff;

#[test]
fn no_stack_frame_skips_the_guard_page() {
    let elf = elf();
    let file = object::File::parse(&*elf).expect("the image is an ELF file");
    let (mut frames, mut probes) = (0, 0);
    for name in code_sections() {
        let (range, code) = section(&file, name);
        let code = code.chunks_exact(4).map(|it| u32::from_le_bytes(it.try_into().unwrap()));
        let code: Vec<_> = code.collect();
        for (index, instruction) in code.iter().enumerate() {
            let at = || symbol_at(&file, range.start + 4 * index as u64);
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
            assert!(instruction & 0xffe0_03ff != 0xcb20_03ff, "{}: a frame of variable size", at());
        }
    }
    assert!(frames > 100 && probes > 0, "{frames} frames, {probes} probes: is this the image?");
}

/// The number of bytes that `scrub_stack` overwrites.
const SCRUBBED: u64 = 768;

/// The functions that handle keys, each of which calls the next, and whose frames `scrub_stack`
/// overwrites.
const WITH_KEYS: [(&str, &str); 3] =
    [("4pool", "3mix"), ("6stream", "4read"), ("3key", "9keystream")];

/// Returns the size of the frame of a function of the room `entropy`: what it stores its registers
/// and reserves with, at its beginning.
fn frame(file: &object::File<'_>, (module, name): (&str, &str)) -> u64 {
    let is_it =
        |symbol: &str| symbol.contains(&format!("7entropy{module}")) && symbol.ends_with(name);
    let code = code_sections().find_map(|section_name| {
        let (range, code) = section(file, section_name);
        let symbol = file
            .symbols()
            .find(|it| it.name().is_ok_and(is_it) && range.contains(&it.address()))?;
        let start = (symbol.address() - range.start) as usize;
        Some(code[start..start + symbol.size() as usize].to_vec())
    });
    let code = code.unwrap_or_else(|| panic!("there is no {module}::{name}"));
    let instructions = code.chunks_exact(4).map(|it| u32::from_le_bytes(it.try_into().unwrap()));
    instructions
        .map(|instruction| match instruction {
            // SUB SP, SP, #imm12.
            it if it & 0xffc0_03ff == 0xd100_03ff => u64::from(it >> 10 & 0xfff),
            // STP Xt1, Xt2, [SP, #imm7]!.
            it if it & 0xffc0_03e0 == 0xa980_03e0 => 8 * u64::from(128 - (it >> 15 & 0x7f)),
            // STR Xt, [SP, #imm9]!.
            it if it & 0xffe0_0fe0 == 0xf800_0fe0 => u64::from(512 - (it >> 12 & 0x1ff)),
            _ => 0,
        })
        .sum()
}

#[test]
fn stack_frames_of_the_random_numbers_are_scrubbed() {
    let elf = elf();
    let file = object::File::parse(&*elf).expect("the image is an ELF file");
    let frames = WITH_KEYS.map(|function| frame(&file, function));
    assert!(frames.iter().all(|size| *size >= 32), "{frames:?}: the code was not read right");
    let all: u64 = frames.iter().sum();
    assert!(all <= SCRUBBED, "{frames:?} bytes are used, and {SCRUBBED} scrubbed");
}

/// Fails if these sections together have more than `limit` bytes.
#[track_caller]
fn expect_within(names: &[&str], limit: u64) {
    let elf = elf();
    let file = object::File::parse(&*elf).expect("the image is an ELF file");
    let sizes =
        names.iter().map(|name| section(&file, name).0).map(|range| range.end - range.start);
    let size: u64 = sizes.sum();
    assert!(size <= limit, "{} has {size} bytes, more than {limit}", names.join(" + "));
}

#[test]
fn code_that_stays_is_within_its_limit() {
    expect_within(&[".text"], TEXT_LIMIT);
}

#[test]
fn code_that_stays_with_the_monitor_is_within_its_limit() {
    expect_within(&[".text", ".monitor.text"], TEXT_LIMIT_WITH_MONITOR);
}

#[test]
fn code_for_networks_is_within_its_limit() {
    expect_within(&[".virtio.text", ".links.text"], NETWORKS_LIMIT);
}

/// The type of relocation that the entry applies (AAELF64 5.7.16).
const R_AARCH64_RELATIVE: u64 = 1027;

#[test]
fn entry_handles_every_relocation() {
    let elf = elf();
    let file = object::File::parse(&*elf).expect("the image is an ELF file");
    let (_, entries) = section(&file, ".rela.dyn");
    let words = entries.chunks_exact(8).map(|it| u64::from_le_bytes(it.try_into().unwrap()));
    // Each entry has an offset, an info word (type and symbol), and an addend.
    let words: Vec<_> = words.collect();
    let kinds = words.chunks_exact(3).map(|entry| entry[1]);
    assert!(kinds.clone().count() > 100 && words.len().is_multiple_of(3));
    assert!(kinds.clone().all(|kind| kind == R_AARCH64_RELATIVE), "entry.s handles no other type");
}
