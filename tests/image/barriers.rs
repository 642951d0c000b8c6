//! Barriers whose absence no emulator shows.

use common::{elf, symbol_at};
use object::{Object, ObjectSection, ObjectSymbol};

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
