//! Exceptions that EL2 gives to a guest, as the CPU itself would take them to EL1 (Arm ARM D1.4).

#[cfg(test)]
mod tests;

use crate::esr::{DataAbort, InstructionAbort};

/// What of the interrupted vCPU decides how an exception is taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Interrupted {
    /// SPSR_EL2: the guest's PSTATE.
    pub spsr: u64,
    /// The guest's SCTLR_EL1.
    pub sctlr: u64,
    /// What the CPU's PSTATE has.
    pub features: PstateFeatures,
}

/// The optional fields of PSTATE that an exception sets.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PstateFeatures {
    /// FEAT_PAN: PSTATE.PAN.
    pub pan: bool,
    /// FEAT_SSBS: PSTATE.SSBS.
    pub ssbs: bool,
    /// FEAT_MTE2: PSTATE.TCO.
    pub mte2: bool,
    /// FEAT_NMI: PSTATE.ALLINT.
    pub nmi: bool,
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

/// ESR_ELx.IL: set for 32-bit instructions, and always for these exceptions.
const IL: u64 = 1 << 25;
/// Synchronous external abort, not on a table walk.
const EXTERNAL: u64 = 0x10;
/// Synchronous external abort on a table walk of level 3. At which level of its own walk a guest met
/// the hole is not told to EL2; the last is where pages are.
const EXTERNAL_ON_WALK: u64 = 0x17;

/// An instruction that is UNDEFINED.
#[must_use]
pub fn undefined(interrupted: &Interrupted) -> ExceptionEntry {
    interrupted.enter(0)
}

/// A synchronous external abort on a load, a store or cache maintenance.
#[must_use]
pub fn data_abort(interrupted: &Interrupted, abort: &DataAbort) -> ExceptionEntry {
    const CLASS: u64 = 0x24;
    let detail = u64::from(abort.write) << 6
        | u64::from(abort.cache_maintenance) << 8
        | u64::from(!abort.far_valid) << 10;
    let class = CLASS + u64::from(interrupted.at_el1());
    interrupted.enter(class << 26 | detail | status(abort.walk))
}

/// A synchronous external abort on an instruction fetch.
#[must_use]
pub fn instruction_abort(interrupted: &Interrupted, abort: &InstructionAbort) -> ExceptionEntry {
    const CLASS: u64 = 0x20;
    let class = CLASS + u64::from(interrupted.at_el1());
    let detail = u64::from(!abort.far_valid) << 10;
    interrupted.enter(class << 26 | detail | status(abort.walk))
}

const fn status(walk: bool) -> u64 {
    if walk { EXTERNAL_ON_WALK } else { EXTERNAL }
}

impl Interrupted {
    const AARCH32: u64 = 1 << 4;

    const fn at_el1(&self) -> bool {
        self.spsr & Self::AARCH32 == 0 && self.spsr & 0b1100 != 0
    }

    fn enter(&self, syndrome: u64) -> ExceptionEntry {
        ExceptionEntry { esr: IL | syndrome, vector: self.vector(), pstate: self.pstate() }
    }

    /// The vector for synchronous exceptions (Arm ARM D1.4.1.6). Of PSTATE.M, bit 0 tells whether EL1
    /// used its own stack pointer.
    const fn vector(&self) -> u64 {
        match (self.at_el1(), self.spsr & Self::AARCH32 != 0) {
            (true, _) if self.spsr & 1 == 0 => 0x000,
            (true, _) => 0x200,
            (false, false) => 0x400,
            (false, true) => 0x600,
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

        let kept = self.spsr & (NZCV | DIT | PAN);
        let set = |bit, condition| if condition { bit } else { 0 };
        EL1H | DAIF
            | kept
            | set(PAN, self.features.pan && self.sctlr & SPAN == 0)
            | set(SSBS, self.features.ssbs && self.sctlr & DSSBS != 0)
            | set(TCO, self.features.mte2)
            | set(ALLINT, self.features.nmi && self.sctlr & SPINTMASK == 0)
    }
}
