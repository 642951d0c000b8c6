//! The values of EL2's control registers, computed from what the CPU is.
//!
//! EL2 reads [`IdRegisters`], and writes every register of [`ControlRegisters`] on every CPU.

#[cfg(test)]
mod tests;

use crate::inject::PstateFeatures;

/// The ID registers that decide. EL2 reads them all; those that the CPU does not have read as zero.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[expect(missing_docs, reason = "each field is the register of the same name")]
pub struct IdRegisters {
    pub id_aa64pfr0_el1: u64,
    pub id_aa64pfr1_el1: u64,
    pub id_aa64pfr2_el1: u64,
    pub id_aa64dfr0_el1: u64,
    pub id_aa64dfr1_el1: u64,
    pub id_aa64isar0_el1: u64,
    pub id_aa64isar1_el1: u64,
    pub id_aa64isar2_el1: u64,
    pub id_aa64mmfr0_el1: u64,
    pub id_aa64mmfr1_el1: u64,
    pub id_aa64mmfr2_el1: u64,
    pub id_aa64mmfr3_el1: u64,
    pub id_aa64smfr0_el1: u64,
    /// PMCR_EL0, whose N is the number of event counters; zero where there is no PMU.
    pub pmcr_el0: u64,
}

/// What is the partition's choice.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Choices {
    /// `count-hypervisor`: the PMU counts at EL2 too.
    pub count_hypervisor: bool,
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
    /// HFGRTR_EL2, HFGWTR_EL2, HFGITR_EL2, HDFGRTR_EL2, HDFGWTR_EL2 (FEAT_FGT).
    pub fine_grained_traps: Option<FineGrainedTraps>,
    /// With FEAT_SVE, and to be written after CPTR_EL2 and an ISB.
    pub zcr_el2: Option<u64>,
    /// With FEAT_SME, likewise.
    pub smcr_el2: Option<u64>,
}

/// FEAT_FGT's registers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "each field is the register of the same name")]
pub struct FineGrainedTraps {
    pub hfgrtr_el2: u64,
    pub hfgwtr_el2: u64,
    pub hfgitr_el2: u64,
    pub hdfgrtr_el2: u64,
    pub hdfgwtr_el2: u64,
}

/// SCTLR_EL1 of a vCPU that starts.
pub const SCTLR_EL1_RESET: u64 = 0x30d0_0980;

impl ControlRegisters {
    /// The values for a guest's CPU.
    #[must_use]
    pub fn new(id: &IdRegisters, choices: Choices) -> Self {
        let _ = (id, choices);
        Self {
            hcr_el2: 0,
            hcrx_el2: None,
            cptr_el2: 0,
            mdcr_el2: 0,
            cnthctl_el2: 0,
            vtcr_el2: 0,
            hstr_el2: 0,
            fine_grained_traps: None,
            zcr_el2: None,
            smcr_el2: None,
        }
    }
}

impl PstateFeatures {
    /// The fields that the CPU's PSTATE has.
    #[must_use]
    pub fn new(id: &IdRegisters) -> Self {
        let _ = id;
        Self::default()
    }
}
