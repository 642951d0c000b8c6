//! How a system register or instruction is named by numbers.

use core::fmt;

/// op0, op1, CRn, CRm and op2 of a system register or instruction, in the order in which the
/// instruction has them (bits 20:5 of MSR and MRS), so that neighbours have neighbouring numbers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Encoding(u16);

impl Encoding {
    /// The encoding with these numbers, each cut to its width: 2, 3, 4, 4 and 3 bits.
    #[must_use]
    pub const fn new(op0: u8, op1: u8, crn: u8, crm: u8, op2: u8) -> Self {
        let high = (op0 as u16 & 3) << 14 | (op1 as u16 & 7) << 11;
        Self(high | (crn as u16 & 15) << 7 | (crm as u16 & 15) << 3 | op2 as u16 & 7)
    }

    /// The encoding in the ISS of exception class 0x18.
    #[must_use]
    pub const fn from_syndrome(esr: u64) -> Self {
        Self::new(
            (esr >> 20) as u8,
            (esr >> 14) as u8,
            (esr >> 10) as u8,
            (esr >> 1) as u8,
            (esr >> 17) as u8,
        )
    }

    /// All five in one number: op0 highest, op2 lowest.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }

    /// op0: 2 for debug and trace, 3 for other registers, 1 for instructions.
    #[must_use]
    pub const fn op0(self) -> u8 {
        (self.0 >> 14) as u8
    }

    /// op1.
    #[must_use]
    pub const fn op1(self) -> u8 {
        (self.0 >> 11) as u8 & 7
    }

    /// CRn.
    #[must_use]
    pub const fn crn(self) -> u8 {
        (self.0 >> 7) as u8 & 15
    }

    /// CRm.
    #[must_use]
    pub const fn crm(self) -> u8 {
        (self.0 >> 3) as u8 & 15
    }

    /// op2.
    #[must_use]
    pub const fn op2(self) -> u8 {
        self.0 as u8 & 7
    }
}

impl fmt::Display for Encoding {
    /// The name that every assembler accepts: `S3_0_C0_C4_0`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (op0, op1, crn) = (self.op0(), self.op1(), self.crn());
        write!(f, "S{op0}_{op1}_C{crn}_C{}_{}", self.crm(), self.op2())
    }
}

impl fmt::Debug for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
