//! Barriers whose absence no emulator shows.

use common::{elf, symbol_at};
use object::{Object, ObjectSection, ObjectSymbol, SectionKind};

const DMB_ISHLD: u32 = 0xd503_39bf;
const DSB_ISH: u32 = 0xd503_3b9f;
const ISB: u32 = 0xd503_3fdf;

/// Returns the instructions of the functions whose mangled names contain this.
fn code(part: &str) -> Vec<u32> {
    let elf = elf();
    let file = object::File::parse(&*elf).expect("the image is an ELF file");
    let text = file.section_by_name(".text").expect("there is code");
    let data = text.data().expect("a section of code has data");
    let is_named = |address| symbol_at(&file, address).contains(part);
    let functions = file.symbols().filter(|it| it.name().is_ok_and(|name| name.contains(part)));
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
fn expect(part: &str, instructions: &[u32]) {
    let code = code(part);
    assert!(!code.is_empty(), "no function is called {part}");
    let has_all = code.windows(instructions.len()).any(|it| it == instructions);
    assert!(has_all, "{part} lacks {instructions:#x?}");
}

/// What a kick announces is read after GICC_IAR, on a GICv2.
#[test]
fn loads_wait_for_the_acknowledgement() {
    expect("4trap7vectors9interrupt", &[DMB_ISHLD]);
}

/// After the barrier of a rebuild each CPU's walks see the entries that another has made valid.
#[test]
fn walks_wait_for_the_barrier_of_a_rebuild() {
    expect("7Rebuild12wait_for_all", &[DSB_ISH, ISB]);
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
