//! The affinity of a CPU.

use core::fmt;

/// The affinity fields of MPIDR_EL1 (Arm ARM D24.2.122), without its other bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Mpidr(u64);

impl Mpidr {
    const AFFINITY: u64 = 0xff_00ff_ffff;

    /// The affinity fields of `value`; its other bits are dropped.
    pub const fn new(value: u64) -> Self {
        Self(value & Self::AFFINITY)
    }

    /// Aff3 in bits 39:32, Aff2 to Aff0 in bits 23:0, as PSCI and `cpu@N/reg` have it.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Affinity level `level` (0 to 3).
    pub const fn affinity(self, level: u32) -> u8 {
        let shift = if level == 3 { 32 } else { level * 8 };
        (self.0 >> shift) as u8
    }
}

impl fmt::Display for Mpidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}
