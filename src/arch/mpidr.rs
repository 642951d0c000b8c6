//! CPU affinities.

/// The affinity fields of MPIDR_EL1 (Arm ARM D24.2.122), without its other bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Mpidr(u64);

impl Mpidr {
    const AFFINITY: u64 = 0xff_00ff_ffff;

    /// Takes the affinity fields of `value`. Its other bits are dropped.
    pub const fn new(value: u64) -> Self {
        Self(value & Self::AFFINITY)
    }

    /// Returns Aff3 in bits 39:32 and Aff2 to Aff0 in bits 23:0, the format of PSCI (DEN0022) and
    /// of the `reg` property of `cpu` nodes.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Returns the field of affinity level `level` (0 to 3).
    pub const fn affinity(self, level: u32) -> u8 {
        let shift = if level == 3 { 32 } else { level * 8 };
        (self.0 >> shift) as u8
    }
}
