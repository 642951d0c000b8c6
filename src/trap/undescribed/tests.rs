//! Known instructions, and arbitrary ones against a table of all that are decoded.

use proptest::prelude::*;

use super::*;

/// What a transfer does: the size in bytes; what a load of bytes 0x80 leaves in the register, `None`
/// for a store; the first and the second register, the base, its offset and its writeback.
type Effect = (u64, Option<u64>, u8, Option<u8>, u8, i64, i64);

const BYTES: u64 = 0x8080_8080_8080_8080;

fn effect(instruction: u32) -> Option<Effect> {
    let transfer = Transfer::decode(instruction)?;
    let Transfer { base, offset, writeback, .. } = transfer;
    let mut accesses = transfer.accesses();
    let first = accesses.next()?;
    let second = accesses.next();
    assert_eq!(accesses.next(), None);
    let loaded = (!first.is_write()).then(|| first.loaded(BYTES));
    if let Some(second) = second {
        assert_eq!((second.size(), second.is_write()), (first.size(), first.is_write()));
        assert_eq!(second.loaded(BYTES), first.loaded(BYTES));
    }
    let (offset, writeback) = (offset as i64, writeback as i64);
    let second = second.map(MmioAccess::register);
    Some((first.size(), loaded, first.register(), second, base, offset, writeback))
}

#[test]
fn instructions_as_an_assembler_encodes_them() {
    const WORD: Option<u64> = Some(0x8080_8080);
    const SIGNED_WORD: Option<u64> = Some(0xffff_ffff_8080_8080);
    for (instruction, expected) in [
        (0xb800_4423, (4, None, 3, None, 1, 0, 4)), // str w3, [x1], #4
        (0xb81f_cc23, (4, None, 3, None, 1, -4, -4)), // str w3, [x1, #-4]!
        (0x3840_17f3, (1, Some(0x80), 19, None, 31, 0, 1)), // ldrb w19, [sp], #1
        (0x7810_079e, (2, None, 30, None, 28, 0, -256)), // strh w30, [x28], #-256
        (0xb88f_fce2, (4, SIGNED_WORD, 2, None, 7, 255, 255)), // ldrsw x2, [x7, #255]!
        (0x38c0_14e2, (1, Some(0xffff_ff80), 2, None, 7, 0, 1)), // ldrsb w2, [x7], #1
        (0x7880_24e2, (2, Some(0xffff_ffff_ffff_8080), 2, None, 7, 0, 2)), // ldrsh x2, [x7], #2
        (0xf840_8cc5, (8, Some(BYTES), 5, None, 6, 8, 8)), // ldr x5, [x6, #8]!
        (0xb800_47ff, (4, None, 31, None, 31, 0, 4)), // str wzr, [sp], #4
        (0x2900_0861, (4, None, 1, Some(2), 3, 0, 0)), // stp w1, w2, [x3]
        (0xa940_1484, (8, Some(BYTES), 4, Some(5), 4, 0, 0)), // ldp x4, x5, [x4]
        (0xa8e0_17e4, (8, Some(BYTES), 4, Some(5), 31, 0, -512)), // ldp x4, x5, [sp], #-512
        (0xa99f_953f, (8, None, 31, Some(5), 9, 504, 504)), // stp xzr, x5, [x9, #504]!
        (0x6960_0861, (4, SIGNED_WORD, 1, Some(2), 3, -256, 0)), // ldpsw x1, x2, [x3, #-256]
        (0x285f_8861, (4, WORD, 1, Some(2), 3, 252, 0)), // ldnp w1, w2, [x3, #252]
        (0xa83f_8861, (8, None, 1, Some(2), 3, -8, 0)), // stnp x1, x2, [x3, #-8]
    ] {
        assert_eq!(effect(instruction), Some(expected), "{instruction:#x}");
    }
}

