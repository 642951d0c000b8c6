//! What a guest sees in the ID registers.

use super::Encoding;

/// Whether HCR_EL2.TID3 traps reads of this register: op0 3, op1 0, CRn 0, CRm 1 to 7. All of that
/// space can be read by an MRS at EL2; what is not allocated reads as zero (Arm ARM D24.1).
#[must_use]
pub const fn is_id_register(encoding: Encoding) -> bool {
    encoding.op0() == 3
        && encoding.op1() == 0
        && encoding.crn() == 0
        && matches!(encoding.crm(), 1..=7)
}

/// What the guest reads in an ID register of which the hardware says `hardware`.
#[must_use]
pub fn id_register(encoding: Encoding, hardware: u64) -> u64 {
    let _ = encoding;
    hardware
}
