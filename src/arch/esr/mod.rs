//! Decodes the syndrome of an exception taken to EL2: ESR_EL2, FAR_EL2 and HPFAR_EL2 (Arm ARM
//! D24.2).
//!
//! [`decode`] is total: any value that a present or future CPU reports becomes an [`Exception`].

#[cfg(test)]
mod tests;

use super::addr::{Ipa, PAGE_SIZE};
use super::system_registers::Encoding;

/// A synchronous exception from a guest, by ESR_EL2.EC.
///
/// ELR_EL2 is the address of the instruction, except for [`Exception::Hvc`], where it is that of
/// the next one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exception {
    /// HVC from AArch64 (0x16), with its immediate.
    Hvc(u16),
    /// SMC from AArch64 (0x17), trapped by HCR_EL2.TSC, with its immediate.
    Smc(u16),
    /// MSR, MRS or a system instruction from AArch64 (0x18).
    SystemRegister(SystemRegisterAccess),
    /// A data abort from a lower exception level: a load, a store or cache maintenance (0x24).
    DataAbort(Abort),
    /// An instruction abort from a lower exception level (0x20).
    InstructionAbort(Abort),
    /// WFI, WFE, WFIT or WFET (0x01).
    Wfx,
    /// An instruction that does not exist for a guest: an UNDEFINED one (0x00), an illegal
    /// execution state (0x0e), a feature that EL2 traps (FP and SIMD 0x07, pointer authentication
    /// 0x09, 128-bit registers 0x14, SVE 0x19, ERET 0x1a, SME 0x1d), and from AArch32 at EL0 a
    /// coprocessor access (0x03 to 0x06, 0x08, 0x0c), HVC (0x12) or SMC (0x13).
    Undefined,
    /// Any other class (ESR_EL2.EC), which no guest should be able to cause.
    Other(u8),
}

/// A trapped MSR, MRS or system instruction (ISS encoding of exception class 0x18).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SystemRegisterAccess {
    /// The register or instruction.
    pub encoding: Encoding,
    /// The number of the general register (Rt); 31 is the zero register.
    pub register: u8,
    /// Whether it is MSR, not MRS. System instructions such as DC ISW are writes.
    pub write: bool,
}

/// ESR_EL2.EC of [`Exception::Hvc`].
const HVC: u8 = 0x16;
/// ESR_EL2.EC of [`Exception::SystemRegister`].
const SYSTEM_REGISTER: u8 = 0x18;
/// ESR_EL2.EC of [`Exception::DataAbort`].
const DATA_ABORT: u8 = 0x24;

/// ESR_EL2 of [`Exception::Hvc`] with an immediate of zero.
pub const HVC_0: u64 = (HVC as u64) << 26 | 1 << 25;

impl SystemRegisterAccess {
    /// Returns whether ESR_EL2 is that of an MSR to this register. Cheaper than [`decode`].
    #[inline(always)]
    pub const fn is_write_of(esr: u64, encoding: Encoding) -> bool {
        /// EC, and the ISS except Rt and the bits that are RES0.
        const WHICH: u64 = Abort::CLASS | 0x3f_fc1f;
        esr & WHICH == (SYSTEM_REGISTER as u64) << 26 | encoding.to_syndrome()
    }

    /// Decodes an ESR_EL2 of class 0x18.
    #[inline(always)]
    pub const fn new(esr: u64) -> Self {
        Self {
            encoding: Encoding::from_syndrome(esr),
            register: (esr >> 5) as u8 & 31,
            write: esr & 1 == 0,
        }
    }
}

/// Returns the page of the IPA in HPFAR_EL2, whose bits 47:4 (FIPA) are bits 55:12 of it.
pub(crate) const fn page(hpfar: u64) -> u64 {
    (hpfar & 0x0000_ffff_ffff_fff0) << 8
}

/// Returns the value of HPFAR_EL2 for an IPA.
pub const fn hpfar(ipa: Ipa) -> u64 {
    (ipa.get() & !(PAGE_SIZE - 1)) >> 8
}

/// Decodes ESR_EL2. Any value is allowed.
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

/// An abort from EL1 or EL0: ESR_EL2 of class 0x24 or 0x20. Fields that only data aborts have are
/// zero in instruction aborts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Abort(u64);

impl Abort {
    /// ISS.WnR: the access was a write. Set for cache maintenance too.
    pub const WRITE: u64 = 1 << 6;
    /// ISS.S1PTW: the access was made by a walk of the guest's tables.
    pub const WALK: u64 = 1 << 7;
    /// ISS.CM: the access was cache maintenance or address translation.
    pub const CACHE_MAINTENANCE: u64 = 1 << 8;
    /// ISS.FnV: FAR_EL2 does not hold the virtual address of an external abort.
    pub const FAR_NOT_VALID: u64 = 1 << 10;
    /// ISS.ISV: SAS, SSE, SRT and SF describe the load or store of one general register.
    pub const VALID: u64 = 1 << 24;
    /// The bits of ESR_EL2.EC.
    pub const CLASS: u64 = 0x3f << 26;
    /// The bit of ESR_EL2.EC that is set for data aborts and clear for instruction aborts.
    const DATA: u64 = 1 << 28;
    /// ESR_EL2.EC of data aborts.
    pub const OF_DATA: u64 = (DATA_ABORT as u64) << 26;

    /// Creates the abort with this ESR_EL2, of a data abort or an instruction abort.
    pub const fn new(esr: u64) -> Self {
        Self(esr)
    }

    /// Returns ESR_EL2.
    pub const fn syndrome(self) -> u64 {
        self.0
    }

    /// Returns whether it is a data abort, not an instruction abort.
    pub const fn is_data(self) -> bool {
        self.0 & Self::DATA != 0
    }

    /// Returns whether the access was a write.
    pub const fn is_write(self) -> bool {
        self.0 & Self::WRITE != 0
    }

    /// Returns whether the access was made by a walk of the guest's tables.
    pub const fn is_walk(self) -> bool {
        self.0 & Self::WALK != 0
    }

    /// Returns whether it is a write that stage 2 does not permit (ISS.DFSC: a permission fault).
    /// Cache maintenance that needs the right to write counts as one.
    pub const fn is_denied_write(self) -> bool {
        self.is_data() && self.is_write() && matches!(self.0 & 0x3f, 0x0c..=0x0f)
    }

    /// Returns whether an entry of stage 2's root table, at level 1, was invalid.
    pub const fn is_root_translation_fault(self) -> bool {
        self.0 & 0x3f == 0x05
    }

    /// Returns the IPA of the access, from FAR_EL2 and HPFAR_EL2; for a walk of the guest's tables
    /// only its page. `None` where HPFAR_EL2 does not hold it (Arm ARM D24.2, HPFAR_EL2): for
    /// external aborts, and for permission faults other than on a walk.
    #[inline(always)]
    pub const fn ipa(self, far: u64, hpfar: u64) -> Option<Ipa> {
        let is_known = match self.0 & 0x3f {
            // Address size, translation and access flag faults of levels 0 to 3, then of -1 and -2.
            0x00..=0x0b | 0x29..=0x2c => true,
            // Permission faults.
            0x0c..=0x0f => self.is_walk(),
            _ => false,
        };
        // FAR_EL2 does not hold the address of the walk's own access.
        let offset = if self.is_walk() { 0 } else { far % PAGE_SIZE };
        if is_known { Some(Ipa::new(page(hpfar) | offset)) } else { None }
    }

    /// Creates the data abort with this ISS.
    #[cfg(test)]
    pub(crate) fn data(iss: u64) -> Self {
        Self(0x24 << 26 | 1 << 25 | iss)
    }
}
