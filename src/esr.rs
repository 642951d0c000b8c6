//! What an exception taken to EL2 means: ESR_EL2, FAR_EL2 and HPFAR_EL2 (Arm ARM D24.2).
//!
//! [`decode`] is total. Whatever a guest does, and whatever a future CPU reports, is a value that
//! EL2 matches in full.

mod abort;
#[cfg(test)]
mod tests;

pub use abort::{AccessSize, DataAbort, Fault, FaultAddress, InstructionAbort, Transfer};

use crate::system_registers::Encoding;

/// Why a guest's vCPU came to EL2 synchronously, by ESR_EL2.EC.
///
/// ELR_EL2 is the instruction itself for all but [`Exception::Hvc`], where it is the one after.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exception {
    /// HVC from AArch64 (0x16).
    Hvc {
        /// The instruction's immediate.
        immediate: u16,
    },
    /// SMC from AArch64 (0x17), trapped by HCR_EL2.TSC.
    Smc {
        /// The instruction's immediate.
        immediate: u16,
    },
    /// MSR, MRS or a system instruction from AArch64 (0x18).
    SystemRegister(SystemRegisterAccess),
    /// A load, store or cache maintenance that stage 2 or the memory system refused (0x24).
    DataAbort(DataAbort),
    /// An instruction fetch that stage 2 or the memory system refused (0x20).
    InstructionAbort(InstructionAbort),
    /// WFI, WFE, WFIT or WFET (0x01).
    Wfx,
    /// FP or SIMD trapped by CPTR_EL2 (0x07).
    FpSimd,
    /// SVE trapped by CPTR_EL2.TZ (0x19).
    Sve,
    /// SME trapped by CPTR_EL2.TSM or by its own state (0x1d).
    Sme,
    /// A pointer authentication instruction trapped by HCR_EL2.API (0x09).
    PointerAuth,
    /// ERET trapped for nested virtualization (0x1a).
    Eret,
    /// Something that AArch32 code at EL0 did: a coprocessor access (0x03 to 0x06, 0x08, 0x0c), HVC
    /// (0x12) or SMC (0x13).
    Aarch32,
    /// A 128-bit system register access or system instruction (0x14).
    SystemRegister128,
    /// PSTATE.IL was set (0x0e).
    IllegalState,
    /// No reason given: an instruction that is UNDEFINED or not allowed here (0x00).
    Unknown,
    /// A class that nothing which Bulkhead allows a guest should raise at EL2.
    Other {
        /// ESR_EL2.EC.
        class: u8,
    },
}

/// A trapped MSR, MRS or system instruction (ISS encoding of exception class 0x18).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SystemRegisterAccess {
    /// Which register or instruction.
    pub encoding: Encoding,
    /// The general register that the instruction names; 31 is the zero register.
    pub register: u8,
    /// MSR rather than MRS. System instructions such as DC ISW are writes.
    pub write: bool,
}

/// What ESR_EL2 says. Defined for every value.
#[must_use]
pub const fn decode(esr: u64) -> Exception {
    let immediate = esr as u16;
    match class(esr) {
        0x00 => Exception::Unknown,
        0x01 => Exception::Wfx,
        0x03..=0x06 | 0x08 | 0x0c | 0x12 | 0x13 => Exception::Aarch32,
        0x07 => Exception::FpSimd,
        0x09 => Exception::PointerAuth,
        0x0e => Exception::IllegalState,
        0x14 => Exception::SystemRegister128,
        0x16 => Exception::Hvc { immediate },
        0x17 => Exception::Smc { immediate },
        0x18 => Exception::SystemRegister(SystemRegisterAccess {
            encoding: Encoding::from_syndrome(esr),
            register: (esr >> 5) as u8 & 31,
            write: esr & 1 == 0,
        }),
        0x19 => Exception::Sve,
        0x1a => Exception::Eret,
        0x1d => Exception::Sme,
        0x20 => Exception::InstructionAbort(InstructionAbort::decode(esr)),
        0x24 => Exception::DataAbort(DataAbort::decode(esr)),
        class => Exception::Other { class },
    }
}

/// The exception class: ESR_EL2.EC.
#[must_use]
pub const fn class(esr: u64) -> u8 {
    (esr >> 26) as u8 & 0x3f
}
