//! The ID registers of this CPU, which a guest reads by trapping to EL2.

use bulkhead::arch::system_registers::IdRegisters;

use super::registers::read_register;

/// Reads all registers with op0 = 3, op1 = 0, CRn = 0 and these CRm, in the order of CRm and op2:
/// the space that HCR_EL2.TID3 traps. Unallocated encodings read as zero (Arm ARM D24.1).
macro_rules! id_registers {
    ($($crm:literal)*) => {
        [$(
            read_register!(concat!("S3_0_C0_C", $crm, "_0")),
            read_register!(concat!("S3_0_C0_C", $crm, "_1")),
            read_register!(concat!("S3_0_C0_C", $crm, "_2")),
            read_register!(concat!("S3_0_C0_C", $crm, "_3")),
            read_register!(concat!("S3_0_C0_C", $crm, "_4")),
            read_register!(concat!("S3_0_C0_C", $crm, "_5")),
            read_register!(concat!("S3_0_C0_C", $crm, "_6")),
            read_register!(concat!("S3_0_C0_C", $crm, "_7")),
        )*]
    };
}

/// Returns the ID registers of this CPU, with no feature hidden.
pub fn read() -> IdRegisters {
    IdRegisters(id_registers!(1 2 3 4 5 6 7))
}
