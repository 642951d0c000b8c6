//! A vCPU's system registers as one struct, made from the library's table of CPU features.
//!
//! [`Context`] has a field for every register of the table that a guest may use; a register of a
//! feature that this CPU does not have is never accessed. A vCPU starts with the values of
//! [`Context::reset`]. The compiler turns loading them into MSRs of constants: they are never
//! stored in memory.
//!
//! While each CPU has one vCPU, nothing has to be saved. Two vCPUs that share a CPU need `save`,
//! which is one more expansion of the table: [`Context::load`] with `read_register!` in place of
//! `write_register!`. The functions of [`register_files`] then need counterparts as well, for state
//! that no single MSR accesses: V, Z, P and ZA registers, breakpoints, event counters.

use bulkhead::arch::system_registers::{Field, IdRegisters, field, system_register_table};
use core::arch::asm;

use super::register_files;
use super::registers::write_register;

/// Writes a register by its encoding.
macro_rules! write_encoded {
    (($op0:literal, $op1:literal, $crn:literal, $crm:literal, $op2:literal), $value:expr) => {
        write_register!(concat!("S", $op0, "_", $op1, "_C", $crn, "_C", $crm, "_", $op2), $value)
    };
}

/// Returns zero as a value that the compiler cannot predict, so that it keeps it in one register. A
/// constant would be loaded again in each branch.
#[inline(always)]
fn zero() -> u64 {
    let zero;
    // SAFETY: the instruction writes only the register that the compiler allocated for `zero`.
    unsafe { asm!("mov {}, xzr", out(reg) zero, options(pure, nomem, nostack)) };
    zero
}

/// The conditions of the table that a CPU meets: bit n for condition n. To compute them in a loop
/// takes less code than to compute each where the table is expanded.
#[derive(Clone, Copy)]
pub struct Features(u64);

impl Features {
    /// Returns those that `id`, the guest's view of the ID registers, shows.
    #[inline(never)]
    pub fn of(id: &IdRegisters) -> Self {
        const { assert!(CONDITIONS.len() <= 64) };
        let mut features = 0;
        for &(field, least) in CONDITIONS.iter().rev() {
            features = features << 1 | u64::from(id.field(field) >= least);
        }
        Self(features)
    }

    /// Returns whether the CPU meets the next condition, which is for the field of this name.
    #[inline(always)]
    fn next(&mut self, _: &str) -> bool {
        let is_met = self.0 & 1 != 0;
        self.0 >>= 1;
        is_met
    }
}

/// Expands the table to [`Context`] and [`reset_register_files`].
macro_rules! context {
    (
        always {
            $($always:ident $encoding:tt = $reset:expr),*;
            $($file:ident),*
        }
        $($register:ident $numbers:tt {
            $(shown $shown:tt)?
            $(usable { $($usable:ident = $usable_at:literal {
                $($($of:ident >= $least:literal)|+ =>
                    $(sets $sets:tt)?
                    $(registers {
                        $($name:ident $name_encoding:tt),*
                        $(; $feature_file:ident)?
                    })?;)*
            })* })?
            $(hidden $hidden:tt)?
            $(trapped $trapped:tt)?
        })*
    ) => {
        /// The conditions of the table in its order: a field and its least value.
        const CONDITIONS: &[(Field, u64)] = &[
            $($($($($((field::$of, $least),)+)*)*)?)*
        ];

        /// The system registers of a vCPU, by the architecture's names.
        pub struct Context {
            $($always: u64,)*
            $($($($($($($name: u64,)*)?)*)*)?)*
        }

        impl Context {
            /// Returns the register values with which a vCPU starts.
            #[inline(always)]
            pub fn reset() -> Self {
                let zero = zero();
                Self {
                    $($always: $reset,)*
                    $($($($($($($name: zero,)*)?)*)*)?)*
                }
            }

            /// Writes the registers of these features. The writes take effect after an ISB, which
            /// the caller issues.
            #[inline(always)]
            pub fn load(&self, mut features: Features) {
                $(write_encoded!($encoding, self.$always);)*
                $($($($(if $(features.next(stringify!($of)))|+ {
                    $($(write_encoded!($name_encoding, self.$name);)*)?
                })*)*)?)*
            }
        }

        /// Resets the state that no single MSR writes. Called after [`Context::load`].
        #[inline(always)]
        pub fn reset_register_files(mut features: Features) {
            $(register_files::$file();)*
            $($($($(if $(features.next(stringify!($of)))|+ {
                $($(register_files::$feature_file();)?)?
            })*)*)?)*
        }
    };
}

system_register_table!(context);
