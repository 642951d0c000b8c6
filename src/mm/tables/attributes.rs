//! What a leaf says about the memory that it maps.

/// The attribute fields of a leaf: all of its descriptor but the output address and bits 1:0.
///
/// EL2's own stage 1 has the first four kinds, with MAIR_EL2 as Normal, write-back, at index 0 and
/// Device-nGnRE at index 1; a partition's stage 2 the others, with HCR_EL2.FWB = 0. A guest's stage 1
/// can only restrict them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Memory(pub(super) u64);

/// SH: inner shareable. Device memory is outer shareable whatever SH says.
const INNER: u64 = 0b11 << 8;
/// AF: without it the first access would fault.
const ACCESSED: u64 = 1 << 10;
/// XN. At stage 2 it is XN\[1\]: with XN\[0\] clear it means "never at EL1 nor EL0", with FEAT_XNX and
/// without.
const NO_EXECUTE: u64 = 1 << 54;

/// What leaves of the EL2 regime (Arm ARM D8.3.2), which has one privilege level, have in common:
/// AP\[1\] is RES1, PXN and nG are RES0.
const STAGE_1: u64 = 1 << 6 | ACCESSED;
/// AttrIndx.
const DEVICE: u64 = 1 << 2;
/// AP\[2\].
const READ_ONLY: u64 = 1 << 7;

/// What leaves of stage 2 (Arm ARM D8.3.2) have in common: S2AP, read and write.
const STAGE_2: u64 = 0b11 << 6 | ACCESSED;
/// MemAttr.
const DEVICE_NGNRE: u64 = 0b0001 << 2;
const WRITE_BACK: u64 = 0b1111 << 2;

impl Memory {
    /// EL2's code: read and execute.
    pub const CODE: Self = Self(STAGE_1 | INNER | READ_ONLY);
    /// EL2's constants, images and trees handed over: read only.
    pub const READ_ONLY: Self = Self(STAGE_1 | INNER | READ_ONLY | NO_EXECUTE);
    /// EL2's data: read and write, never execute.
    pub const DATA: Self = Self(STAGE_1 | INNER | NO_EXECUTE);
    /// Registers that EL2 uses: read and write, never execute, Device-nGnRE.
    pub const DEVICE: Self = Self(STAGE_1 | DEVICE | NO_EXECUTE);
    /// A guest's RAM: all access, write-back, inner shareable.
    pub const GUEST: Self = Self(STAGE_2 | WRITE_BACK | INNER);
    /// A device passed through to a guest: read and write, never execute, Device-nGnRE.
    pub const GUEST_DEVICE: Self = Self(STAGE_2 | DEVICE_NGNRE | NO_EXECUTE);
}
