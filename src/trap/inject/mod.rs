//! Computes how EL2 injects a synchronous exception into a guest, as the CPU would take it to EL1
//! (Arm ARM D1.4).

#[cfg(test)]
mod tests;

use crate::arch::esr::Abort;
use crate::arch::system_registers::{Field, IdRegisters, field};

/// The state of an interrupted vCPU that decides how it takes an exception.
#[derive(Clone, Copy, Debug)]
pub struct Interrupted<'a> {
    /// SPSR_EL2: the guest's PSTATE.
    pub spsr: u64,
    /// The guest's SCTLR_EL1.
    pub sctlr: u64,
    /// The ID registers of its CPU.
    pub id: &'a IdRegisters,
}

/// The register values with which a vCPU enters its exception vector.
///
/// EL2 also copies ELR_EL2 to ELR_EL1, SPSR_EL2 to SPSR_EL1 and, for an abort, FAR_EL2 to FAR_EL1.
/// Then it resumes the guest at VBAR_EL1 plus `vector`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ExceptionEntry {
    /// The value for ESR_EL1.
    pub esr: u64,
    /// The offset from VBAR_EL1, in bytes.
    pub vector: u64,
    /// The value for SPSR_EL2: PSTATE at the start of the vector.
    pub pstate: u64,
}

impl Interrupted<'_> {
    /// Computes the exception of an UNDEFINED instruction.
    pub fn undefined(&self) -> ExceptionEntry {
        self.enter(0)
    }

    /// Computes a synchronous external abort in place of an abort that was taken to EL2: on a load,
    /// a store, cache maintenance or an instruction fetch.
    pub fn abort(&self, abort: Abort) -> ExceptionEntry {
        const KEPT: u64 =
            Abort::CLASS | Abort::WRITE | Abort::CACHE_MAINTENANCE | Abort::FAR_NOT_VALID;
        // Classes of aborts from the same exception level are those from a lower one plus 1.
        const SAME_LEVEL: u64 = 1 << 26;
        // DFSC or IFSC: not on a walk, or on a walk at level 3. The syndrome at EL2 does not
        // contain the level of a guest's walk; level 3 is that of pages.
        let status = if abort.is_walk() { 0x17 } else { 0x10 };
        let level = if matches!(self.vector(), 0x000 | 0x200) { SAME_LEVEL } else { 0 };
        self.enter(abort.syndrome() & KEPT | level | status)
    }

    /// Computes the entry with the fields of ESR_EL1 besides IL.
    fn enter(&self, syndrome: u64) -> ExceptionEntry {
        /// ESR_EL1.IL: set for 32-bit instructions, and always for these exceptions.
        const IL: u64 = 1 << 25;
        ExceptionEntry { esr: IL | syndrome, vector: self.vector(), pstate: self.pstate() }
    }

    /// Returns the offset of the vector for synchronous exceptions, by PSTATE.M (Arm ARM D1.4.1.6).
    const fn vector(&self) -> u64 {
        match self.spsr & 0x1f {
            // EL0 in AArch32. EL1 is always AArch64.
            0x10.. => 0x600,
            // EL0 in AArch64.
            0..4 => 0x400,
            // EL1 with SP_EL0, then EL1 with SP_EL1.
            mode if mode & 1 == 0 => 0x000,
            _ => 0x200,
        }
    }

    /// Computes PSTATE on entry to EL1 (Arm ARM D1.4.2). All fields that it does not name are
    /// clear: UAO, IL, SS, BTYPE, and EXLOCK as well. The CPU would set EXLOCK if
    /// GCSCR_EL1.EXLOCKEN is set; without it the guest's own protection is weaker, Bulkhead's is
    /// not.
    fn pstate(&self) -> u64 {
        const EL1H: u64 = 0b0101;
        const DAIF: u64 = 0b1111 << 6;
        const SSBS: u64 = 1 << 12;
        const ALLINT: u64 = 1 << 13;
        const PAN: u64 = 1 << 22;
        const DIT: u64 = 1 << 24;
        const TCO: u64 = 1 << 25;
        const NZCV: u64 = 0b1111 << 28;
        // Fields of SCTLR_EL1.
        const SPAN: u64 = 1 << 23;
        const DSSBS: u64 = 1 << 44;
        const SPINTMASK: u64 = 1 << 62;

        /// What each feature sets, unless these bits of SCTLR_EL1, after `SPAN` and `SPINTMASK`
        /// are inverted, are clear.
        const SET: [(Field, u64, u64, u64); 4] = [
            (field::PAN, 1, SPAN, PAN),
            (field::SSBS, 1, DSSBS, SSBS),
            (field::MTE, 2, 0, TCO),
            (field::NMI, 1, SPINTMASK, ALLINT),
        ];

        let conditions = self.sctlr ^ (SPAN | SPINTMASK);
        let mut pstate = EL1H | DAIF | self.spsr & (NZCV | DIT | PAN);
        for &(feature, least, condition, bit) in &SET {
            if conditions & condition == condition && self.id.field(feature) >= least {
                pstate |= bit;
            }
        }
        pstate
    }
}
