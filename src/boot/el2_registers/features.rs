//! The bits of EL2's control registers that belong to a feature of the CPU: they let the guest use
//! it, or trap it where it is hidden.

use crate::arch::system_registers::{IdRegisters, field, system_register_table};

/// Bits that are set for features, by register. A bit that a register for reads and its counterpart
/// for writes both have is here once.
#[derive(Default)]
pub(super) struct FeatureBits {
    /// HCR_EL2.
    pub(super) hcr: u64,
    /// HCRX_EL2.
    pub(super) hcrx: u64,
    /// CPTR_EL2, in its layout for HCR_EL2.E2H = 0.
    pub(super) cptr: u64,
    /// MDCR_EL2.
    pub(super) mdcr: u64,
    /// HFGRTR_EL2 and HFGWTR_EL2.
    pub(super) hfgtr: u64,
    /// HFGITR_EL2.
    pub(super) hfgitr: u64,
    /// HFGRTR2_EL2 and HFGWTR2_EL2.
    pub(super) hfgtr2: u64,
    /// HDFGRTR2_EL2 and HDFGWTR2_EL2.
    pub(super) hdfgtr2: u64,
    /// HDFGWTR2_EL2 alone.
    pub(super) hdfgwtr2: u64,
    /// SMCR_EL2.
    pub(super) smcr: u64,
    /// MPAM2_EL2.
    pub(super) mpam2: u64,
}

/// Expands the table to a function that sets the bits of all features.
macro_rules! feature_bits {
    (
        always $always:tt
        $($register:ident $numbers:tt {
            $(shown $shown:tt)?
            $(usable { $($usable:ident = $usable_at:literal {
                $($($of:ident >= $least:literal)|+ =>
                    $(sets { $($control:ident: $bits:expr),* })?
                    $(registers $registers:tt)?;)*
            })* })?
            $(hidden $hidden:tt)?
            $(trapped { $($trapped:ident = $trapped_at:literal {
                $($($trapped_of:ident >= $trapped_least:literal)|+ =>
                    $(sets { $($trap:ident: $trap_bits:expr),* })?
                    $(clears $clears:tt)?
                    undefined $undefined:tt;)*
            })* })?
        })*
    ) => {
        impl FeatureBits {
            /// Returns the bits for the features that the CPU has.
            pub(super) fn new(id: &IdRegisters) -> Self {
                let mut bits = Self::default();
                $(
                    $($($(if $(id.field(field::$of) >= $least)||+ {
                        $($(bits.$control |= $bits;)*)?
                    })*)*)?
                    $($($(if $(id.field(field::$trapped_of) >= $trapped_least)||+ {
                        $($(bits.$trap |= $trap_bits;)*)?
                    })*)*)?
                )*
                bits
            }
        }
    };
}

system_register_table!(feature_bits);
