//! Mitigations of speculative execution that firmware at EL3 carries out.

use super::codes::NOT_SUPPORTED;

/// SMCCC_ARCH_WORKAROUND_1 (CVE-2017-5715), 2 (CVE-2018-3639; w1 turns the mitigation on or off)
/// and 3 (CVE-2017-5715 and CVE-2022-23960).
pub(super) const WORKAROUNDS: [u32; 3] = [0x8000_8000, 0x8000_7fff, 0x8000_3fff];

/// A mitigation that this CPU's firmware offers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Workaround(u32);

impl Workaround {
    /// Returns the function identifier.
    pub const fn id(self) -> u32 {
        self.0
    }
}

/// What this CPU's firmware answers to SMCCC_ARCH_FEATURES about each workaround, negative for
/// those that it does not offer. CPUs of one machine can differ.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Workarounds(pub(super) [i32; 3]);

impl Workarounds {
    /// A CPU whose firmware offers none, or that has no firmware.
    pub const NONE: Self = Self([-1; 3]);

    /// Finds out from firmware which workarounds it offers. `features` performs SMCCC_ARCH_FEATURES
    /// with its argument, and may be called only where firmware implements SMCCC 1.1 or newer.
    pub fn ask(features: impl FnMut(u32) -> i32) -> Self {
        Self(WORKAROUNDS.map(features))
    }

    /// Returns SMCCC_ARCH_WORKAROUND_1, which kernels call most often, if firmware offers it.
    pub fn first(&self) -> Option<Workaround> {
        (self.0[0] >= 0).then_some(Workaround(WORKAROUNDS[0]))
    }

    /// Returns SMCCC_ARCH_WORKAROUND_2, whose mitigation a guest can turn off, if firmware offers
    /// it. Firmware turns it on when it starts a CPU (DEN0028).
    pub fn store_bypass(&self) -> Option<Workaround> {
        self.find(WORKAROUNDS[1])
    }

    /// Returns the workaround with this function identifier, if firmware offers it.
    pub fn find(&self, function: u32) -> Option<Workaround> {
        (self.features(function) >= 0).then_some(Workaround(function))
    }

    /// Returns what SMCCC_ARCH_FEATURES answers about `function`: [`NOT_SUPPORTED`] unless it is
    /// a workaround that firmware offers.
    pub fn features(&self, function: u32) -> i64 {
        match WORKAROUNDS.iter().position(|workaround| *workaround == function) {
            Some(index) => self.0[index].into(),
            None => NOT_SUPPORTED,
        }
    }
}
