//! The SMC calling convention 1.2 (Arm DEN0028): which calls a guest can make, by HVC and SMC alike.
//!
//! A call is answered here, goes to the partition's [PSCI](crate::psci), or is a mitigation that the
//! CPU's firmware carries out. Nothing else reaches firmware.

#[cfg(test)]
mod tests;

/// NOT_SUPPORTED in all 64 bits: right for both conventions, since a caller of the 32-bit one must
/// ignore the upper half.
pub const NOT_SUPPORTED: i64 = -1;

/// SMCCC_VERSION's identifier.
pub(crate) const VERSION_ID: u32 = 0x8000_0000;
/// What fast calls of the standard secure service, PSCI's, have in common, 64-bit or not.
pub(crate) const STANDARD_SECURE: u32 = 0x8400_0000;

const ARCH_FEATURES: u32 = 0x8000_0001;
const VERSION: i64 = 1 << 16 | 2;

/// What EL2 has to do about a call. x1 to x3 keep their values in every case but PSCI's, where they
/// do as well: PSCI 1.1 answers in x0 alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Call {
    /// Put this into x0.
    Return(i64),
    /// Ask the partition's [`Psci`](crate::psci::Psci) for this function.
    Psci {
        /// The function's identifier.
        id: u32,
    },
    /// Make one SMC with [`Workaround::id`] in w0 and the guest's x1 on this CPU.
    Firmware(Workaround),
}

/// A mitigation of speculative execution that firmware offers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Workaround {
    /// SMCCC_ARCH_WORKAROUND_1: CVE-2017-5715.
    One,
    /// SMCCC_ARCH_WORKAROUND_2: CVE-2018-3639. w1 turns the mitigation on or off.
    Two,
    /// SMCCC_ARCH_WORKAROUND_3: CVE-2017-5715 and CVE-2022-23960.
    Three,
}

impl Workaround {
    /// All of them, for asking firmware.
    pub const ALL: [Self; 3] = [Self::One, Self::Two, Self::Three];

    /// The function identifier.
    #[must_use]
    pub const fn id(self) -> u32 {
        match self {
            Self::One => 0x8000_8000,
            Self::Two => 0x8000_7fff,
            Self::Three => 0x8000_3fff,
        }
    }

    fn from_id(id: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|workaround| workaround.id() == id)
    }
}

/// What this CPU's firmware answers to SMCCC_ARCH_FEATURES about each workaround. CPUs of one
/// machine can differ.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Workarounds {
    /// About [`Workaround::One`]; negative if firmware does not know it.
    pub one: i32,
    /// About [`Workaround::Two`]; negative if firmware does not know it.
    pub two: i32,
    /// About [`Workaround::Three`]; negative if firmware does not know it.
    pub three: i32,
}

impl Workarounds {
    /// A CPU whose firmware has none, or that has no firmware.
    pub const NONE: Self = Self { one: -1, two: -1, three: -1 };

    /// Asks firmware about each workaround. `features` performs SMCCC_ARCH_FEATURES with its
    /// argument, and may be called only where firmware's SMCCC is 1.1 or newer.
    pub fn ask(mut features: impl FnMut(u32) -> i32) -> Self {
        let [one, two, three] = Workaround::ALL.map(|workaround| features(workaround.id()));
        Self { one, two, three }
    }

    const fn answer(&self, workaround: Workaround) -> i32 {
        match workaround {
            Workaround::One => self.one,
            Workaround::Two => self.two,
            Workaround::Three => self.three,
        }
    }
}

/// What a call with `x0` and the instruction's `immediate` asks for.
#[must_use]
pub fn decode(x0: u64, x1: u64, immediate: u16, workarounds: &Workarounds) -> Call {
    let id = x0 as u32;
    if immediate != 0 {
        return Call::Return(NOT_SUPPORTED);
    }
    match id {
        VERSION_ID => Call::Return(VERSION),
        ARCH_FEATURES => Call::Return(features(x1 as u32, workarounds)),
        _ if id & 0xbf00_0000 == STANDARD_SECURE => Call::Psci { id },
        _ => match Workaround::from_id(id) {
            Some(workaround) if workarounds.answer(workaround) >= 0 => Call::Firmware(workaround),
            _ => Call::Return(NOT_SUPPORTED),
        },
    }
}

/// SMCCC_ARCH_FEATURES.
fn features(id: u32, workarounds: &Workarounds) -> i64 {
    match id {
        VERSION_ID | ARCH_FEATURES => 0,
        _ => match Workaround::from_id(id) {
            Some(workaround) => i64::from(workarounds.answer(workaround)),
            None => NOT_SUPPORTED,
        },
    }
}
