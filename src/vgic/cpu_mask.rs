//! A set of a partition's vCPUs.

use core::ops::BitOrAssign;

/// A set of vCPU indices, each 0 to 63.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[must_use]
pub struct CpuMask(u64);

impl CpuMask {
    /// No vCPU.
    pub const EMPTY: Self = Self(0);

    /// The vCPUs from 0 on, so many.
    pub const fn first(count: usize) -> Self {
        Self(if count < 64 { (1 << count) - 1 } else { u64::MAX })
    }

    /// The vCPU with this index alone; empty from 64 on.
    pub const fn one(vcpu: usize) -> Self {
        Self(if vcpu < 64 { 1 << vcpu } else { 0 })
    }

    /// The vCPUs whose bits are set: bit n is vCPU n.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The set as bits: bit n is vCPU n.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Whether no vCPU is in the set.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether this vCPU is in the set.
    #[must_use]
    pub const fn contains(self, vcpu: usize) -> bool {
        self.0 & Self::one(vcpu).0 != 0
    }

    /// The set without this vCPU.
    pub const fn without(self, vcpu: usize) -> Self {
        Self(self.0 & !Self::one(vcpu).0)
    }
}

impl BitOrAssign for CpuMask {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

/// Gives the indices from the lowest on.
impl Iterator for CpuMask {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        if self.0 == 0 {
            return None;
        }
        let vcpu = self.0.trailing_zeros() as usize;
        self.0 &= self.0.wrapping_sub(1);
        Some(vcpu)
    }
}
