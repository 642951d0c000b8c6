//! The SMC calling convention 1.2 (Arm DEN0028): which calls a guest can make, by HVC and SMC alike.
//!
//! A call is answered here, goes to the partition's [PSCI](crate::psci), or is a mitigation that the
//! CPU's firmware carries out. Nothing else reaches firmware.

pub mod psci;
#[cfg(test)]
mod tests;

/// NOT_SUPPORTED in all 64 bits: right for both conventions, since a caller of the 32-bit one must
/// ignore the upper half.
pub const NOT_SUPPORTED: i64 = -1;

/// SMCCC_VERSION's identifier.
pub(crate) const VERSION: u32 = 0x8000_0000;
const ARCH_FEATURES: u32 = 0x8000_0001;
const VERSION_1_2: i64 = 1 << 16 | 2;

/// SMCCC_ARCH_WORKAROUND_1 (CVE-2017-5715), 2 (CVE-2018-3639; w1 turns the mitigation on or off)
/// and 3 (CVE-2017-5715 and CVE-2022-23960).
const WORKAROUNDS: [u32; 3] = [0x8000_8000, 0x8000_7fff, 0x8000_3fff];

/// What EL2 has to do about a call. x1 to x3 keep their values in every case but PSCI's, where they
/// do as well: PSCI 1.1 answers in x0 alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Call {
    /// Put this into x0.
    Return(i64),
    /// Ask the partition's [`Psci`](psci::Psci) for the function with this identifier.
    Psci(u32),
    /// Make one SMC with [`Workaround::id`] in w0 and the guest's x1 on this CPU.
    Firmware(Workaround),
}

/// A mitigation of speculative execution that this CPU's firmware said it offers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Workaround(u32);

impl Workaround {
    /// The function identifier.
    pub const fn id(self) -> u32 {
        self.0
    }
}

/// What this CPU's firmware answers to SMCCC_ARCH_FEATURES about each workaround: negative for
/// those that it does not know. CPUs of one machine can differ.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Workarounds([i32; 3]);

impl Workarounds {
    /// A CPU whose firmware has none, or that has no firmware.
    pub const NONE: Self = Self([-1; 3]);

    /// Asks firmware about each workaround. `features` performs SMCCC_ARCH_FEATURES with its
    /// argument, and may be called only where firmware's SMCCC is 1.1 or newer.
    pub fn ask(features: impl FnMut(u32) -> i32) -> Self {
        Self(WORKAROUNDS.map(features))
    }

    /// SMCCC_ARCH_WORKAROUND_1, if there is that: kernels call it most often.
    pub fn first(&self) -> Option<Workaround> {
        (self.0[0] >= 0).then_some(Workaround(WORKAROUNDS[0]))
    }

    /// SMCCC_ARCH_FEATURES of what may be a workaround.
    fn answer(&self, id: u32) -> i64 {
        match WORKAROUNDS.iter().position(|workaround| *workaround == id) {
            Some(index) => self.0[index].into(),
            None => NOT_SUPPORTED,
        }
    }
}

/// The result of a call, with no immediate, that only asks for a constant and is made often.
#[inline(always)]
pub fn constant(x0: u64) -> Option<i64> {
    psci::constant(x0 as u32)
}

/// What a call with `x0` and the instruction's `immediate` asks for.
pub fn decode(x0: u64, x1: u64, immediate: u16, workarounds: &Workarounds) -> Call {
    let id = x0 as u32;
    if immediate != 0 {
        return Call::Return(NOT_SUPPORTED);
    }
    // The standard secure service, as a fast call.
    if id & 0xbf00_0000 == psci::VERSION {
        return psci::answer(id, x1).map_or(Call::Psci(id), Call::Return);
    }
    match id {
        VERSION => Call::Return(VERSION_1_2),
        ARCH_FEATURES if matches!(x1 as u32, VERSION | ARCH_FEATURES) => Call::Return(0),
        ARCH_FEATURES => Call::Return(workarounds.answer(x1 as u32)),
        _ if workarounds.answer(id) >= 0 => Call::Firmware(Workaround(id)),
        _ => Call::Return(NOT_SUPPORTED),
    }
}
