//! Addresses and regions, typed so that a guest's address is never used as a physical one.

use core::fmt;

/// The translation granule of every table that Bulkhead writes, in bytes.
pub const PAGE_SIZE: u64 = 4096;

/// A physical, an intermediate physical or a virtual address.
pub trait Address: Copy + Ord + fmt::Display {
    /// Address 0.
    const ZERO: Self;
    /// Creates the address with this value.
    fn new(value: u64) -> Self;
    /// Returns the address as a number of bytes from zero.
    fn get(self) -> u64;
}

macro_rules! address {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
        #[repr(transparent)]
        pub struct $name(u64);

        impl $name {
            /// Creates the address with this value.
            pub const fn new(value: u64) -> Self {
                Self(value)
            }

            /// Returns the address as a number of bytes from zero.
            pub const fn get(self) -> u64 {
                self.0
            }

            /// Returns the address `bytes` further on; `None` if it does not fit in 64 bits.
            pub fn checked_add(self, bytes: u64) -> Option<Self> {
                self.0.checked_add(bytes).map(Self)
            }

            /// Returns whether the address is a multiple of `alignment`, a power of two.
            pub const fn is_aligned(self, alignment: u64) -> bool {
                self.0 & (alignment.wrapping_sub(1)) == 0
            }
        }

        impl Address for $name {
            const ZERO: Self = Self(0);

            fn new(value: u64) -> Self {
                Self(value)
            }

            fn get(self) -> u64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:#010x}", self.0)
            }
        }
    };
}

address! {
    /// A physical address: the output of stage 2, and of EL2's stage 1.
    Pa
}

address! {
    /// An intermediate physical address: what a guest takes for a physical address, the input of
    /// stage 2.
    Ipa
}

address! {
    /// A virtual address of EL2, the input of its stage 1. Where EL2 maps memory outside of a
    /// window, it equals the physical address.
    Va
}

/// Contiguous bytes from an address on, which do not wrap. A region may be empty.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Region<A> {
    start: A,
    size: u64,
}

impl<A: Address> Region<A> {
    /// The region of no bytes at address 0.
    pub const EMPTY: Self = Self { start: A::ZERO, size: 0 };

    /// Creates the region of `size` bytes from `start`; `None` if its end does not fit in 64 bits.
    pub fn new(start: A, size: u64) -> Option<Self> {
        start.get().checked_add(size)?;
        Some(Self { start, size })
    }

    /// Creates the region from `start` up to, not including, `end`; `None` if `end` is before
    /// `start`.
    pub fn between(start: A, end: A) -> Option<Self> {
        let size = end.get().checked_sub(start.get())?;
        Some(Self { start, size })
    }

    /// Returns the first address.
    pub fn start(&self) -> A {
        self.start
    }

    /// Returns the number of bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Returns the first address past the region.
    pub fn end(&self) -> A {
        A::new(self.start.get().wrapping_add(self.size))
    }

    /// Returns whether the region has no bytes.
    pub fn is_empty(&self) -> bool {
        self.size == 0
    }

    /// Returns whether `address` is that of one of the region's bytes.
    pub fn contains(&self, address: A) -> bool {
        address >= self.start && address < self.end()
    }

    /// Returns whether every byte of `other` is a byte of this region.
    pub fn covers(&self, other: &Self) -> bool {
        other.start >= self.start && other.end() <= self.end()
    }

    /// Returns whether the two regions share a byte.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.start < other.end() && other.start < self.end() && self.size > 0 && other.size > 0
    }

    /// Returns whether start and size are multiples of `alignment`, a power of two.
    pub fn is_aligned(&self, alignment: u64) -> bool {
        (self.start.get() | self.size) & (alignment.wrapping_sub(1)) == 0
    }

    /// Returns the part of `size` bytes from `offset` on; `None` if it is not all in the region.
    pub fn part(&self, offset: u64, size: u64) -> Option<Self> {
        let part = Self::new(A::new(self.start.get().checked_add(offset)?), size)?;
        self.covers(&part).then_some(part)
    }

    /// Returns the smallest region of whole pages that covers this one; `None` if its end does not
    /// fit in 64 bits.
    pub fn page_aligned(&self) -> Option<Self> {
        let start = self.start.get() & !(PAGE_SIZE - 1);
        let end = self.end().get().checked_next_multiple_of(PAGE_SIZE)?;
        Self::between(A::new(start), A::new(end))
    }
}

/// A number of bytes, displayed in the largest unit that divides it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bytes(pub u64);

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    fn region(start: u64, size: u64) -> Region<Pa> {
        Region::new(Pa::new(start), size).unwrap()
    }

    #[test]
    fn regions_that_wrap_are_refused() {
        assert!(Region::new(Pa::new(u64::MAX), 2).is_none());
        assert!(Region::between(Pa::new(2), Pa::new(1)).is_none());
    }

    #[test]
    fn adjacent_regions_do_not_overlap() {
        assert!(!region(0, 0x1000).overlaps(&region(0x1000, 0x1000)));
        assert!(region(0, 0x1001).overlaps(&region(0x1000, 0x1000)));
        assert!(!region(0x800, 0).overlaps(&region(0, 0x1000)));
    }

    #[test]
    fn page_alignment_extends_both_ends() {
        assert_eq!(region(0x1234, 1).page_aligned(), Some(region(0x1000, 0x1000)));
        assert_eq!(region(u64::MAX - 1, 1).page_aligned(), None);
    }

    #[test]
    fn sizes_and_regions_are_displayed() {
        assert_eq!(format!("{}", Bytes(64 << 20)), "64 MiB");
        assert_eq!(format!("{}", Bytes(1234)), "1234 B");
        assert_eq!(format!("{}", region(0x4000_0000, 0x1000)), "0x40000000-0x40000fff");
    }
}
