//! Describes a guest's faults as the monitor and the log print them.

use core::fmt;

use crate::arch::addr::Ipa;

/// A fault for which EL2 injected an exception.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fault {
    /// What the guest did.
    pub kind: FaultKind,
    /// The number of the vCPU.
    pub vcpu: usize,
    /// The virtual address of the instruction.
    pub pc: u64,
    /// ESR_EL2.
    pub syndrome: u64,
}

/// What a guest did that is not allowed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FaultKind {
    /// It executed an instruction that is undefined for it.
    Undefined,
    /// It accessed an address, and stage 2 or the memory system refused it.
    Access(AccessKind, FaultAddress),
}

/// How a guest accessed memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AccessKind {
    /// It loaded data.
    Load,
    /// It stored data.
    Store,
    /// It fetched an instruction.
    Fetch,
}

/// Where a guest accessed memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FaultAddress {
    /// At an emulated device, by an instruction that cannot be emulated.
    Emulated(Ipa),
    /// Outside everything that the partition has.
    Outside(Ipa),
    /// At a disk that the guest can only read. HPFAR_EL2 does not hold the address, so this is
    /// FAR_EL2, the guest's virtual address.
    ReadOnly(u64),
    /// HPFAR_EL2 does not hold the address.
    Unknown,
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const EMULATED: &str = "that cannot be emulated (use aligned general registers), ipa ";
        let Self::Access(access, address) = self else {
            return f.write_str("undefined instruction");
        };
        f.write_str(match access {
            AccessKind::Load => "load ",
            AccessKind::Store => "store ",
            AccessKind::Fetch => "fetch ",
        })?;
        let (text, address) = match address {
            FaultAddress::Emulated(ipa) => (EMULATED, Some(*ipa)),
            FaultAddress::Outside(ipa) => ("outside the partition, ipa ", Some(*ipa)),
            FaultAddress::ReadOnly(va) => ("to a read-only disk, va ", Some(Ipa::new(*va))),
            FaultAddress::Unknown => ("that failed", None),
        };
        f.write_str(text)?;
        address.map_or(Ok(()), |address| address.fmt(f))
    }
}

/// The vCPU, the instruction and the syndrome.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "vCPU {}, pc {:#x}, esr {:#x}", self.vcpu, self.pc, self.syndrome)
    }
}
