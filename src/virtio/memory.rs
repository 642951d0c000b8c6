//! What a device needs of the memory of a partition, or of a disk.
//!
//! EL2 implements it by volatile and atomic accesses, the host's tests by a vector. No reference to
//! the memory exists: whoever owns it may write it at any time. A device that reads something twice
//! may get two values.

use crate::arch::addr::{Ipa, Region};

/// An access to a byte that is not in the memory, or to an index that is not aligned. It had no
/// effect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outside;

/// The side of a copy whose bytes are not all in its memory. Nothing was copied.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OutsideOf {
    /// The memory that is read.
    Source,
    /// The memory that is written.
    Destination,
}

/// Accesses to memory that someone else may write at the same time.
///
/// Each method checks its addresses, by [`offset_in`] or as strictly.
pub trait MemoryAccess {
    /// Returns whether all of `size` bytes are in the memory.
    fn has(&self, at: Ipa, size: u64) -> bool;

    /// Reads `N` bytes at any alignment, each once. The owner may write some of them meanwhile.
    ///
    /// # Errors
    ///
    /// [`Outside`] if not all of them are in the memory.
    fn read<const N: usize>(&self, at: Ipa) -> Result<[u8; N], Outside>;

    /// Writes `N` bytes at any alignment, each once.
    ///
    /// # Errors
    ///
    /// [`Outside`] if not all of them are in the memory.
    fn write<const N: usize>(&self, at: Ipa, bytes: [u8; N]) -> Result<(), Outside>;

    /// Reads a little-endian 16-bit index in one access. No later access comes before it
    /// (load-acquire).
    ///
    /// # Errors
    ///
    /// [`Outside`] if it is not in the memory or its address is odd.
    fn load_index(&self, at: Ipa) -> Result<u16, Outside>;

    /// Writes a little-endian 16-bit index in one access, which no earlier access comes after
    /// (store-release).
    ///
    /// # Errors
    ///
    /// [`Outside`] if it is not in the memory or its address is odd.
    fn store_index(&self, at: Ipa, index: u16) -> Result<(), Outside>;

    /// Orders every access before with every access after it, also a store with a later load
    /// (`dmb ish`).
    fn fence(&self);

    /// Copies `size` bytes to another memory, which may be the same one. If the two places overlap
    /// it is not defined which bytes of them the destination has, but no other is written.
    ///
    /// # Errors
    ///
    /// The side whose bytes are not all in its memory; [`OutsideOf::Source`] if it is both.
    fn copy_to(&self, from: Ipa, other: &Self, to: Ipa, size: u32) -> Result<(), OutsideOf>;
}

/// Returns the offset of `size` bytes in a region; `None` if not all of them are in it.
///
/// It only subtracts, so no sum of an address and a size that a guest has chosen can wrap.
#[inline(always)]
pub fn offset_in(region: &Region<Ipa>, at: Ipa, size: u64) -> Option<u64> {
    // An address before the region wraps, to an offset that is too large: no region wraps.
    let offset = at.get().wrapping_sub(region.start().get());
    (offset <= region.size() && size <= region.size().wrapping_sub(offset)).then_some(offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_given_only_for_bytes_in_the_region() {
        let region = Region::new(Ipa::new(0x1000), 0x100).unwrap();
        let offset = |at, size| offset_in(&region, Ipa::new(at), size);
        assert_eq!([offset(0x1000, 0x100), offset(0x10ff, 1)], [Some(0), Some(0xff)]);
        assert_eq!(offset(0x1100, 0), Some(0x100));
        for (at, size) in [
            (0xfff, 1),
            (0xfff, 0),
            (0x1000, 0x101),
            (0x10ff, 2),
            (0x1101, 0),
            (0x1001, u64::MAX),
            (u64::MAX, 2),
        ] {
            assert_eq!(offset(at, size), None, "{at:#x}, {size:#x}");
        }
    }
}