#[test]
fn other_instructions_are_not_decoded() {
    for instruction in [
        0xb900_0041, // str w1, [x2], which the syndrome describes
        0xb863_6841, // ldr w1, [x2, x3]
        0xb800_1041, // stur w1, [x2, #1]
        0xb840_0841, // ldtr w1, [x2]
        0x3c81_0420, // str q0, [x1], #16
        0xad40_0420, // ldp q0, q1, [x1]
        0x885f_7c41, // ldxr w1, [x2]
        0x889f_fc41, // stlr w1, [x2]
        0xb821_0062, // ldadd w1, w2, [x3]
        0x6900_0861, // stgp x1, x2, [x3]
        0xf980_0040, // prfm pldl1keep, [x2]
        0xb800_4421, // str w1, [x1], #4, which transfers its base
        0x2940_0421, // ldp w1, w1, [x1]
        0,
        u32::MAX,
    ] {
        assert_eq!(effect(instruction), None, "{instruction:#x}");
    }
}

#[test]
fn only_the_access_that_has_aborted_is_carried_out() {
    let store = Transfer::decode(0xb81f_cc23).unwrap(); // str w3, [x1, #-4]!
    let load = Transfer::decode(0xa940_1484).unwrap(); // ldp x4, x5, [x4]
    assert!(store.has_caused(Abort::WRITE, 0x900_0000, 0x900_0004));
    assert!(load.has_caused(0, 0xffff_0000_0900_0008, 0xffff_0000_0900_0008));
    // Another address, the other direction, and a tag.
    assert!(!store.has_caused(Abort::WRITE, 0x900_0000, 0x900_0000));
    assert!(!store.has_caused(0, 0x900_0000, 0x900_0004));
    assert!(!load.has_caused(Abort::WRITE, 0x900_0008, 0x900_0008));
    assert!(store.has_caused(Abort::WRITE, 0x5a00_0000_0900_0000, 0x900_0004));
    let stored = [0, 2, 4, 0xffc, 0x1004].map(|offset| store.can_be_at(offset));
    assert_eq!(stored, [true, false, true, true, true]);
    let loaded = [0, 4, 8, 0xff0, 0xff8].map(|offset| load.can_be_at(offset));
    assert_eq!(loaded, [true, false, true, true, false]);
}

#[test]
fn only_translation_faults_without_a_syndrome_have_an_address() {
    let fault = Abort::OF_DATA | 1 << 25 | 0b000111;
    let address = |esr| ipa(esr, 0xffff_0000_1234_5678, 0x9_0000);
    assert_eq!(address(fault | Abort::WRITE), Some(Ipa::new(0x900_0678)));
    for esr in [
        fault | Abort::VALID,
        fault | Abort::WALK,
        fault | Abort::CACHE_MAINTENANCE,
        // A permission fault, an external abort, an alignment fault.
        fault & !0x3f | 0b001111,
        fault & !0x3f | 0b010000,
        fault & !0x3f | 0b100001,
        // An instruction abort.
        0x20 << 26 | 0b000111,
    ] {
        assert_eq!(address(esr), None, "{esr:#x}");
    }
}

