//! Memory attributes and access permissions of leaves.

/// The attribute fields of a leaf: all of its descriptor except the output address and bits 1:0.
///
/// The first five constants are for EL2's stage 1, where MAIR_EL2 has Normal, write-back at index
/// 0, Device-nGnRE at index 1, and at index 2 that of index 0 with allocation tags, where the CPU
/// has them (FEAT_MTE2). The others are for a partition's stage 2 with HCR_EL2.FWB = 0, which a
/// guest's stage 1 can only restrict.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Attributes(pub(crate) u64);

/// SH: Inner Shareable. Device memory is Outer Shareable whatever SH is.
const INNER: u64 = 0b11 << 8;
/// AF: the first access does not take an Access flag fault.
const ACCESSED: u64 = 1 << 10;
/// XN. At stage 2 it is XN\[1\], which with XN\[0\] clear forbids execution at EL1 and EL0, with
/// and without FEAT_XNX.
const NO_EXECUTE: u64 = 1 << 54;

/// The fields that all leaves of EL2's stage 1 have (Arm ARM D8.3.2). The regime has one privilege
/// level: AP\[1\] is RES1, PXN and nG are RES0.
const STAGE_1: u64 = 1 << 6 | ACCESSED;
/// AttrIndx: index 1.
const DEVICE: u64 = 1 << 2;
/// AttrIndx: index 2.
const WITH_TAGS: u64 = 2 << 2;
/// AP\[2\]: no write access.
const READ_ONLY: u64 = 1 << 7;

/// S2AP\[0\]: read access.
const STAGE_2_READ: u64 = 1 << 6;
/// S2AP\[1\]: write access.
const STAGE_2_WRITE: u64 = 1 << 7;
/// The fields that the leaves of stage 2 have (Arm ARM D8.3.2), but for those of read-only disks.
const STAGE_2: u64 = STAGE_2_READ | STAGE_2_WRITE | ACCESSED;
/// MemAttr: Device-nGnRE.
const DEVICE_NGNRE: u64 = 0b0001 << 2;
/// MemAttr: Normal, outer and inner write-back cacheable.
const WRITE_BACK: u64 = 0b1111 << 2;

impl Attributes {
    /// EL2's code: read and execute.
    pub const CODE: Self = Self(STAGE_1 | INNER | READ_ONLY);
    /// EL2's constants, and the images and device trees that it was given: read only.
    pub const READ_ONLY: Self = Self(STAGE_1 | INNER | READ_ONLY | NO_EXECUTE);
    /// EL2's data: read and write, never execute.
    pub const DATA: Self = Self(STAGE_1 | INNER | NO_EXECUTE);
    /// A partition's memory while EL2 fills it: as `DATA`, with the allocation tags.
    pub const WINDOW: Self = Self(STAGE_1 | INNER | WITH_TAGS | NO_EXECUTE);
    /// Registers that EL2 uses: read and write, never execute, Device-nGnRE.
    pub const DEVICE: Self = Self(STAGE_1 | DEVICE | NO_EXECUTE);
    /// A guest's RAM: read, write and execute, write-back, Inner Shareable.
    pub const GUEST: Self = Self(STAGE_2 | WRITE_BACK | INNER);
    /// A guest's disk: as its RAM, but never execute.
    pub const GUEST_DISK: Self = Self(STAGE_2 | WRITE_BACK | INNER | NO_EXECUTE);
    /// A guest's disk that it only reads: never write, never execute, write-back, Inner Shareable.
    pub const GUEST_READ_ONLY_DISK: Self =
        Self(STAGE_2_READ | ACCESSED | WRITE_BACK | INNER | NO_EXECUTE);
    /// The register to which a guest's devices send messages: write, never read or execute,
    /// Device-nGnRE.
    pub const MESSAGES: Self = Self(STAGE_2_WRITE | ACCESSED | DEVICE_NGNRE | NO_EXECUTE);
    /// A device passed through to a guest: read and write, never execute, Device-nGnRE.
    pub const GUEST_DEVICE: Self = Self(STAGE_2 | DEVICE_NGNRE | NO_EXECUTE);
}
