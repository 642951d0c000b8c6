//! What a device needs of the memory of a partition, or of a disk.
//!
//! EL2 implements it by volatile and atomic accesses, the host's tests by a vector. No reference to
//! the memory exists: whoever owns it may write it at any time. A device that reads something twice
//! may get two values.

use crate::arch::addr::{Ipa, Region};

/// A place in a memory, of bytes that were found to be in it. Only that memory may be accessed
/// there.
///
/// The rings of a queue are checked once, when the queue is created, and each buffer once, when its
/// descriptor is read. Each access is at a place: [`Place::within`] and [`Place::after`] are the
/// only ways to one. A memory is where it is and has its size for as long as there are places in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Place {
    offset: u64,
}

impl Place {
    /// The start of a memory, of no bytes.
    pub const START: Self = Self { offset: 0 };

    /// Returns the place of `size` bytes in a region; `None` if not all of them are in it.
    ///
    /// It only subtracts, so no sum of an address and a size that a guest has chosen can wrap.
    #[inline(always)]
    pub fn within(region: &Region<Ipa>, at: Ipa, size: u64) -> Option<Self> {
        // An address before the region wraps, to an offset that is too large: no region wraps.
        let offset = at.get().wrapping_sub(region.start().get());
        match region.size().checked_sub(offset) {
            Some(left) if size <= left => Some(Self { offset }),
            _ => None,
        }
    }

    /// Returns the place `bytes` further on, which must be among those that were checked.
    #[inline(always)]
    pub(super) fn after(self, bytes: u64) -> Self {
        Self { offset: self.offset.wrapping_add(bytes) }
    }

    /// Returns the number of bytes from the start of the region.
    #[inline(always)]
    pub fn offset(self) -> u64 {
        self.offset
    }
}

/// Accesses to memory that someone else may write at the same time.
///
/// All bytes of an access are among those that were checked for its [`Place`].
pub trait MemoryAccess {
    /// Returns the place of `size` bytes; `None` if not all of them are in the memory:
    /// [`Place::within`] its region.
    fn place(&self, at: Ipa, size: u64) -> Option<Place>;

    /// Reads a little-endian 16-bit index at an even address in one access. No later access comes
    /// before it (load-acquire).
    fn load_index(&self, at: Place) -> u16;

    /// Writes a little-endian 16-bit index at an even address in one access, which no earlier
    /// access comes after (store-release).
    fn store_index(&self, at: Place, index: u16);

    /// Reads the two little-endian words of a descriptor at any alignment, each byte once. The owner
    /// may write some of them meanwhile.
    fn load_descriptor(&self, at: Place) -> [u64; 2];

    /// Writes the little-endian word of a used element at a multiple of 4, each byte once.
    fn store_used(&self, at: Place, element: u64);

    /// Reads `N` bytes at any alignment, each once. The owner may write some of them meanwhile.
    fn read<const N: usize>(&self, at: Place) -> [u8; N];

    /// Writes `N` bytes at any alignment, each once.
    fn write<const N: usize>(&self, at: Place, bytes: [u8; N]);

    /// Orders every access before with every access after it, also a store with a later load
    /// (`dmb ish`).
    fn fence(&self);

    /// Copies `size` bytes to another memory, which may be the same one. If the two places overlap
    /// it is not defined which bytes of them the destination has, but no other is written.
    fn copy_to(&self, from: Place, other: &Self, to: Place, size: u32);
}

/// What takes bytes that were read.
pub trait Sink {
    /// Takes a byte, for which there must be room.
    fn put(&mut self, byte: u8);

    /// Takes the eight bytes of a word, the lowest first, for which there must be room.
    fn put_word(&mut self, word: u64);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_given_only_for_bytes_in_the_region() {
        let region = Region::new(Ipa::new(0x1000), 0x100).unwrap();
        let offset = |at, size| Place::within(&region, Ipa::new(at), size).map(Place::offset);
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
