//! Identifiers and constant results of PSCI's functions (Arm DEN0022, section 5.1).

use crate::smccc::codes::SMCCC_VERSION;

pub const VERSION: u32 = 0x8400_0000;
pub const CPU_SUSPEND: u32 = 0x8400_0001;
pub const CPU_OFF: u32 = 0x8400_0002;
pub const CPU_ON: u32 = 0x8400_0003;
pub const AFFINITY_INFO: u32 = 0x8400_0004;
pub const MIGRATE_INFO_TYPE: u32 = 0x8400_0006;
pub const SYSTEM_OFF: u32 = 0x8400_0008;
pub const SYSTEM_RESET: u32 = 0x8400_0009;
pub const FEATURES: u32 = 0x8400_000a;
pub const SYSTEM_RESET2: u32 = 0x8400_0012;

/// Bit 30 of an identifier: arguments are 64 bits wide (SMCCC, DEN0028 section 2.5).
pub const SMC64: u32 = 1 << 30;

/// Returns whether an identifier is in one of PSCI's two ranges: 0x8400_0000 to 0x8400_001f, and
/// the same with [`SMC64`].
pub const fn is_psci(function: u32) -> bool {
    const NUMBER: u32 = 0x1f;
    function & !(SMC64 | NUMBER) == VERSION
}

/// Returns the result of a function if it never changes.
#[inline(always)]
pub const fn constant(function: u32) -> Option<i64> {
    match function {
        // PSCI 1.1.
        VERSION => Some(1 << 16 | 1),
        // There is no Trusted OS that would need to migrate.
        MIGRATE_INFO_TYPE => Some(2),
        _ => None,
    }
}

/// Returns whether PSCI_FEATURES reports a function as implemented. Only those that take an address
/// or an MPIDR have a 64-bit variant.
pub const fn is_implemented(function: u32) -> bool {
    match function & !SMC64 {
        CPU_SUSPEND | CPU_ON | AFFINITY_INFO | SYSTEM_RESET2 => true,
        VERSION | CPU_OFF | MIGRATE_INFO_TYPE | SYSTEM_OFF | SYSTEM_RESET | FEATURES
        | SMCCC_VERSION => function & SMC64 == 0,
        _ => false,
    }
}
