//! Reading an ID register whose encoding a guest chose.

use bulkhead::system_registers::Encoding;

use super::registers::read_register;

/// All registers of op0 3, op1 0, CRn 0 with these CRm and op2: the space that HCR_EL2.TID3 traps.
/// What is not allocated there reads as zero (Arm ARM D24.1).
macro_rules! id_registers {
    ($encoding:expr; $($crm:literal)*) => {
        match ($encoding.crm(), $encoding.op2()) {
            $(
                ($crm, 0) => read_register!(concat!("S3_0_C0_C", $crm, "_0")),
                ($crm, 1) => read_register!(concat!("S3_0_C0_C", $crm, "_1")),
                ($crm, 2) => read_register!(concat!("S3_0_C0_C", $crm, "_2")),
                ($crm, 3) => read_register!(concat!("S3_0_C0_C", $crm, "_3")),
                ($crm, 4) => read_register!(concat!("S3_0_C0_C", $crm, "_4")),
                ($crm, 5) => read_register!(concat!("S3_0_C0_C", $crm, "_5")),
                ($crm, 6) => read_register!(concat!("S3_0_C0_C", $crm, "_6")),
                ($crm, 7) => read_register!(concat!("S3_0_C0_C", $crm, "_7")),
            )*
            _ => 0,
        }
    };
}

/// What the hardware says in an ID register of group 3; zero for any other encoding.
pub fn read(encoding: Encoding) -> u64 {
    id_registers!(encoding; 1 2 3 4 5 6 7)
}
