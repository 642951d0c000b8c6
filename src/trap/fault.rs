//! What a guest did that it must not do, as people are told of it.

use core::fmt;

use crate::arch::addr::Ipa;

/// A guest's fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fault {
    /// What it did.
    pub deed: Deed,
    /// The vCPU that did it.
    pub vcpu: usize,
    /// The address of its instruction.
    pub pc: u64,
    /// ESR_EL2.
    pub syndrome: u64,
}

/// What a guest did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Deed {
    /// It used an instruction that it has not got.
    Undefined,
    /// It touched memory in a way that was refused.
    Access(Access, Place),
}

/// How it touched memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// It read.
    Load,
    /// It wrote.
    Store,
    /// It fetched an instruction.
    Fetch,
}

/// Where it touched memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// At a device that Bulkhead emulates, but not for such an instruction.
    Emulated(Ipa),
    /// Where the partition has nothing.
    Outside(Ipa),
    /// The CPU does not say.
    Unknown,
}

impl fmt::Display for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Access(access, place) = self else {
            return f.write_str("undefined instruction");
        };
        f.write_str(match access {
            Access::Load => "load ",
            Access::Store => "store ",
            Access::Fetch => "fetch ",
        })?;
        match place {
            Place::Emulated(ipa) => write!(f, "that cannot be emulated, ipa {ipa}"),
            Place::Outside(ipa) => write!(f, "outside the partition, ipa {ipa}"),
            Place::Unknown => f.write_str("that failed"),
        }
    }
}

/// Where the guest was when it did it.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "vCPU {}, pc {:#x}, esr {:#x}", self.vcpu, self.pc, self.syndrome)
    }
}
