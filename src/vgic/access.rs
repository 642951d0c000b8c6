//! A guest's access to the frames of the distributor or the redistributors.

/// A guest's load or store.
#[derive(Clone, Copy, Debug)]
pub struct RegisterAccess {
    /// The offset in bytes from the start of the distributor or of the first redistributor.
    pub offset: u64,
    /// The number of bytes: 1, 2, 4 or 8.
    pub size: u64,
    /// The value of a store, in the low bits. Unused for a load.
    pub value: u64,
}

impl RegisterAccess {
    /// Returns whether the offset is a multiple of the size.
    pub(super) fn is_aligned(self) -> bool {
        self.offset & self.size.wrapping_sub(1) == 0
    }

    /// Returns the bits of a 64-bit register that an access of 4 or 8 bytes covers.
    fn mask(self) -> u64 {
        if self.size == 8 { u64::MAX } else { 0xffff_ffff << self.shift() }
    }

    /// Returns the lowest bit of a 64-bit register that the access covers.
    fn shift(self) -> u64 {
        if self.size == 8 { 0 } else { 8 * (self.offset & 4) }
    }

    /// Returns the value of a 64-bit register after this store.
    pub(super) fn replace(self, register: u64) -> u64 {
        register & !self.mask() | self.value << self.shift() & self.mask()
    }

    /// Returns the part of a 64-bit register that this load reads.
    pub(super) fn part(self, register: u64) -> u64 {
        (register & self.mask()) >> self.shift()
    }
}
