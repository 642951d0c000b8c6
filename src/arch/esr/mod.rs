//! What an exception taken to EL2 means: ESR_EL2, FAR_EL2 and HPFAR_EL2 (Arm ARM D24.2).
//!
//! [`decode`] is total. Whatever a guest does, and whatever a future CPU reports, is a value that
//! EL2 matches in full.

#[cfg(test)]
mod tests;

use super::addr::{Ipa, PAGE_SIZE};
use super::system_registers::Encoding;

/// Why a guest's vCPU came to EL2 synchronously, by ESR_EL2.EC.
///
/// ELR_EL2 is the instruction itself for all but [`Exception::Hvc`], where it is the one after.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exception {
    /// HVC from AArch64 (0x16), with its immediate.
    Hvc(u16),
    /// SMC from AArch64 (0x17), trapped by HCR_EL2.TSC, with its immediate.
    Smc(u16),
    /// MSR, MRS or a system instruction from AArch64 (0x18).
    SystemRegister(SystemRegisterAccess),
    /// A load, store or cache maintenance that stage 2 or the memory system refused (0x24).
    DataAbort(Abort),
    /// An instruction fetch that stage 2 or the memory system refused (0x20).
    InstructionAbort(Abort),
    /// WFI, WFE, WFIT or WFET (0x01).
    Wfx,
    /// Something that a guest has not got: an instruction that is UNDEFINED or not allowed here
    /// (0x00), an illegal PSTATE (0x0e), what EL2 leaves off or a future CPU adds (FP and SIMD 0x07,
    /// pointer authentication 0x09, 128-bit registers 0x14, SVE 0x19, ERET 0x1a, SME 0x1d), and what
    /// AArch32 code at EL0 did: a coprocessor access (0x03 to 0x06, 0x08, 0x0c), HVC (0x12), SMC
    /// (0x13).
    Undefined,
    /// A class (ESR_EL2.EC) that nothing which Bulkhead allows a guest should raise at EL2.
    Other(u8),
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

/// ESR_EL2.EC of [`Exception::Hvc`].
const HVC: u8 = 0x16;
/// ESR_EL2.EC of [`Exception::SystemRegister`].
const SYSTEM_REGISTER: u8 = 0x18;
/// ESR_EL2.EC of [`Exception::DataAbort`].
const DATA_ABORT: u8 = 0x24;

/// ESR_EL2 of [`Exception::Hvc`] with no immediate.
pub const HVC_0: u64 = (HVC as u64) << 26 | 1 << 25;

impl SystemRegisterAccess {
    /// Whether an ESR_EL2 tells of an MSR to this register, without all the rest.
    #[inline(always)]
    pub const fn is_write_of(esr: u64, encoding: Encoding) -> bool {
        /// The class, and all of the ISS but Rt and what is RES0.
        const WHICH: u64 = Abort::CLASS | 0x3f_fc1f;
        esr & WHICH == (SYSTEM_REGISTER as u64) << 26 | encoding.to_syndrome()
    }

    /// What an ESR_EL2 of class 0x18 says.
    #[inline(always)]
    pub const fn new(esr: u64) -> Self {
        Self {
            encoding: Encoding::from_syndrome(esr),
            register: (esr >> 5) as u8 & 31,
            write: esr & 1 == 0,
        }
    }
}

/// The page of the IPA that HPFAR_EL2 holds: bits 55:12, at bit 4 (FIPA).
pub(crate) const fn page(hpfar: u64) -> u64 {
    (hpfar & 0x0000_ffff_ffff_fff0) << 8
}

/// What HPFAR_EL2 holds for an IPA.
pub(crate) const fn hpfar(ipa: Ipa) -> u64 {
    (ipa.get() & !(PAGE_SIZE - 1)) >> 8
}

/// What ESR_EL2 says. Defined for every value.
pub const fn decode(esr: u64) -> Exception {
    let immediate = esr as u16;
    match (esr >> 26) as u8 & 0x3f {
        0x01 => Exception::Wfx,
        HVC => Exception::Hvc(immediate),
        0x17 => Exception::Smc(immediate),
        SYSTEM_REGISTER => Exception::SystemRegister(SystemRegisterAccess::new(esr)),
        0x20 => Exception::InstructionAbort(Abort(esr)),
        DATA_ABORT => Exception::DataAbort(Abort(esr)),
        0x00 | 0x03..=0x09 | 0x0c | 0x0e | 0x12..=0x14 | 0x19 | 0x1a | 0x1d => Exception::Undefined,
        class => Exception::Other(class),
    }
}

/// An abort from EL1 or EL0: ESR_EL2 of class 0x24 or 0x20. The fields that only data aborts have are
/// zero in the others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Abort(u64);

impl Abort {
    /// ISS.WnR: the access was a write. Set for cache maintenance too.
    pub const WRITE: u64 = 1 << 6;
    /// ISS.S1PTW: the access was the CPU's own, during its walk of the guest's tables.
    pub const WALK: u64 = 1 << 7;
    /// ISS.CM: the access was cache maintenance or address translation.
    pub const CACHE_MAINTENANCE: u64 = 1 << 8;
    /// ISS.FnV: FAR_EL2 does not hold the virtual address.
    pub const FAR_NOT_VALID: u64 = 1 << 10;
    /// ISS.ISV: the other fields tell the load or store of one general register that this was.
    pub const VALID: u64 = 1 << 24;
    /// ESR_EL2.EC, all of it and its bit that tells data aborts from instruction aborts.
    pub const CLASS: u64 = 0x3f << 26;
    const DATA: u64 = 1 << 28;
    /// ESR_EL2.EC of data aborts.
    pub const OF_DATA: u64 = (DATA_ABORT as u64) << 26;

    /// The abort that this ESR_EL2 of a data abort or an instruction abort tells of.
    pub const fn new(esr: u64) -> Self {
        Self(esr)
    }

    /// All of ESR_EL2.
    pub const fn syndrome(self) -> u64 {
        self.0
    }

    /// Whether the instruction's data, and not the instruction itself, was at fault.
    pub const fn is_data(self) -> bool {
        self.0 & Self::DATA != 0
    }

    /// Whether it was a write.
    pub const fn is_write(self) -> bool {
        self.0 & Self::WRITE != 0
    }

    /// Whether it was the walk of the guest's tables.
    pub const fn is_walk(self) -> bool {
        self.0 & Self::WALK != 0
    }

    /// The IPA that the guest touched, from FAR_EL2 and HPFAR_EL2. For a walk of its tables it is only
    /// the page. `None` where HPFAR_EL2 does not hold it (Arm ARM D24.2, HPFAR_EL2), as for an external
    /// abort, or for a permission fault of anything but a walk.
    #[inline(always)]
    pub const fn ipa(self, far: u64, hpfar: u64) -> Option<Ipa> {
        let is_known = match self.0 & 0x3f {
            // Address size, translation and access flag faults of levels 0 to 3, then of -1 and -2.
            0x00..=0x0b | 0x29..=0x2c => true,
            // Permission faults.
            0x0c..=0x0f => self.is_walk(),
            _ => false,
        };
        // A walk reads elsewhere than where FAR_EL2 points.
        let offset = if self.is_walk() { 0 } else { far % PAGE_SIZE };
        if is_known { Some(Ipa::new(page(hpfar) | offset)) } else { None }
    }

    /// The data abort with this ISS.
    #[cfg(test)]
    pub(crate) fn data(iss: u64) -> Self {
        Self(0x24 << 26 | 1 << 25 | iss)
    }
}
