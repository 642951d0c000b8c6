//! The values of EL2's control registers (Arm ARM D24.2), computed from what the CPU is.
//!
//! EL2 writes every register of [`ControlRegisters`] on every CPU that a guest runs on. A bit that a
//! CPU does not have is written as zero, or as one where it is RES1.

mod features;
#[cfg(test)]
mod tests;

use crate::inject::PstateFeatures;
use crate::system_registers::{IdRegisters, field};
use features::{Register, enabled};

/// What the ID registers of group 3 do not tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Choices {
    /// PMCR_EL0 where [`IdRegisters::has_pmu`], otherwise 0: its N is the number of event counters.
    pub pmcr_el0: u64,
    /// `count-hypervisor`: the PMU may count at EL2 too.
    pub count_hypervisor: bool,
    /// The guest takes its IRQs at EL1 itself (HCR_EL2.IMO clear), and only FIQs come to EL2.
    pub direct_interrupts: bool,
}

/// What EL2 writes before the guest runs. A register that is `None` does not exist on this CPU, and
/// must not be accessed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "each field is the register of the same name")]
pub struct ControlRegisters {
    pub hcr_el2: u64,
    pub hcrx_el2: Option<u64>,
    pub cptr_el2: u64,
    pub mdcr_el2: u64,
    pub cnthctl_el2: u64,
    pub vtcr_el2: u64,
    pub hstr_el2: u64,
    pub fine_grained_traps: Option<FineGrainedTraps>,
    pub fine_grained_traps2: Option<FineGrainedTraps2>,
    /// To be written after CPTR_EL2 and an ISB, like SMCR_EL2.
    pub zcr_el2: Option<u64>,
    pub smcr_el2: Option<u64>,
    pub mpam2_el2: Option<u64>,
}

/// The registers of FEAT_FGT.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "each field is the register of the same name")]
pub struct FineGrainedTraps {
    pub hfgrtr_el2: u64,
    pub hfgwtr_el2: u64,
    pub hfgitr_el2: u64,
    pub hdfgrtr_el2: u64,
    pub hdfgwtr_el2: u64,
}

/// The registers of FEAT_FGT2, with the names that every assembler knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FineGrainedTraps2 {
    /// S3_4_C3_C1_2.
    pub hfgrtr2_el2: u64,
    /// S3_4_C3_C1_3.
    pub hfgwtr2_el2: u64,
    /// S3_4_C3_C1_7.
    pub hfgitr2_el2: u64,
    /// S3_4_C3_C1_0.
    pub hdfgrtr2_el2: u64,
    /// S3_4_C3_C1_1.
    pub hdfgwtr2_el2: u64,
}

/// SCTLR_EL1 of a vCPU that starts: MMU and caches off, little-endian, and the bits that are RES1 on
/// an Armv8.0 CPU (LSMAOE, nTLSMD, SPAN, EIS, TSCXT, EOS).
pub const SCTLR_EL1_RESET: u64 = 0x30d0_0800;

impl ControlRegisters {
    /// The values for a CPU whose own ID registers, with nothing hidden, are `id`.
    #[must_use]
    pub fn new(id: &IdRegisters, choices: Choices) -> Self {
        let fgt = id.field(field::FGT);
        Self {
            hcr_el2: hcr(id, choices),
            hcrx_el2: (id.field(field::HCX) > 0).then(|| enabled(id, Register::Hcrx)),
            cptr_el2: cptr(id),
            mdcr_el2: mdcr(id, choices),
            cnthctl_el2: EL1PCTEN | EL1PCEN,
            vtcr_el2: vtcr(id),
            hstr_el2: 0,
            fine_grained_traps: (fgt >= 1).then(|| FineGrainedTraps::new(id)),
            fine_grained_traps2: (fgt >= 2).then(|| FineGrainedTraps2::new(id)),
            zcr_el2: (id.field(field::SVE) > 0).then_some(VECTOR_LENGTH),
            smcr_el2: (id.field(field::SME) > 0)
                .then(|| VECTOR_LENGTH | enabled(id, Register::Smcr)),
            mpam2_el2: (id.field(field::MPAM) | id.field(field::MPAM_FRAC) > 0)
                .then_some(TRAP_MPAM1 | TRAP_MPAM0),
        }
    }
}

impl FineGrainedTraps {
    /// Nothing traps but what has to be allowed one by one and is not: bits whose name begins with
    /// n trap when clear, all others when set.
    fn new(id: &IdRegisters) -> Self {
        let registers = enabled(id, Register::Hfgtr);
        Self {
            hfgrtr_el2: registers,
            hfgwtr_el2: registers,
            hfgitr_el2: enabled(id, Register::Hfgitr),
            hdfgrtr_el2: 0,
            hdfgwtr_el2: 0,
        }
    }
}

