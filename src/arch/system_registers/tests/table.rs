//! The table of CPU features against the ID registers and against itself.

use std::collections::BTreeMap;

use crate::arch::system_registers::tests::listing::{Group, Row, always, rows};
use crate::arch::system_registers::{Encoding, Field, IdRegisters};

/// Fields of AArch64's ID registers that no feature of the Arm ARM (issue M.a) has, by CRm and op2.
/// Registers of group 3 that are not here and not in the table either are wholly reserved.
const RESERVED: &[(u8, u8, u64)] = &[
    (4, 1, 0x0000_0000_00f0_0000),
    (4, 2, 0xffff_fff0_fff0_f000),
    (4, 4, 0xf000_00f0_f000_0f00),
    (4, 5, 0x0000_0000_0000_fff0),
    (4, 7, 0x0fff_ffff_00ff_fff0 | 0xf000_0000_0000_0000),
    (5, 2, 0xffff_ffff_f000_ff00),
    (6, 0, 0x0000_0000_0000_000f),
    (6, 3, 0xffff_ffff_0000_0000),
    (7, 0, 0x00ff_0000_0000_0000),
    (7, 2, 0x0000_f000_0000_0000),
    (7, 3, 0x000f_0000_0000_0000),
    (7, 4, 0xffff_0f0f_0000_0000),
];

fn reserved(crm: u8, op2: u8) -> u64 {
    let named = rows().iter().any(|row| row.field.register == Encoding::new(3, 0, 0, crm, op2));
    let of_register = RESERVED.iter().find(|it| (it.0, it.1) == (crm, op2));
    of_register.map_or(if named { 0 } else { u64::MAX }, |it| it.2)
}

fn is_seen(row: &Row) -> bool {
    matches!(row.group, Group::Shown | Group::Usable)
}

#[test]
fn every_field_is_in_one_row_of_the_table() {
    let rows = rows();
    for crm in 4..8 {
        for op2 in 0..8 {
            let register = Encoding::new(3, 0, 0, crm, op2);
            for shift in (0..64).step_by(4) {
                let field = Field { register, shift };
                let found = rows.iter().filter(|row| row.field == field).count();
                let expected = usize::from(reserved(crm, op2) >> shift & 0xf == 0);
                assert_eq!(found, expected, "CRm {crm}, op2 {op2}, bits from {shift}");
            }
        }
    }
}

#[test]
fn guests_see_what_is_shown_or_usable_and_nothing_else() {
    let guest = IdRegisters::read(|_| u64::MAX).for_guest();
    for row in rows() {
        let value = guest.get(row.field.register).unwrap() >> row.field.shift & 0xf;
        assert_eq!(value, if is_seen(&row) { 0xf } else { 0 }, "{}", row.name);
    }
}

#[test]
fn what_a_guest_may_use_has_its_registers_and_controls_in_the_table() {
    let rows = rows();
    let conditions = || rows.iter().flat_map(|row| &row.levels).flat_map(|level| &level.conditions);
    for row in &rows {
        let named = conditions().any(|(field, _)| *field == row.field);
        let expected = matches!(row.group, Group::Usable | Group::Trapped);
        assert_eq!(named, expected, "{}", row.name);
        for level in &row.levels {
            let has = [level.sets.len(), level.registers.len(), level.functions.len()];
            assert!(row.group == Group::Trapped || has != [0; 3], "{} brings nothing", row.name);
            for (field, _) in &level.conditions {
                let other = rows.iter().find(|row| row.field == *field).unwrap();
                assert_eq!(is_seen(row), is_seen(other), "{} and {}", row.name, other.name);
            }
        }
    }
}

#[test]
fn every_register_is_in_the_table_once() {
    let mut names = BTreeMap::new();
    let levels = rows().into_iter().flat_map(|row| row.levels);
    let of_features = levels.flat_map(|level| level.registers.into_iter().chain(level.undefined));
    for (name, encoding) in always().into_iter().chain(of_features) {
        let earlier = names.insert(encoding.number(), name);
        assert_eq!(earlier, None, "{name} has the same encoding");
    }
    assert!(names.len() > 120, "{} registers", names.len());
}
