//! A guest's accesses to the frames.

/// A guest's load or store.
#[derive(Clone, Copy, Debug)]
pub struct RegisterAccess {
    /// Where, in bytes from the start of the distributor or of the redistributors.
    pub offset: u64,
    /// How many bytes: 1, 2, 4 or 8.
    pub size: u64,
    /// What is stored there, in the low bits; of no meaning to a load.
    pub value: u64,
}

impl RegisterAccess {
    /// Whether it does not cross its own size.
    pub(super) fn is_aligned(self) -> bool {
        self.offset & self.size.wrapping_sub(1) == 0
    }

    /// The bits of a 64-bit register that it reaches, where it has 4 or 8 bytes.
    pub(super) fn mask(self) -> u64 {
        if self.size == 8 { u64::MAX } else { 0xffff_ffff << self.shift() }
    }

    pub(super) fn shift(self) -> u64 {
        if self.size == 8 { 0 } else { 8 * (self.offset & 4) }
    }

    /// What a 64-bit register is after it.
    pub(super) fn replace(self, register: u64) -> u64 {
        register & !self.mask() | self.value << self.shift() & self.mask()
    }

    /// What it reads of a 64-bit register.
    pub(super) fn part(self, register: u64) -> u64 {
        (register & self.mask()) >> self.shift()
    }
}
