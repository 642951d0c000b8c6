//! Exceptions that EL2 gives to a guest, as the CPU would take them to EL1 (Arm ARM D1.3).

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
    pub pstate: PstateFeatures,
}

/// The optional fields of PSTATE that an exception's entry sets.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PstateFeatures {
    /// FEAT_PAN.
    pub pan: bool,
    /// FEAT_SSBS.
    pub ssbs: bool,
    /// FEAT_MTE2: PSTATE.TCO.
    pub mte2: bool,
    /// FEAT_NMI: PSTATE.ALLINT.
    pub nmi: bool,
}

/// How EL2 puts a vCPU into its exception vector. EL2 also moves ELR_EL2 to ELR_EL1 and SPSR_EL2 to
/// SPSR_EL1, and for an abort FAR_EL2 to FAR_EL1; it resumes at VBAR_EL1 plus `vector`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ExceptionEntry {
    /// For ESR_EL1.
    pub esr: u64,
    /// The offset from VBAR_EL1.
    pub vector: u64,
    /// For SPSR_EL2: the PSTATE in which the vector runs.
    pub pstate: u64,
}

/// An UNDEFINED instruction.
#[must_use]
pub fn undefined(interrupted: &Interrupted) -> ExceptionEntry {
    let _ = interrupted;
    ExceptionEntry {
        esr: 0,
        vector: 0,
        pstate: 0,
    }
}

/// A synchronous external abort on a load or store.
#[must_use]
pub fn data_abort(interrupted: &Interrupted, abort: &DataAbort) -> ExceptionEntry {
    let _ = abort;
    undefined(interrupted)
}

/// A synchronous external abort on an instruction fetch.
#[must_use]
pub fn instruction_abort(interrupted: &Interrupted, abort: &InstructionAbort) -> ExceptionEntry {
    let _ = abort;
    undefined(interrupted)
}
