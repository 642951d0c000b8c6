//! Sets of a partition's vCPUs.

use core::ops::BitOrAssign;

/// A set of vCPU indices, each 0 to 63.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[must_use]
pub struct CpuMask(u64);

impl CpuMask {
    /// The empty set.
    pub const EMPTY: Self = Self(0);

    /// Returns the set of the first `count` vCPUs.
    pub const fn first(count: usize) -> Self {
        Self(if count < 64 { (1 << count) - 1 } else { u64::MAX })
    }

    /// Returns the set of one vCPU; the empty set for an index of 64 or more.
    pub const fn one(vcpu: usize) -> Self {
        Self(if vcpu < 64 { 1 << vcpu } else { 0 })
    }

    /// Returns the set of the vCPUs whose bits are set: bit n is vCPU n.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// Returns the set as bits: bit n is vCPU n.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Returns whether the set is empty.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Returns whether this vCPU is in the set.
    #[must_use]
    pub const fn contains(self, vcpu: usize) -> bool {
        self.0 & Self::one(vcpu).0 != 0
    }

    /// Returns the set without this vCPU.
    pub const fn without(self, vcpu: usize) -> Self {
        Self(self.0 & !Self::one(vcpu).0)
    }
}

impl BitOrAssign for CpuMask {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

/// Yields the indices in ascending order.
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
