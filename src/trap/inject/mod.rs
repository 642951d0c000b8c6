//! Exceptions that EL2 gives to a guest, as the CPU itself would take them to EL1 (Arm ARM D1.4).

#[cfg(test)]
mod tests;

use crate::arch::esr::Abort;
use crate::arch::system_registers::{IdRegisters, field};

/// What of the interrupted vCPU decides how an exception is taken.
#[derive(Clone, Copy, Debug)]
pub struct Interrupted<'a> {
    /// SPSR_EL2: the guest's PSTATE.
    pub spsr: u64,
    /// The guest's SCTLR_EL1.
    pub sctlr: u64,
    /// What its CPU has.
    pub id: &'a IdRegisters,
}

/// How EL2 puts a vCPU into its exception vector. EL2 also copies ELR_EL2 to ELR_EL1, SPSR_EL2 to
/// SPSR_EL1 and, for an abort, FAR_EL2 to FAR_EL1. Then it resumes at VBAR_EL1 plus `vector`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ExceptionEntry {
    /// For ESR_EL1.
    pub esr: u64,
    /// The offset from VBAR_EL1.
    pub vector: u64,
    /// For SPSR_EL2: the PSTATE in which the vector runs.
    pub pstate: u64,
}

impl Interrupted<'_> {
    /// An instruction that is UNDEFINED.
    pub fn undefined(&self) -> ExceptionEntry {
        self.enter(0)
    }

    /// A synchronous external abort on a load, a store, cache maintenance or an instruction fetch,
    /// in place of the abort that came to EL2.
    pub fn abort(&self, abort: Abort) -> ExceptionEntry {
        const KEPT: u64 =
            Abort::CLASS | Abort::WRITE | Abort::CACHE_MAINTENANCE | Abort::FAR_NOT_VALID;
        // Classes of aborts from the same exception level are those from a lower one plus 1.
        const SAME_LEVEL: u64 = 1 << 26;
        // Not on a walk, and on a walk of level 3: at which level a guest's walk met the hole is
        // not told to EL2, and the last is where pages are.
        let status = if abort.is_walk() { 0x17 } else { 0x10 };
        let level = if matches!(self.vector(), 0x000 | 0x200) { SAME_LEVEL } else { 0 };
        self.enter(abort.syndrome() & KEPT | level | status)
    }

    fn enter(&self, syndrome: u64) -> ExceptionEntry {
        /// ESR_EL1.IL: set for 32-bit instructions, and always for these exceptions.
        const IL: u64 = 1 << 25;
        ExceptionEntry { esr: IL | syndrome, vector: self.vector(), pstate: self.pstate() }
    }

    /// The vector for synchronous exceptions, by PSTATE.M (Arm ARM D1.4.1.6).
    const fn vector(&self) -> u64 {
        match self.spsr & 0x1f {
            // AArch32, which only EL0 can be.
            0x10.. => 0x600,
            // EL0.
            0..4 => 0x400,
            // EL1 with SP_EL0 or with its own stack pointer.
            mode if mode & 1 == 0 => 0x000,
            _ => 0x200,
        }
    }

    /// PSTATE on entry to EL1 (Arm ARM D1.4.2). What it does not name is clear: UAO, IL, SS, BTYPE, and
    /// EXLOCK even where the guest's GCSCR_EL1.EXLOCKEN would set it, which only protects less.
    fn pstate(&self) -> u64 {
        const EL1H: u64 = 0b0101;
        const DAIF: u64 = 0b1111 << 6;
        const SSBS: u64 = 1 << 12;
        const ALLINT: u64 = 1 << 13;
        const PAN: u64 = 1 << 22;
        const DIT: u64 = 1 << 24;
        const TCO: u64 = 1 << 25;
        const NZCV: u64 = 0b1111 << 28;
        // In SCTLR_EL1.
        const SPAN: u64 = 1 << 23;
        const DSSBS: u64 = 1 << 44;
        const SPINTMASK: u64 = 1 << 62;

        let mut pstate = EL1H | DAIF | self.spsr & (NZCV | DIT | PAN);
        for (feature, least, condition, bit) in [
            (field::PAN, 1, self.sctlr & SPAN == 0, PAN),
            (field::SSBS, 1, self.sctlr & DSSBS != 0, SSBS),
            (field::MTE, 2, true, TCO),
            (field::NMI, 1, self.sctlr & SPINTMASK == 0, ALLINT),
        ] {
            if condition && self.id.field(feature) >= least {
                pstate |= bit;
            }
        }
        pstate
    }
}
