//! Translation granules: the sizes of pages.

use core::fmt;

/// A size of pages that a CPU's stage 1 may support.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Granule {
    /// 4 KiB.
    Size4K,
    /// 16 KiB.
    Size16K,
    /// 64 KiB.
    Size64K,
}

impl Granule {
    /// Returns the page size in bits 2:1 of the flags of an arm64 Image's header; `None` if it is
    /// unspecified (Linux, Documentation/arch/arm64/booting.rst).
    pub fn of_image(flags: u64) -> Option<Self> {
        match flags >> 1 & 3 {
            1 => Some(Self::Size4K),
            2 => Some(Self::Size16K),
            3 => Some(Self::Size64K),
            _ => None,
        }
    }

    /// Returns whether stage 1 of a CPU with this ID_AA64MMFR0_EL1 supports it: the fields TGran4,
    /// bits 31:28, TGran16, bits 23:20, and TGran64, bits 27:24.
    pub fn is_supported(self, id_aa64mmfr0: u64) -> bool {
        let field = |shift: u32| id_aa64mmfr0 >> shift & 0xf;
        match self {
            Self::Size4K => field(28) != 0xf,
            Self::Size16K => field(20) != 0,
            Self::Size64K => field(24) != 0xf,
        }
    }
}

impl fmt::Display for Granule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Size4K => "4 KiB",
            Self::Size16K => "16 KiB",
            Self::Size64K => "64 KiB",
        })
    }
}
