//! The values of EL2's control registers (Arm ARM D24.2), computed from the CPU's ID registers.
//!
//! EL2 writes every register of [`ControlRegisters`] on every CPU that a guest runs on. A bit that
//! a CPU does not have is written as zero, or as one where it is RES1.

mod features;
#[cfg(test)]
mod tests;

use crate::arch::system_registers::{IdRegisters, field};
use features::FeatureBits;

/// What the values depend on besides the ID registers of group 3.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Choices {
    /// PMCR_EL0 if there is a PMU ([`field::PMU_VER`]), otherwise 0: its N is the number of event
    /// counters.
    pub pmcr_el0: u64,
    /// The property `count-hypervisor`: the PMU may count at EL2 too.
    pub count_hypervisor: bool,
    /// Physical interrupts of Group 1 are taken to EL1, without an exit to EL2.
    pub direct_interrupts: bool,
}

/// The values that EL2 writes before the guest runs. A register that is `None` does not exist on
/// this CPU, and must not be accessed.
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
    pub sctlr2_el2: Option<u64>,
    pub tcr2_el2: Option<u64>,
    pub gcscr_el2: Option<u64>,
}

/// The registers of FEAT_FGT. Bits whose names begin with n trap when clear, all others when set:
/// so only what no feature of the table enables traps. HDFGRTR_EL2 and HDFGWTR_EL2 are 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FineGrainedTraps {
    /// HFGRTR_EL2 and HFGWTR_EL2.
    pub registers: u64,
    /// HFGITR_EL2.
    pub instructions: u64,
}

/// The registers of FEAT_FGT2. HFGITR2_EL2 is 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FineGrainedTraps2 {
    /// HFGRTR2_EL2 and HFGWTR2_EL2.
    pub registers: u64,
    /// HDFGRTR2_EL2.
    pub debug_reads: u64,
    /// HDFGWTR2_EL2.
    pub debug_writes: u64,
}

/// HCR_EL2 without VHE: stage 2 on (VM, SWIO), EL1 is AArch64 (RW), interrupts and SErrors are
/// taken to EL2 (FMO, IMO, AMO), TID3, TSC, TIDCP, TACR and TSW trap, and WFI and WFE do not. A walk
/// of the guest's tables through Device memory is a stage-2 fault (PTW), so that EL2's own
/// translation of a guest's address (`guest_code::read`) accesses no device that could abort it.
const HCR: u64 = 0b111 | 1 << 31 | 0b111 << 3 | 0b1_1111 << 18;
/// HCR_EL2.IMO. FMO stays: Group 0 is EL2's.
const HCR_IMO: u64 = 1 << 4;
/// MDCR_EL2.TDOSA: OSLAR_EL1, OSLSR_EL1, OSDLR_EL1 and DBGPRCR_EL1 trap. While the OS Lock is
/// locked, MDSCR_EL1.HDE is EDSCR.HDE, with which HLT and breakpoints, at EL2 too, put the CPU into
/// Debug state where the board permits halting (Arm ARM D2.8, H2.2).
const MDCR_TDOSA: u64 = 1 << 10;
/// MDCR_EL2.TDRA: MDRAR_EL1, the physical address of the debug registers' ROM table, traps.
const MDCR_TDRA: u64 = 1 << 11;
/// ZCR_EL2.LEN and SMCR_EL2.LEN: the longest vectors that the CPU has.
const VECTOR_LENGTH: u64 = 0xf;
/// CNTHCTL_EL2.{EL1PCTEN, EL1PCEN}: the physical counter and timer are the guest's, and no event
/// stream of EL2's runs.
const GUEST_TIMER: u64 = 0b11;

