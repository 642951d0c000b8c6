//! The encoding of system registers and instructions.

/// The op0, op1, CRn, CRm and op2 of a system register or instruction, in the order of bits 20:5 of
/// MSR and MRS (Arm ARM C5.1), so that neighbouring encodings have neighbouring numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Encoding(u16);

impl Encoding {
    /// Makes an encoding of these numbers, each cut to its width: 2, 3, 4, 4 and 3 bits.
    pub const fn new(op0: u8, op1: u8, crn: u8, crm: u8, op2: u8) -> Self {
        let high = (op0 as u16 & 3) << 14 | (op1 as u16 & 7) << 11;
        Self(high | (crn as u16 & 15) << 7 | (crm as u16 & 15) << 3 | op2 as u16 & 7)
    }

    /// Returns the encoding in the ISS of exception class 0x18 (Arm ARM D24.2, ESR_EL2).
    #[inline(always)]
    pub const fn from_syndrome(esr: u64) -> Self {
        let [op0, op2, op1] = [(esr >> 20) as u8, (esr >> 17) as u8, (esr >> 14) as u8];
        Self::new(op0, op1, (esr >> 10) as u8, (esr >> 1) as u8, op2)
    }

    /// Returns the ISS of exception class 0x18 for a write of X0 to it.
    #[inline(always)]
    pub const fn to_syndrome(self) -> u64 {
        let number = self.0 as u64;
        let (op0, op1, crn) = (number >> 14, number >> 11 & 7, number >> 7 & 15);
        let (crm, op2) = (number >> 3 & 15, number & 7);
        op0 << 20 | op2 << 17 | op1 << 14 | crn << 10 | crm << 1
    }

    /// Returns all five in one number of 16 bits: op0 highest, op2 lowest.
    pub const fn number(self) -> u16 {
        self.0
    }
}
