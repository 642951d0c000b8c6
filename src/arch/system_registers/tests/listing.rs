//! The table of CPU features as lists, for tests to compare with what the library does.

use std::vec;
use std::vec::Vec;

use super::{Encoding, Field, field};

/// Named bits of control registers, by the names that the table has for the registers.
pub(crate) type Bits = Vec<(&'static str, u64)>;
/// Registers with their names.
pub(crate) type Registers = Vec<(&'static str, Encoding)>;

/// The group of an ID field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Group {
    Shown,
    Usable,
    Hidden,
    Trapped,
}

/// What a feature has from some value of a field on.
#[derive(Default)]
pub(crate) struct Level {
    /// Fields, one of which must have at least its value.
    pub(crate) conditions: Vec<(Field, u64)>,
    pub(crate) sets: Bits,
    pub(crate) clears: Bits,
    pub(crate) registers: Registers,
    pub(crate) functions: Vec<&'static str>,
    pub(crate) undefined: Registers,
}

/// An ID field of the table.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) field: Field,
    pub(crate) group: Group,
    pub(crate) levels: Vec<Level>,
}

macro_rules! listing {
    (
        always { $($always:ident $encoding:tt = $reset:expr),*; $($file:ident),* }
        $($register:ident $numbers:tt {
            $(shown { $($shown:ident = $shown_at:literal),* })?
            $(usable { $($usable:ident = $usable_at:literal {
                $($($of:ident >= $least:literal)|+ =>
                    $(sets { $($control:ident: $bits:expr),* })?
                    $(registers { $($name:ident $name_encoding:tt),* $(; $function:ident)? })?;)*
            })* })?
            $(hidden { $($hidden:ident = $hidden_at:literal),* })?
            $(trapped { $($trapped:ident = $trapped_at:literal {
                $($($trapped_of:ident >= $trapped_least:literal)|+ =>
                    $(sets { $($trap:ident: $trap_bits:expr),* })?
                    $(clears { $($clear:ident: $clear_bits:expr),* })?
                    undefined { $($undefined:ident $undefined_encoding:tt),* };)*
            })* })?
        })*
    ) => {
        /// Returns the registers that every CPU has.
        pub(crate) fn always() -> Registers {
            vec![$((stringify!($always), Encoding::new $encoding)),*]
        }

        /// Returns the ID fields, in the order of the table.
        pub(crate) fn rows() -> Vec<Row> {
            let mut rows = Vec::new();
            let mut add = |name, field, group, levels| {
                rows.push(Row { name, field, group, levels });
            };
            $(
                $($(add(stringify!($shown), field::$shown, Group::Shown, vec![]);)*)?
                $($(add(stringify!($usable), field::$usable, Group::Usable, vec![$(Level {
                    conditions: vec![$((field::$of, $least)),+],
                    sets: vec![$($((stringify!($control), $bits)),*)?],
                    registers: vec![$($((stringify!($name), Encoding::new $name_encoding)),*)?],
                    functions: vec![$($(stringify!($function))?)?],
                    ..Level::default()
                }),*]);)*)?
                $($(add(stringify!($hidden), field::$hidden, Group::Hidden, vec![]);)*)?
                $($(add(stringify!($trapped), field::$trapped, Group::Trapped, vec![$(Level {
                    conditions: vec![$((field::$trapped_of, $trapped_least)),+],
                    sets: vec![$($((stringify!($trap), $trap_bits)),*)?],
                    clears: vec![$($((stringify!($clear), $clear_bits)),*)?],
                    undefined: vec![
                        $((stringify!($undefined), Encoding::new $undefined_encoding)),*
                    ],
                    ..Level::default()
                }),*]);)*)?
            )*
            rows
        }
    };
}

crate::system_register_table!(listing);