impl ControlRegisters {
    /// Returns the values for a CPU whose own ID registers, with nothing hidden, are `id`.
    pub fn new(id: &IdRegisters, choices: Choices) -> Self {
        let has = |field| id.field(field) > 0;
        let bits = FeatureBits::new(id);
        let direct = if choices.direct_interrupts { HCR_IMO } else { 0 };
        Self {
            hcr_el2: HCR & !direct | bits.hcr,
            hcrx_el2: has(field::HCX).then_some(bits.hcrx),
            cptr_el2: cptr(id) | bits.cptr,
            mdcr_el2: mdcr(id, choices) | bits.mdcr,
            cnthctl_el2: GUEST_TIMER,
            vtcr_el2: vtcr(id),
            hstr_el2: 0,
            fine_grained_traps: has(field::FGT)
                .then_some(FineGrainedTraps { registers: bits.hfgtr, instructions: bits.hfgitr }),
            fine_grained_traps2: (id.field(field::FGT) > 1).then_some(FineGrainedTraps2 {
                registers: bits.hfgtr2,
                debug_reads: bits.hdfgtr2,
                debug_writes: bits.hdfgtr2 | bits.hdfgwtr2,
            }),
            zcr_el2: has(field::SVE).then_some(VECTOR_LENGTH),
            smcr_el2: has(field::SME).then_some(VECTOR_LENGTH | bits.smcr),
            // EL2 itself runs in partition 0.
            mpam2_el2: (has(field::MPAM) || has(field::MPAM_FRAC)).then_some(bits.mpam2),
            // EL2's own tables and code use none of these features.
            sctlr2_el2: has(field::SCTLRX).then_some(0),
            tcr2_el2: has(field::TCRX).then_some(0),
            gcscr_el2: has(field::GCS).then_some(0),
        }
    }
}

/// Returns CPTR_EL2 in its layout for HCR_EL2.E2H = 0, where a set bit traps: FP, SIMD, SVE (TZ)
/// and SME (TSM) do not. TZ and TSM are RES1 on a CPU without SVE and without SME.
fn cptr(id: &IdRegisters) -> u64 {
    const RES1: u64 = 0x22ff;
    const TZ: u64 = 1 << 8;
    const TSM: u64 = 1 << 12;
    let tz = if id.field(field::SVE) > 0 { 0 } else { TZ };
    let tsm = if id.field(field::SME) > 0 { 0 } else { TSM };
    RES1 | tz | tsm
}

/// Returns MDCR_EL2: breakpoints, watchpoints and all event counters are the guest's.
/// Event counters do not count at EL2 from PMUv3p1 on (HPMD), nor does the cycle counter from
/// PMUv3p5 on (HCCD).
fn mdcr(id: &IdRegisters, choices: Choices) -> u64 {
    const HPMD: u64 = 1 << 17;
    const HCCD: u64 = 1 << 23;
    // PMCR_EL0.N, which HPMN must equal for the guest to have them all.
    let counters = choices.pmcr_el0 >> 11 & 0x1f;
    let hidden = match id.field(field::PMU_VER) {
        _ if choices.count_hypervisor => 0,
        0..4 => 0,
        4..6 => HPMD,
        _ => HPMD | HCCD,
    };
    counters | hidden | MDCR_TDOSA | MDCR_TDRA
}

/// Returns VTCR_EL2 for the tables that this crate builds: IPAs of 39 bits from level 1 on,
/// granules of 4 KiB, walks through inner-shareable write-back memory, VMIDs of 8 bits.
fn vtcr(id: &IdRegisters) -> u64 {
    const RES1: u64 = 1 << 31;
    const T0SZ: u64 = 64 - 39;
    const SL0_LEVEL_1: u64 = 1 << 6;
    const IRGN0_ORGN0_WRITE_BACK: u64 = 1 << 8 | 1 << 10;
    const SH0_INNER: u64 = 0b11 << 12;
    // More than 48 bits would need other descriptors.
    let physical_size = id.field(field::PA_RANGE).min(0b101);
    RES1 | T0SZ | SL0_LEVEL_1 | IRGN0_ORGN0_WRITE_BACK | SH0_INNER | physical_size << 16
}
