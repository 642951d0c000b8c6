//! Finds the instructions that erratum 835769 of the Cortex-A53 concerns: a multiplication with
//! accumulation to 64 bits that directly follows a load, a store or a prefetch may add a wrong
//! value (Cortex-A53 MPCore Software Developers Errata Notice, EPM-048406).

use std::fs;

use common::{file, root, symbol_at};
use object::{Object, ObjectSection, SectionKind};

/// Returns whether this is a load, a store or a prefetch (Arm ARM C4.1, "Loads and Stores").
fn accesses_memory(instruction: u32) -> bool {
    instruction & 0x0a00_0000 == 0x0800_0000
}

/// Returns whether this is MADD or MSUB of 64 bits, SMADDL, SMSUBL, UMADDL or UMSUBL, and adds
/// something: with XZR as the addend it is MUL or the like (Arm ARM C4.1, "Data-processing (3
/// source)").
fn accumulates(instruction: u32) -> bool {
    let (operation, addend) = (instruction >> 21 & 7, instruction >> 10 & 0x1f);
    instruction >> 24 == 0x9b && matches!(operation, 0 | 1 | 5) && addend != 31
}

/// Returns the index of the second instruction of each pair.
fn pairs(code: &[u32]) -> impl Iterator<Item = usize> {
    let is_pair = |pair: &[u32]| accesses_memory(pair[0]) && accumulates(pair[1]);
    code.windows(2).enumerate().filter_map(move |(index, pair)| is_pair(pair).then_some(index + 1))
}

/// Returns the functions of an ELF file that have such a pair, with the address of the second
/// instruction, and the number of multiplications with accumulation that were found.
fn affected(elf: &[u8]) -> (Vec<String>, usize) {
    let file = object::File::parse(elf).expect("it is an ELF file");
    let (mut affected, mut count) = (Vec::new(), 0);
    for section in file.sections().filter(|it| it.kind() == SectionKind::Text) {
        let code = section.data().expect("a section of code has data").chunks_exact(4);
        let code: Vec<_> = code.map(|it| u32::from_le_bytes(it.try_into().unwrap())).collect();
        count += code.iter().filter(|it| accumulates(**it)).count();
        affected.extend(pairs(&code).map(|index| {
            let address = section.address() + 4 * index as u64;
            format!("{address:#x} in {}", symbol_at(&file, address))
        }));
    }
    (affected, count)
}

/// Expects no pair in the files of `target/` with these names, and that they have such
/// multiplications at all.
#[track_caller]
fn expect_unaffected(names: &[String]) {
    let mut total = 0;
    for name in names {
        let elf = file(&format!("target/aarch64-unknown-none-softfloat/release/{name}"));
        let (affected, count) = affected(&fs::read(elf).expect("the ELF file can be read"));
        assert!(affected.is_empty(), "{name}: {affected:#?}");
        total += count;
    }
    assert!(total > 0, "{names:?} have no multiplication with accumulation: is it code?");
}

#[test]
fn the_image_has_no_pair() {
    expect_unaffected(&["bulkhead".into()]);
}

#[test]
fn guests_have_no_pair() {
    let guests = fs::read_dir(root().join("guests/src/bin")).expect("there are guests");
    let paths = guests.map(|entry| entry.expect("the guests can be listed").path());
    let name = |path: std::path::PathBuf| path.file_stem().unwrap().to_string_lossy().into();
    expect_unaffected(&paths.map(name).chain(["counter".into()]).collect::<Vec<_>>());
}

const LDR_X0: u32 = 0xf940_0020; // ldr x0, [x1]
const MADD: u32 = 0x9b02_0c20; // madd x0, x1, x2, x3
const NOP: u32 = 0xd503_201f;

#[test]
fn each_kind_of_pair_is_found() {
    let first = [
        LDR_X0,
        0xf900_0020, // str x0, [x1]
        0xa940_0820, // ldp x0, x2, [x1]
        0xf980_0020, // prfm pldl1keep, [x1]
        0x885f_7c20, // ldxr w0, [x1]
        0xc8df_fc20, // ldar x0, [x1]
        0x5800_0040, // ldr x0, .+8
        0xf862_6820, // ldr x0, [x1, x2]
    ];
    let second = [
        MADD,
        0x9b02_8c20, // msub x0, x1, x2, x3
        0x9b22_0c20, // smaddl x0, w1, w2, x3
        0x9b22_8c20, // smsubl x0, w1, w2, x3
        0x9ba2_0c20, // umaddl x0, w1, w2, x3
        0x9ba2_8c20, // umsubl x0, w1, w2, x3
    ];
    for first in first {
        for second in second {
            assert_eq!(pairs(&[NOP, first, second]).collect::<Vec<_>>(), [2], "{first:#x}");
        }
    }
}

#[test]
fn other_instructions_are_no_pair() {
    for other in [
        [LDR_X0, NOP],
        [MADD, LDR_X0],
        [NOP, MADD],
        [LDR_X0, 0x1b02_0c20], // madd w0, w1, w2, w3
        [LDR_X0, 0x9b02_7c20], // mul x0, x1, x2
        [LDR_X0, 0x9bc2_7c20], // umulh x0, x1, x2
        [0x8b02_0020, MADD],   // add x0, x1, x2
    ] {
        assert_eq!(pairs(&other).count(), 0, "{other:#x?}");
    }
    assert_eq!(pairs(&[LDR_X0, NOP, MADD]).count(), 0);
}
