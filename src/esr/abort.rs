//! Aborts from a lower exception level: what failed, and at which address.

use crate::addr::{Ipa, PAGE_SIZE};

/// ISS.S1PTW: the access was the CPU's own, during the guest's stage 1 translation table walk.
const S1PTW: u64 = 1 << 7;
/// ISS.FnV: FAR_EL2 does not hold the address.
const FNV: u64 = 1 << 10;

/// A data abort from EL1 or EL0 (ISS encoding of exception class 0x24).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DataAbort {
    /// What the instruction would have moved, where the syndrome tells (ISS.ISV): a plain load or
    /// store of one general register. Everything else cannot be emulated.
    pub transfer: Option<Transfer>,
    /// The access was a write (ISS.WnR). Set for cache maintenance too.
    pub write: bool,
    /// Why it failed.
    pub fault: Fault,
    /// The access was the walk of the guest's own tables (ISS.S1PTW).
    pub walk: bool,
    /// The access was cache maintenance or address translation (ISS.CM).
    pub cache_maintenance: bool,
    /// FAR_EL2 holds the virtual address (ISS.FnV clear).
    pub far_valid: bool,
}

/// An instruction abort from EL1 or EL0 (ISS encoding of exception class 0x20).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InstructionAbort {
    /// Why it failed.
    pub fault: Fault,
    /// The access was the walk of the guest's own tables (ISS.S1PTW).
    pub walk: bool,
    /// FAR_EL2 holds the virtual address (ISS.FnV clear).
    pub far_valid: bool,
}

/// A load or store of one general register, as ISS.{SAS, SSE, SRT, SF} tell it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Transfer {
    /// How much memory it touches.
    pub size: AccessSize,
    /// The register; 31 is the zero register.
    pub register: u8,
    /// A load extends the sign of what it read.
    pub sign_extend: bool,
    /// The register is 64 bits wide; otherwise a load clears its upper half.
    pub wide: bool,
}

/// The size of one access to memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AccessSize {
    /// 8 bits.
    Byte,
    /// 16 bits.
    Halfword,
    /// 32 bits.
    Word,
    /// 64 bits.
    Doubleword,
}

impl AccessSize {
    /// The number of bytes: 1, 2, 4 or 8.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        1 << self as u64
    }

    /// The bits of a register that such an access moves.
    #[must_use]
    pub const fn mask(self) -> u64 {
        u64::MAX >> (64 - self.bits())
    }

    /// The number of bits: 8, 16, 32 or 64.
    #[must_use]
    pub const fn bits(self) -> u32 {
        8 << self as u32
    }
}

/// ISS.DFSC or ISS.IFSC: why an access failed. Levels are those of the table where the walk ended,
/// from -2 to 3.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// An address is wider than the tables allow.
    AddressSize {
        /// Of the table walk.
        level: i8,
    },
    /// Nothing is mapped there.
    Translation {
        /// Of the table walk.
        level: i8,
    },
    /// The mapping has its access flag clear.
    AccessFlag {
        /// Of the table walk.
        level: i8,
    },
    /// The mapping does not allow this access.
    Permission {
        /// Of the table walk.
        level: i8,
    },
    /// The memory system refused the access or a walk (synchronous external abort, parity, ECC).
    External,
    /// The address is not aligned as the access demands.
    Alignment,
    /// Any other status.
    Other {
        /// The status code.
        status: u8,
    },
}

impl Fault {
    /// The meaning of ISS\[5:0\] of an abort.
    const fn decode(esr: u64) -> Self {
        let status = esr as u8 & 0x3f;
        let level = (status & 3) as i8;
        match status {
            0x00..=0x03 => Self::AddressSize { level },
            0x04..=0x07 => Self::Translation { level },
            0x08..=0x0b => Self::AccessFlag { level },
            0x0c..=0x0f => Self::Permission { level },
            0x10 | 0x12..=0x18 | 0x1b..=0x1f => Self::External,
            0x21 => Self::Alignment,
            0x29 => Self::AddressSize { level: -1 },
            0x2a => Self::Translation { level: -2 },
            0x2b => Self::Translation { level: -1 },
            0x2c => Self::AddressSize { level: -2 },
            _ => Self::Other { status },
        }
    }
}

