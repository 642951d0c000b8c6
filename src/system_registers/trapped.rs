//! What EL2 answers to accesses that it traps.

use super::Encoding;

/// What EL2 does about a trapped access.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// A read of an ID register: answer [`id_register`](super::id_register) of the hardware's value.
    IdRegister,
    /// A read has this value. Go on behind the instruction.
    ReadAs(u64),
    /// A write has no effect. Go on behind the instruction.
    Ignore,
    /// The register does not exist: inject an UNDEFINED exception.
    Undefined,
    /// A write that sends an SGI. Go on behind the instruction.
    SendSgi(SgiRegister),
    /// A write of ICC_DIR_EL1: deactivate the interrupt. Go on behind the instruction.
    Deactivate,
}

/// The register that a guest sends an SGI with (GICv3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SgiRegister {
    /// ICC_SGI1R_EL1: Group 1 of this security state.
    Sgi1,
    /// ICC_ASGI1R_EL1: Group 1 of the other security state.
    Asgi1,
    /// ICC_SGI0R_EL1: Group 0.
    Sgi0,
}

/// The answer to an access that HCR_EL2, CPTR_EL2, MDCR_EL2, ICH_HCR_EL2 or a fine-grained trap
/// brought to EL2.
#[must_use]
pub fn trapped(encoding: Encoding, write: bool) -> Answer {
    let _ = (encoding, write);
    Answer::Undefined
}
