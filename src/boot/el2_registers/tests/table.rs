//! The table of CPU features against the control registers, and against the answers to what traps.

use std::vec::Vec;

use crate::arch::system_registers::tests::listing::{Bits, Group, Level, rows};
use crate::arch::system_registers::{Field, IdRegisters, field};
use crate::boot::el2_registers::{Choices, ControlRegisters};
use crate::trap::system_registers::{Answer, trapped};

/// Returns the value of a control register by its name in the table.
fn control(registers: &ControlRegisters, name: &str) -> u64 {
    let traps = registers.fine_grained_traps.unwrap();
    let traps2 = registers.fine_grained_traps2.unwrap();
    match name {
        "hcr" => registers.hcr_el2,
        "hcrx" => registers.hcrx_el2.unwrap(),
        "cptr" => registers.cptr_el2,
        "mdcr" => registers.mdcr_el2,
        "hfgtr" => traps.registers,
        "hfgitr" => traps.instructions,
        "hfgtr2" => traps2.registers,
        "hdfgtr2" => traps2.debug_reads & traps2.debug_writes,
        "hdfgwtr2" => traps2.debug_writes,
        "smcr" => registers.smcr_el2.unwrap(),
        "mpam2" => registers.mpam2_el2.unwrap(),
        // EL2 writes zero to these on every CPU that has them.
        "hfgitr2" | "hdfgtr" => 0,
        _ => panic!("the table has no control register {name}"),
    }
}

/// Returns a CPU with these fields, which has fine-grained traps.
fn cpu(fields: &[(Field, u64)]) -> IdRegisters {
    let mut fields = fields.to_vec();
    fields.extend([(field::FGT, 2), (field::HCX, 1)]);
    IdRegisters::with(&fields)
}

/// Returns a CPU with every feature of the table.
fn every_feature() -> IdRegisters {
    let levels = rows().into_iter().flat_map(|row| row.levels);
    let conditions: Vec<_> = levels.flat_map(|level| level.conditions).collect();
    cpu(&conditions)
}

/// Whether all these bits are set, or are clear.
fn all(registers: &ControlRegisters, bits: &Bits, set: bool) -> bool {
    bits.iter().all(|(name, bits)| control(registers, name) & bits == if set { *bits } else { 0 })
}

/// Returns the levels of a group's fields, with the names of the fields.
fn levels_of(group: Group) -> impl Iterator<Item = (&'static str, Level)> {
    let rows = rows().into_iter().filter(move |row| row.group == group);
    rows.flat_map(|row| row.levels.into_iter().map(move |level| (row.name, level)))
}

/// Whether a CPU on which one condition holds has the level's bits.
fn holds_for_each_condition(level: &Level) -> bool {
    level.conditions.iter().all(|condition| {
        let registers = ControlRegisters::new(&cpu(&[*condition]), Choices::default());
        level.sets.iter().all(|(name, bits)| match (*name, registers.smcr_el2) {
            // FA64 is a feature of SME, without which there is no SMCR_EL2.
            ("smcr", None) => true,
            _ => control(&registers, name) & bits == *bits,
        })
    })
}

#[test]
fn every_hidden_feature_with_registers_traps_and_is_undefined() {
    let id = every_feature();
    let registers = ControlRegisters::new(&id, Choices::default());
    for (name, level) in levels_of(Group::Trapped) {
        let mut bits = level.sets.iter().chain(&level.clears);
        assert!(bits.any(|(_, bits)| *bits != 0), "nothing traps {name}");
        assert!(!level.undefined.is_empty(), "{name} has no registers");
        assert!(all(&registers, &level.sets, true), "bits of {name} are not set");
        assert!(all(&registers, &level.clears, false), "bits of {name} are not clear");
        assert!(holds_for_each_condition(&level), "bits of {name} are not set for it alone");
        for (register, encoding) in level.undefined {
            for write in [false, true] {
                let answer = trapped(encoding, write, &id.for_guest());
                assert_eq!(answer, Answer::Undefined, "{register}");
            }
        }
    }
}

#[test]
fn every_feature_that_a_guest_may_use_is_enabled() {
    let registers = ControlRegisters::new(&every_feature(), Choices::default());
    for (name, level) in levels_of(Group::Usable) {
        assert!(all(&registers, &level.sets, true), "bits of {name} are not set");
        assert!(holds_for_each_condition(&level), "bits of {name} are not set for it alone");
    }
}

#[test]
fn a_cpu_without_features_has_no_bits_of_any() {
    let registers = ControlRegisters::new(&cpu(&[(field::SME, 1)]), Choices::default());
    for (name, level) in levels_of(Group::Trapped).chain(levels_of(Group::Usable)) {
        let has_none = |(name, bits): &(&str, u64)| match *name {
            "mpam2" => registers.mpam2_el2.is_none(),
            _ => control(&registers, name) & bits == 0,
        };
        let is_sme = level.conditions.contains(&(field::SME, 1));
        assert!(is_sme || level.sets.iter().all(has_none), "bits of {name} are set");
    }
}