/// Where an abort happened, as far as the syndrome registers tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FaultAddress {
    /// The guest touched this IPA. For a walk of its tables: somewhere in the page that begins here.
    Known(Ipa),
    /// HPFAR_EL2 is not valid, as for a permission fault: EL2 must translate this virtual address
    /// with `AT S1E1R` (or `S1E0R`). If that fails, another vCPU has just changed the guest's
    /// tables, and the guest should try its instruction again.
    Translate {
        /// FAR_EL2.
        virtual_address: u64,
    },
    /// Nothing is known, as for an external abort.
    Unknown,
}

impl DataAbort {
    pub(super) const fn decode(esr: u64) -> Self {
        Self {
            transfer: Transfer::decode(esr),
            write: esr & 1 << 6 != 0,
            fault: Fault::decode(esr),
            walk: esr & S1PTW != 0,
            cache_maintenance: esr & 1 << 8 != 0,
            far_valid: esr & FNV == 0,
        }
    }

    /// Where it happened, from FAR_EL2 and HPFAR_EL2.
    #[must_use]
    pub const fn address(&self, far: u64, hpfar: u64) -> FaultAddress {
        address(self.fault, self.walk, self.far_valid, far, hpfar)
    }
}

impl InstructionAbort {
    pub(super) const fn decode(esr: u64) -> Self {
        Self { fault: Fault::decode(esr), walk: esr & S1PTW != 0, far_valid: esr & FNV == 0 }
    }

    /// Where it happened, from FAR_EL2 and HPFAR_EL2.
    #[must_use]
    pub const fn address(&self, far: u64, hpfar: u64) -> FaultAddress {
        address(self.fault, self.walk, self.far_valid, far, hpfar)
    }
}

impl Transfer {
    const ISV: u64 = 1 << 24;

    const fn decode(esr: u64) -> Option<Self> {
        if esr & Self::ISV == 0 {
            return None;
        }
        let size = match esr >> 22 & 3 {
            0 => AccessSize::Byte,
            1 => AccessSize::Halfword,
            2 => AccessSize::Word,
            _ => AccessSize::Doubleword,
        };
        Some(Self {
            size,
            register: (esr >> 16) as u8 & 31,
            sign_extend: esr & 1 << 21 != 0,
            wide: esr & 1 << 15 != 0,
        })
    }
}

/// The IPA of an abort, where HPFAR_EL2 is valid (Arm ARM D24.2, HPFAR_EL2): stage 2 translation, access
/// flag and address size faults, and every stage 2 fault of a stage 1 walk.
const fn address(fault: Fault, walk: bool, far_valid: bool, far: u64, hpfar: u64) -> FaultAddress {
    /// HPFAR_EL2.FIPA: bits 55:12 of the IPA, at bit 4.
    const FIPA: u64 = 0x0000_ffff_ffff_fff0;
    let page = (hpfar & FIPA) << 8;
    match fault {
        Fault::Permission { .. } if walk => FaultAddress::Known(Ipa::new(page)),
        Fault::Translation { .. } | Fault::AccessFlag { .. } | Fault::AddressSize { .. } => {
            // A walk reads elsewhere than where FAR_EL2 points.
            let offset = if walk { 0 } else { far % PAGE_SIZE };
            FaultAddress::Known(Ipa::new(page | offset))
        }
        Fault::External => FaultAddress::Unknown,
        _ if walk || !far_valid => FaultAddress::Unknown,
        Fault::Permission { .. } | Fault::Alignment | Fault::Other { .. } => {
            FaultAddress::Translate { virtual_address: far }
        }
    }
}
