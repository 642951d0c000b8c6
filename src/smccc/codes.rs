//! Return codes of the SMC calling convention (Arm DEN0028, section 7), and the one function
//! identifier that two services know.
//!
//! Codes are negative in all 64 bits. Their lower half is the right answer for a caller of the
//! 32-bit convention as well, which must ignore the upper half.

/// The call was carried out.
pub const SUCCESS: i64 = 0;
/// The function does not exist.
pub const NOT_SUPPORTED: i64 = -1;

/// The function identifier of SMCCC_VERSION, which callers discover through PSCI_FEATURES.
pub const SMCCC_VERSION: u32 = 0x8000_0000;
