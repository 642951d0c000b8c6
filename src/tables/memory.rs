//! What a leaf says about the memory that it maps.

use tock_registers::fields::FieldValue;
use tock_registers::register_bitfields;

use crate::addr::{Address, Ipa, Pa};

register_bitfields![u64,
    /// Stage 1 block and page attributes of the EL2 regime (Arm ARM D8.3.2), which has one
    /// privilege level: AP[1] is RES1, PXN and nG are RES0.
    STAGE1 [
        ATTR_INDEX OFFSET(2) NUMBITS(3) [Normal = 0, Device = 1],
        AP_1 OFFSET(6) NUMBITS(1) [],
        READ_ONLY OFFSET(7) NUMBITS(1) [],
        SH OFFSET(8) NUMBITS(2) [Inner = 0b11],
        AF OFFSET(10) NUMBITS(1) [],
        XN OFFSET(54) NUMBITS(1) [],
    ],
    /// Stage 2 block and page attributes (Arm ARM D8.3.2; MemAttr as with
    /// HCR_EL2.FWB = 0).
    STAGE2 [
        MEM_ATTR OFFSET(2) NUMBITS(4) [DeviceNGnRE = 0b0001, NormalWriteBack = 0b1111],
        S2AP OFFSET(6) NUMBITS(2) [ReadWrite = 0b11],
        SH OFFSET(8) NUMBITS(2) [Inner = 0b11],
        AF OFFSET(10) NUMBITS(1) [],
        /// XN\[1\]: with XN\[0\] clear it means "never at EL1 nor EL0", with FEAT_XNX and without.
        XN OFFSET(54) NUMBITS(1) [],
    ],
];

/// The kinds of memory that one translation regime can map.
pub trait Memory: Copy + PartialEq + 'static {
    /// What the regime translates from.
    type Input: Address;

    /// Every kind, for finding the one that a descriptor has.
    const ALL: &'static [Self];

    /// The attribute fields of a leaf: all of its descriptor but the output address and bits 1:0.
    fn attributes(self) -> u64;
}

/// The kinds of memory in EL2's own stage 1. Its virtual addresses are physical ones.
///
/// `MAIR_EL2` must hold Normal, write-back, at index 0 and Device-nGnRE at index 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hypervisor {
    /// Read and execute: the image's code.
    Code,
    /// Read only: the image's constants, images and trees handed over.
    ReadOnly,
    /// Read and write, never execute.
    Data,
    /// Registers: read and write, never execute, Device-nGnRE.
    Device,
}

impl Memory for Hypervisor {
    type Input = Pa;
    const ALL: &'static [Self] = &[Self::Code, Self::ReadOnly, Self::Data, Self::Device];

    fn attributes(self) -> u64 {
        let common = STAGE1::AF::SET + STAGE1::AP_1::SET;
        // Device memory is outer shareable whatever SH says.
        let normal = common + STAGE1::ATTR_INDEX::Normal + STAGE1::SH::Inner;
        let fields: FieldValue<u64, STAGE1::Register> = match self {
            Self::Code => normal + STAGE1::READ_ONLY::SET,
            Self::ReadOnly => normal + STAGE1::READ_ONLY::SET + STAGE1::XN::SET,
            Self::Data => normal + STAGE1::XN::SET,
            Self::Device => common + STAGE1::ATTR_INDEX::Device + STAGE1::XN::SET,
        };
        fields.value
    }
}

/// The kinds of memory in a partition's stage 2. The guest's own stage 1 can only restrict them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Guest {
    /// RAM: all access, write-back, inner shareable.
    Normal,
    /// A device passed through: read and write, never execute, Device-nGnRE.
    Device,
}

impl Memory for Guest {
    type Input = Ipa;
    const ALL: &'static [Self] = &[Self::Normal, Self::Device];

    fn attributes(self) -> u64 {
        let common = STAGE2::AF::SET + STAGE2::S2AP::ReadWrite;
        let fields: FieldValue<u64, STAGE2::Register> = match self {
            Self::Normal => common + STAGE2::MEM_ATTR::NormalWriteBack + STAGE2::SH::Inner,
            Self::Device => common + STAGE2::MEM_ATTR::DeviceNGnRE + STAGE2::XN::SET,
        };
        fields.value
    }
}
