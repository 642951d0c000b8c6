//! The frame of a GICv2m, as a guest's CPU sees it (Server Base System Architecture, DEN0029,
//! appendix E: "GICv2m Architecture").

use crate::arch::intid::Intid;

/// MSI_TYPER: the SPIs of the frame.
pub const TYPER: u64 = 0x008;
/// MSI_SETSPI_NS: makes the SPI pending whose number is written.
pub const SETSPI: u64 = 0x040;
/// MSI_IIDR.
pub const IIDR: u64 = 0xfcc;

/// The SPIs of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FrameSpis {
    /// The first.
    pub first: Intid,
    /// Their number, 1 to 1023.
    pub count: u32,
}

impl FrameSpis {
    /// Returns the SPIs that a value of MSI_TYPER tells, with the first in bits 25:16 and the number
    /// in bits 9:0; `None` if it tells none, or some that are no SPIs.
    pub fn of_typer(typer: u32) -> Option<Self> {
        Self::new(typer >> 16 & 0x3ff, typer & 0x3ff)
    }

    /// Returns `count` SPIs from `first` on; `None` if there are no such SPIs.
    pub fn new(first: u32, count: u32) -> Option<Self> {
        let end = first.checked_add(count)?;
        let are_spis = first >= Intid::SPI_START && count > 0 && end <= Intid::SPI_END;
        Intid::new(first).filter(|_| are_spis).map(|first| Self { first, count })
    }

    /// Returns MSI_TYPER.
    pub const fn typer(self) -> u32 {
        self.first.get() << 16 | self.count
    }

    /// Returns whether an SPI is one of them.
    pub const fn contains(self, number: u32) -> bool {
        number.wrapping_sub(self.first.get()) < self.count
    }

    /// Returns one past the last of them.
    pub const fn end(self) -> u32 {
        self.first.get().wrapping_add(self.count)
    }

    /// Returns the value of the register at `offset` in the frame. All others than MSI_TYPER are
    /// zero, MSI_IIDR among them, which says that no erratum is known.
    pub const fn load(self, offset: u64) -> u32 {
        if offset == TYPER { self.typer() } else { 0 }
    }

    /// Returns the SPI that a store makes pending, if it does: a store of 16 or 32 bits to
    /// MSI_SETSPI_NS with the number of one of the frame's SPIs.
    pub fn store(self, offset: u64, value: u64) -> Option<Intid> {
        let number = value as u32 & 0x3ff;
        let is_own = offset == SETSPI && self.contains(number);
        Intid::new(number).filter(|_| is_own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spis(first: u32, count: u32) -> FrameSpis {
        FrameSpis::new(first, count).unwrap()
    }

    #[test]
    fn a_frame_has_spis_alone() {
        assert_eq!(FrameSpis::of_typer(80 << 16 | 64), Some(spis(80, 64)));
        assert_eq!(spis(80, 64).typer(), 80 << 16 | 64);
        // No SPIs, a PPI, special INTIDs, and all of the bits.
        for typer in [0, 80 << 16, 31 << 16 | 4, 1000 << 16 | 21, u32::MAX] {
            assert_eq!(FrameSpis::of_typer(typer), None, "{typer:#x}");
        }
        assert_eq!(FrameSpis::new(1000, 20).map(FrameSpis::end), Some(1020));
        assert_eq!(FrameSpis::new(u32::MAX, 1), None);
    }

    #[test]
    fn a_cpu_reads_what_the_frame_has_and_raises_its_spis_alone() {
        let frame = spis(96, 16);
        assert_eq!([TYPER, SETSPI, IIDR, 0].map(|at| frame.load(at)), [96 << 16 | 16, 0, 0, 0]);
        assert_eq!(frame.store(SETSPI, 96), Intid::new(96));
        assert_eq!(frame.store(SETSPI, 111), Intid::new(111));
        for (offset, value) in [(SETSPI, 95), (SETSPI, 112), (SETSPI, 0), (TYPER, 96), (0x44, 96)] {
            assert_eq!(frame.store(offset, value), None, "{offset:#x} {value}");
        }
    }
}
