//! Barriers whose absence no emulator shows.

use common::{elf, symbol_at};
use object::{Object, ObjectSection, ObjectSymbol, SectionKind};

const DMB_ISHLD: u32 = 0xd503_39bf;
const DSB_ISH: u32 = 0xd503_3b9f;
const DSB_NSH: u32 = 0xd503_379f;
const DSB_NSHST: u32 = 0xd503_369f;
const ISB: u32 = 0xd503_3fdf;
const TLBI_ALLE2: u32 = 0xd50c_871f;

/// Returns the instructions of the functions whose mangled names contain all of this.
fn code(parts: &[&str]) -> Vec<u32> {
    let elf = elf();
    let file = object::File::parse(&*elf).expect("the image is an ELF file");
    let text = file.section_by_name(".text").expect("there is code");
    let data = text.data().expect("a section of code has data");
    let has_all = |name: &str| parts.iter().all(|part| name.contains(part));
    let is_named = |address| has_all(&symbol_at(&file, address));
    let functions = file.symbols().filter(|it| it.name().is_ok_and(has_all));
    let starts: Vec<_> = functions.map(|it| it.address()).collect();
    let after = |start: &u64| (*start..).step_by(4).take_while(|address| is_named(*address));
    let word = |address| {
        let offset = (address - text.address()) as usize;
        u32::from_le_bytes(data[offset..offset + 4].try_into().expect("4 bytes"))
    };
    starts.iter().flat_map(after).map(word).collect()
}

/// Expects these instructions, one after the other, in a function.
#[track_caller]
fn expect(parts: &[&str], instructions: &[u32]) {
    let code = code(parts);
    assert!(!code.is_empty(), "no function is called {parts:?}");
    let has_all = code.windows(instructions.len()).any(|it| it == instructions);
    assert!(has_all, "{parts:?} lacks {instructions:#x?}");
}

/// What a kick announces is read after GICC_IAR, on a GICv2.
#[test]
fn loads_wait_for_the_acknowledgement() {
    expect(&["4trap7vectors9interrupt"], &[DMB_ISHLD]);
}

const OPEN: [&str; 2] = ["6window", "6Window4open"];
const CLOSE: [&str; 3] = ["6window", "6Window", "4drop"];

/// An emulator's walks see an entry at once. Only an invalidation of all of EL2's entries reaches
/// those of speculative walks, which no emulator does.
#[test]
fn windows_have_the_barriers_and_the_invalidation_that_hardware_needs() {
    expect(&OPEN, &[DSB_NSHST, ISB]);
    expect(&CLOSE, &[DSB_NSHST, TLBI_ALLE2, DSB_NSH, ISB]);
}

/// Opening and closing is a part of each copy between partitions. Without a branch back or a call
/// but that to the panic, each instruction is executed once at most.
#[test]
fn a_window_is_opened_and_closed_in_few_instructions() {
    const MOST: usize = 30;
    let (open, close) = (code(&OPEN), code(&CLOSE));
    let count = open.len() + close.len();
    assert!((10..=MOST).contains(&count), "{count} instructions");
    let is_call = |it: &&u32| **it >> 26 == 0b10_0101;
    let calls = [&open, &close].map(|code| code.iter().filter(is_call).count());
    assert_eq!(calls, [1, 0], "the panic alone is called");
    // B, B.cond, CBZ, CBNZ, TBZ and TBNZ, by their offsets' signs.
    let is_back = |it: &u32| match it >> 24 {
        0x14..=0x17 => it >> 25 & 1 == 1,
        0x34 | 0x35 | 0xb4 | 0xb5 | 0x54 => it >> 23 & 1 == 1,
        0x36 | 0x37 | 0xb6 | 0xb7 => it >> 18 & 1 == 1,
        _ => false,
    };
    assert!(!open.iter().chain(&close).any(is_back), "there is a loop");
}

/// Some cores need each invalidation of other CPUs' TLBs twice (`src/el2/mm/mod.rs`).
#[test]
fn tlb_invalidations_of_all_cpus_are_repeated() {
    let elf = elf();
    let file = object::File::parse(&*elf).expect("the image is an ELF file");
    let mut count = 0;
    for section in file.sections().filter(|it| it.kind() == SectionKind::Text) {
        let code = section.data().expect("a section of code has data").chunks_exact(4);
        let code: Vec<_> = code.map(|it| u32::from_le_bytes(it.try_into().unwrap())).collect();
        let is_repetition = |at: usize| at >= 2 && code[at - 2..at] == [code[at], DSB_ISH];
        for at in (0..code.len()).filter(|at| is_inner_shareable_tlbi(code[*at])) {
            count += 1;
            let repeats = code.get(at + 1..at + 3) == Some(&[DSB_ISH, code[at]]);
            let address = section.address() + 4 * at as u64;
            assert!(repeats || is_repetition(at), "{}", symbol_at(&file, address));
        }
    }
    assert!(count >= 6, "only {count} invalidations: the code was not read right");
}

/// Returns whether this is TLBI with Inner Shareable scope: SYS with CRn 8 and CRm 3 (Arm ARM
/// C5.5).
fn is_inner_shareable_tlbi(instruction: u32) -> bool {
    instruction & 0xfff8_ff00 == 0xd508_8300
}