impl FineGrainedTraps2 {
    fn new(id: &IdRegisters) -> Self {
        let registers = enabled(id, Register::Hfgtr2);
        let debug = enabled(id, Register::Hdfgtr2);
        Self {
            hfgrtr2_el2: registers,
            hfgwtr2_el2: registers,
            hfgitr2_el2: 0,
            hdfgrtr2_el2: debug,
            hdfgwtr2_el2: debug | enabled(id, Register::Hdfgwtr2),
        }
    }
}

impl PstateFeatures {
    /// What the PSTATE of a CPU with these ID registers has.
    #[must_use]
    pub fn new(id: &IdRegisters) -> Self {
        Self {
            pan: id.field(field::PAN) > 0,
            ssbs: id.field(field::SSBS) > 0,
            mte2: id.field(field::MTE) >= 2,
            nmi: id.field(field::NMI) > 0,
        }
    }
}

/// CNTHCTL_EL2: the physical counter and timer are the guest's, and no event stream of EL2's runs.
const EL1PCTEN: u64 = 1 << 0;
const EL1PCEN: u64 = 1 << 1;
/// ZCR_EL2.LEN and SMCR_EL2.LEN: the longest vectors that the CPU has.
const VECTOR_LENGTH: u64 = 0xf;
/// MPAM2_EL2: EL1's accesses to MPAM0_EL1 and MPAM1_EL1 trap; EL2 itself runs in partition 0.
const TRAP_MPAM0: u64 = 1 << 49;
const TRAP_MPAM1: u64 = 1 << 48;

/// HCR_EL2 without VHE: stage 2 on, EL1 is AArch64, interrupts and SErrors come to EL2, and WFI and
/// WFE are the guest's.
fn hcr(id: &IdRegisters, choices: Choices) -> u64 {
    const VM: u64 = 1 << 0;
    const SWIO: u64 = 1 << 1;
    const FMO: u64 = 1 << 3;
    const IMO: u64 = 1 << 4;
    const AMO: u64 = 1 << 5;
    const TID3: u64 = 1 << 18;
    const TSC: u64 = 1 << 19;
    const TIDCP: u64 = 1 << 20;
    const TACR: u64 = 1 << 21;
    const TSW: u64 = 1 << 22;
    const RW: u64 = 1 << 31;
    let irq = if choices.direct_interrupts { 0 } else { IMO };
    let traps = TID3 | TSC | TIDCP | TACR | TSW;
    VM | SWIO | FMO | irq | AMO | traps | RW | enabled(id, Register::Hcr)
}

/// CPTR_EL2 in its layout for HCR_EL2.E2H = 0, where a set bit traps: FP, SIMD, SVE (TZ) and SME (TSM)
/// do not. TZ and TSM are RES1 on a CPU without SVE and without SME.
fn cptr(id: &IdRegisters) -> u64 {
    const RES1: u64 = 0x22ff;
    const TZ: u64 = 1 << 8;
    const TSM: u64 = 1 << 12;
    let tz = if id.field(field::SVE) > 0 { 0 } else { TZ };
    let tsm = if id.field(field::SME) > 0 { 0 } else { TSM };
    RES1 | tz | tsm | enabled(id, Register::Cptr)
}

/// MDCR_EL2: breakpoints, watchpoints, the OS lock and all event counters are the guest's. Counters do
/// not count at EL2, where the CPU can be told so: HPMD from PMUv3p1, HCCD from PMUv3p5 on.
fn mdcr(id: &IdRegisters, choices: Choices) -> u64 {
    const HPMD: u64 = 1 << 17;
    const HCCD: u64 = 1 << 23;
    let version = id.field(field::PMU_VER);
    // PMCR_EL0.N, which HPMN must equal for the guest to have them all.
    let counters = choices.pmcr_el0 >> 11 & 0x1f;
    let hidden = match version {
        _ if choices.count_hypervisor => 0,
        0..4 => 0,
        4..6 => HPMD,
        _ => HPMD | HCCD,
    };
    counters | hidden | enabled(id, Register::Mdcr)
}

/// VTCR_EL2 for the tables that this crate builds: 39-bit IPAs from level 1, 4 KiB granule, walks
/// through inner-shareable write-back memory, 8-bit VMIDs.
fn vtcr(id: &IdRegisters) -> u64 {
    const RES1: u64 = 1 << 31;
    const T0SZ: u64 = 64 - 39;
    const SL0_LEVEL_1: u64 = 1 << 6;
    const IRGN0_ORGN0_WRITE_BACK: u64 = 1 << 8 | 1 << 10;
    const SH0_INNER: u64 = 0b11 << 12;
    // More than 48 bits would take other descriptors.
    let physical_size = id.field(field::PA_RANGE).min(0b101);
    RES1 | T0SZ | SL0_LEVEL_1 | IRGN0_ORGN0_WRITE_BACK | SH0_INNER | physical_size << 16
}