/// Every instruction that is decoded, by its bits (Arm ARM C6.2): i is the immediate, a, n and t are
/// Rt2, Rn and Rt, and m is any bit. Then the size in bytes, and what a load of bytes 0x80 leaves in
/// the register, `None` for a store.
const ALL: [(&str, u64, Option<u64>); 19] = [
    ("00111000000iiiiiiiiim1nnnnnttttt", 1, None),
    ("01111000000iiiiiiiiim1nnnnnttttt", 2, None),
    ("10111000000iiiiiiiiim1nnnnnttttt", 4, None),
    ("11111000000iiiiiiiiim1nnnnnttttt", 8, None),
    ("00111000010iiiiiiiiim1nnnnnttttt", 1, Some(0x80)),
    ("01111000010iiiiiiiiim1nnnnnttttt", 2, Some(0x8080)),
    ("10111000010iiiiiiiiim1nnnnnttttt", 4, Some(0x8080_8080)),
    ("11111000010iiiiiiiiim1nnnnnttttt", 8, Some(BYTES)),
    ("00111000100iiiiiiiiim1nnnnnttttt", 1, Some(0xffff_ffff_ffff_ff80)),
    ("01111000100iiiiiiiiim1nnnnnttttt", 2, Some(0xffff_ffff_ffff_8080)),
    ("10111000100iiiiiiiiim1nnnnnttttt", 4, Some(0xffff_ffff_8080_8080)),
    ("00111000110iiiiiiiiim1nnnnnttttt", 1, Some(0xffff_ff80)),
    ("01111000110iiiiiiiiim1nnnnnttttt", 2, Some(0xffff_8080)),
    ("0010100mm0iiiiiiiaaaaannnnnttttt", 4, None),
    ("0010100mm1iiiiiiiaaaaannnnnttttt", 4, Some(0x8080_8080)),
    ("1010100mm0iiiiiiiaaaaannnnnttttt", 8, None),
    ("1010100mm1iiiiiiiaaaaannnnnttttt", 8, Some(BYTES)),
    ("0110100m11iiiiiiiaaaaannnnnttttt", 4, Some(0xffff_ffff_8080_8080)),
    ("0110100101iiiiiiiaaaaannnnnttttt", 4, Some(0xffff_ffff_8080_8080)),
];

/// Returns the effect of an instruction by the table.
fn expected(instruction: u32) -> Option<Effect> {
    let bit = |place: usize| instruction >> (31 - place) & 1;
    let is_match = |bits: &str| {
        bits.bytes().enumerate().all(|(place, letter)| match letter {
            b'0' | b'1' => bit(place) == u32::from(letter - b'0'),
            _ => true,
        })
    };
    let (bits, size, loaded) = *ALL.iter().find(|(bits, ..)| is_match(bits))?;
    let field = |letter| {
        let places = bits.bytes().enumerate().filter(|(_, it)| *it == letter);
        places.fold(0, |value, (place, _)| value << 1 | bit(place))
    };
    let is_pair = bits.contains('a');
    let (rt, rt2, base) = (field(b't') as u8, field(b'a') as u8, field(b'n') as u8);
    let (width, scale) = if is_pair { (7, size as i64) } else { (9, 1) };
    let immediate = i64::from(field(b'i'));
    let sign = if immediate >> (width - 1) == 0 { 0 } else { 1 << width };
    let immediate = (immediate - sign) * scale;
    // The index of pairs in bits 24:23, of single registers in bits 11:10.
    let index = if is_pair { instruction >> 23 & 3 } else { instruction >> 10 & 3 };
    let (offset, writeback) = match index {
        1 => (0, immediate),
        3 => (immediate, immediate),
        _ => (immediate, 0),
    };
    let has_writeback = index & 1 != 0;
    let transfers_base = rt == base || is_pair && rt2 == base;
    let is_unpredictable =
        has_writeback && base != 31 && transfers_base || is_pair && loaded.is_some() && rt == rt2;
    let second = is_pair.then_some(rt2);
    (!is_unpredictable).then_some((size, loaded, rt, second, base, offset, writeback))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn any_load_or_store_is_decoded_as_the_table_says(
        bits: u32,
        row in 0..ALL.len(),
        flipped in prop::option::of(0_u32..32),
    ) {
        // The fixed bits of a row, perhaps with one changed.
        let fixed = |wanted| {
            let letters = ALL[row].0.bytes();
            letters.fold(0_u32, |mask, letter| mask << 1 | u32::from(letter == wanted))
        };
        let (ones, zeros) = (fixed(b'1'), fixed(b'0'));
        let instruction = (bits | ones) & !zeros ^ flipped.map_or(0, |bit| 1 << bit);
        prop_assert_eq!(effect(instruction), expected(instruction), "{:#x}", instruction);
        prop_assert_eq!(effect(bits), expected(bits), "{:#x}", bits);
    }
}
