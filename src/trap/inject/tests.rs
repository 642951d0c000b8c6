//! Exception entry, against the rules of the Arm ARM.

use proptest::prelude::*;

use super::*;
use crate::arch::esr::{Exception, decode};

const EL0_AARCH64: u64 = 0b0000;
const EL0_AARCH32: u64 = 0b1_0000;
const EL1T: u64 = 0b0100;
const EL1H: u64 = 0b0101;

/// A CPU with FEAT_PAN, FEAT_SSBS2, FEAT_MTE2 and FEAT_NMI.
fn all() -> IdRegisters {
    IdRegisters::with(&[(field::PAN, 1), (field::SSBS, 2), (field::MTE, 2), (field::NMI, 1)])
}

/// Runs a test on an Armv8.0 CPU.
fn interrupted(spsr: u64, test: impl FnOnce(Interrupted<'_>)) {
    test(Interrupted { spsr, sctlr: 0x30d0_0800, id: &IdRegisters::with(&[]) });
}

/// A store that has a translation fault at level 2.
fn store(other: u64) -> Abort {
    Abort::data(Abort::WRITE | 0x06 | other)
}

#[test]
fn the_vector_and_the_class_depend_on_the_exception_level() {
    for (spsr, vector, data_class, instruction_class) in [
        (EL1T, 0x000, 0x25, 0x21),
        (EL1H, 0x200, 0x25, 0x21),
        (EL0_AARCH64, 0x400, 0x24, 0x20),
        (EL0_AARCH32, 0x600, 0x24, 0x20),
    ] {
        interrupted(spsr, |from| {
            let undefined = from.undefined();
            assert_eq!((undefined.vector, undefined.esr), (vector, 0x0200_0000));
            // WnR, and DFSC 0x10: not on a table walk.
            let data = from.abort(store(0));
            assert_eq!(data.vector, vector);
            assert_eq!(data.esr, data_class << 26 | 1 << 25 | 1 << 6 | 0x10);
            let Exception::InstructionAbort(fetch) = decode(0x20 << 26 | 1 << 25 | 0x05) else {
                panic!();
            };
            let fetch = from.abort(fetch);
            assert_eq!(fetch.vector, vector);
            assert_eq!(fetch.esr, instruction_class << 26 | 1 << 25 | 0x10);
        });
    }
}

#[test]
fn an_abort_on_a_walk_stays_one() {
    interrupted(EL1H, |from| {
        assert_eq!(from.abort(store(Abort::WALK)).esr & 0x3f, 0x17);
        let lost = from.abort(store(Abort::FAR_NOT_VALID));
        assert_ne!(lost.esr & 1 << 10, 0, "FnV");
    });
}

#[test]
fn an_armv8_0_cpu_masks_all_and_keeps_the_condition_flags() {
    // NZCV = 0b1010, SS and IL set, interrupts unmasked, EL0.
    interrupted(0xa030_0000, |from| assert_eq!(from.undefined().pstate, 0xa000_03c5));
}

#[test]
fn optional_fields_follow_sctlr() {
    let entry = |sctlr, spsr| {
        let from = Interrupted { spsr, sctlr, id: &all() };
        from.undefined().pstate & !(EL1H | 0x3c0)
    };
    const TCO: u64 = 1 << 25;
    const SPAN: u64 = 1 << 23;
    const SPINTMASK: u64 = 1 << 62;
    // Nothing set in SCTLR_EL1: PAN, ALLINT and TCO are set, SSBS is not.
    assert_eq!(entry(0, EL1H | 1 << 12), 1 << 22 | 1 << 13 | TCO);
    assert_eq!(entry(SPAN | SPINTMASK, EL1H), TCO);
    // PAN is kept, SSBS comes from DSSBS.
    let kept = entry(SPAN | SPINTMASK | 1 << 44, EL1H | 1 << 22);
    assert_eq!(kept, TCO | 1 << 22 | 1 << 12);
    // BTYPE and UAO are cleared, DIT is kept.
    let cleared = entry(SPAN | SPINTMASK, EL1H | 0b11 << 10 | 1 << 23 | 1 << 24);
    assert_eq!(cleared, TCO | 1 << 24);
}

proptest! {
    #[test]
    fn any_state_enters_el1_with_all_masked(spsr: u64, sctlr: u64) {
        let entry = Interrupted { spsr, sctlr, id: &all() }.abort(store(0));
        prop_assert_eq!(entry.pstate & 0x3df, EL1H | 0x3c0);
        prop_assert!(matches!(entry.vector, 0x000 | 0x200 | 0x400 | 0x600));
    }
}
